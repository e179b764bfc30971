package mgh

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
)

// Number is a type that can be written: maps are float32, labels int32.
type Number interface{ float32 | int32 }

// Write writes maps of a surface, each [N], as an MGH file. The geometry is the one that FreeSurfer gives to
// surfaces. It panics if there is no map or if their lengths differ.
func Write[T Number](w io.Writer, maps ...[]T) error {
	n := 0
	for i, m := range maps {
		if i > 0 && len(m) != n {
			panic(fmt.Sprintf("mgh: maps of %d and %d numbers", n, len(m)))
		}
		n = len(m)
	}
	if n == 0 || int64(n) > maxFrame {
		panic(fmt.Sprintf("mgh: %d maps of %d numbers", len(maps), n))
	}
	code := int32(3)
	if _, whole := any(maps[0]).([]int32); whole {
		code = 1
	}
	b := bufio.NewWriterSize(w, 1<<16)
	put := func(v any) { _ = binary.Write(b, binary.BigEndian, v) } // errors stay in b until Flush
	put([]int32{1, int32(n), 1, 1, int32(len(maps)), code, 0})
	put(int16(1))
	put(Geometry{Spacing: [3]float32{1, 1, 1}, Cosines: [9]float32{-1, 0, 0, 0, 0, -1, 0, 1, 0}})
	put(make([]byte, dataAt-90))
	for _, m := range maps {
		for len(m) > 0 {
			part := min(len(m), 1<<13)
			put(m[:part])
			m = m[part:]
		}
	}
	put([5]float32{})
	return b.Flush()
}

// WriteZ is Write, gzipped: the .mgz that every viewer takes.
func WriteZ[T Number](w io.Writer, maps ...[]T) error {
	z := gzip.NewWriter(w)
	if err := Write(z, maps...); err != nil {
		return err
	}
	return z.Close()
}
