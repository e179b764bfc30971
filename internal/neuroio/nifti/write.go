package nifti

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Number is a type that can be written.
type Number interface {
	uint8 | int16 | int32 | float32 | float64
}

// Write writes volumes, each of dims numbers with the first dimension fastest, as a little-endian NIfTI-1
// file. affine says where voxels are, in the scanner's space; nil: unknown, and a voxel is 1 mm. It panics
// if lengths don't match or a dimension is beyond int16.
func Write[T Number](w io.Writer, dims [3]int, affine *Affine, volumes ...[]T) error {
	for i, n := range []int{dims[0], dims[1], dims[2], len(volumes)} {
		if n < 1 || n > math.MaxInt16 {
			panic(fmt.Sprintf("nifti: dimension %d is %d", i+1, n))
		}
	}
	head := header1[T](dims, len(volumes), affine)
	b := bufio.NewWriterSize(w, 1<<16)
	b.Write(head)
	for _, v := range volumes {
		if len(v) != dims[0]*dims[1]*dims[2] {
			panic(fmt.Sprintf("nifti: %d numbers for a volume of %v", len(v), dims))
		}
		for len(v) > 0 {
			part := min(len(v), 1<<13)
			_ = binary.Write(b, binary.LittleEndian, v[:part]) // errors stay in b until Flush
			v = v[part:]
		}
	}
	return b.Flush()
}

// WriteZ is Write, gzipped: a .nii.gz.
func WriteZ[T Number](w io.Writer, dims [3]int, affine *Affine, volumes ...[]T) error {
	z := gzip.NewWriter(w)
	if err := Write(z, dims, affine, volumes...); err != nil {
		return err
	}
	return z.Close()
}

func header1[T Number](dims [3]int, volumes int, affine *Affine) []byte {
	le, b := binary.LittleEndian, make([]byte, 352)
	real := func(at int, x float64) { le.PutUint32(b[at:], math.Float32bits(float32(x))) }
	short := func(at, x int) { le.PutUint16(b[at:], uint16(x)) }
	le.PutUint32(b, 348)
	code, bits := codeOf[T]()
	rank := 3
	if volumes > 1 {
		rank = 4
	}
	for i, n := range []int{rank, dims[0], dims[1], dims[2], volumes, 1, 1, 1} {
		short(40+2*i, n)
		real(76+4*i, 1)
	}
	short(70, code)
	short(72, bits)
	real(108, 352)
	real(112, 1) // not scaled
	b[123] = 2   // mm
	if affine != nil {
		short(254, 1)
		for i := range 12 {
			real(280+4*i, affine[i/4][i%4])
		}
		for j := range 3 {
			real(76+4*(j+1), math.Sqrt(affine[0][j]*affine[0][j]+affine[1][j]*affine[1][j]+affine[2][j]*affine[2][j]))
		}
	}
	copy(b[344:], "n+1\x00")
	return b
}

func codeOf[T Number]() (code, bits int) {
	var zero T
	switch any(zero).(type) {
	case uint8:
		return 2, 8
	case int16:
		return 4, 16
	case int32:
		return 8, 32
	case float32:
		return 16, 32
	}
	return 64, 64
}
