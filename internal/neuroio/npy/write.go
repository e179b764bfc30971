package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// Number is an element type that can be written.
type Number interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64
}

// Write writes data, in C order, as a version 1.0 file. It panics if the shape doesn't multiply to
// len(data).
func Write[T Number](w io.Writer, data []T, shape ...int) error {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n != len(data) {
		panic(fmt.Sprintf("npy: %d elements for shape %s", len(data), shapeText(shape)))
	}
	if err := WriteHeader[T](w, shape...); err != nil {
		return err
	}
	return WriteElements(w, data)
}

// WriteHeader writes the header alone; elements follow in C order, by WriteElements, as they come.
func WriteHeader[T Number](w io.Writer, shape ...int) error {
	var zero T
	dict := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr(zero), shapeText(shape))
	pad := 63 - (10+len(dict))%64
	dict += strings.Repeat(" ", pad) + "\n"
	head := append([]byte(magic), 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(dict)))
	_, err := w.Write(append(head, dict...))
	return err
}

// WriteElements writes elements after WriteHeader, little-endian, a block at a time.
func WriteElements[T Number](w io.Writer, data []T) error {
	var buf []byte
	for len(data) > 0 {
		n := min(block, len(data))
		b, err := binary.Append(buf[:0], binary.LittleEndian, data[:n])
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		buf, data = b, data[n:]
	}
	return nil
}

func descr(x any) string {
	switch x.(type) {
	case float32:
		return "<f4"
	case float64:
		return "<f8"
	case int8:
		return "|i1"
	case int16:
		return "<i2"
	case int32:
		return "<i4"
	case int64:
		return "<i8"
	case uint8:
		return "|u1"
	case uint16:
		return "<u2"
	case uint32:
		return "<u4"
	case uint64:
		return "<u8"
	}
	panic("npy: unknown element type")
}
