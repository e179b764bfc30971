// Package raw is what the readers of volumes share: the numbers of binary files, converted to what was
// asked for, and streams that read a file once, from front to back, with no more memory than is really
// there.
//
// It is no format of its own; mgh, nifti, cifti, hdf5 and matlab say where their numbers lie.
package raw

import (
	"encoding/binary"
	"fmt"
	"math"

	"cortexmap/internal/fault"
)

// Kind is how the bits of a number are meant.
type Kind byte

// Two's complement, plain binary, IEEE 754.
const (
	Int Kind = iota + 1
	Uint
	Float
)

// Type is a type of numbers in a file: integers of 1, 2, 4 or 8 bytes, floats of 2, 4 or 8.
type Type struct {
	Kind  Kind
	Size  int // bytes
	Order binary.ByteOrder
}

// String is the type's name without its byte order: int16, uint8, float32.
func (t Type) String() string {
	return map[Kind]string{Int: "int", Uint: "uint", Float: "float"}[t.Kind] + fmt.Sprint(8*t.Size)
}

// Convert turns raw numbers into floats; len(b) is len(dst) times t.Size. Integers that the float can't
// hold exactly are rounded.
func Convert[T float32 | float64](dst []T, b []byte, t Type) {
	switch {
	case t.Kind == Float && t.Size == 4 && t.Order == binary.BigEndian: // a session of NSD has 123 million of them
		for i := range dst {
			dst[i] = T(math.Float32frombits(binary.BigEndian.Uint32(b[4*i:])))
		}
	case t.Kind == Float && t.Size == 4:
		for i := range dst {
			dst[i] = T(math.Float32frombits(t.Order.Uint32(b[4*i:])))
		}
	case t.Kind == Float && t.Size == 8:
		for i := range dst {
			dst[i] = T(math.Float64frombits(t.Order.Uint64(b[8*i:])))
		}
	case t.Kind == Float && t.Size == 2:
		for i := range dst {
			dst[i] = T(Half(t.Order.Uint16(b[2*i:])))
		}
	case t.Kind == Uint && t.Size == 8: // the one integer that int64 can't carry
		for i := range dst {
			dst[i] = T(t.Order.Uint64(b[8*i:]))
		}
	default:
		for i := range dst {
			dst[i] = T(t.integer(b[t.Size*i:]))
		}
	}
}

// Whole turns raw numbers into integers, exactly. Floats are accepted if each is a whole number (labels
// are saved so); a number that isn't, or one beyond int64, is a fault that names its place, counted from
// first.
func Whole(dst []int64, b []byte, t Type, first int64) error {
	if t.Kind == Float {
		v := make([]float64, len(dst))
		Convert(v, b, t)
		return WholeFloats(dst, v, first)
	}
	for i := range dst {
		dst[i] = t.integer(b[t.Size*i:])
		if t.Kind == Uint && dst[i] < 0 {
			return fault.Inputf("number %d is %d, beyond int64", first+int64(i), uint64(dst[i]))
		}
	}
	return nil
}

// WholeFloats is Whole for numbers that are floats already.
func WholeFloats(dst []int64, v []float64, first int64) error {
	for i, x := range v {
		// 2^53: beyond it a float64 no longer tells whole numbers apart, and no id or label is so large.
		if x != math.Trunc(x) || math.Abs(x) >= 1<<53 {
			return fault.Inputf("number %d is %v, a whole number is needed", first+int64(i), x)
		}
		dst[i] = int64(x)
	}
	return nil
}

// integer is one integer; an unsigned one of 8 bytes wraps beyond int64.
func (t Type) integer(b []byte) int64 {
	switch signed := t.Kind == Int; t.Size {
	case 1:
		if signed {
			return int64(int8(b[0]))
		}
		return int64(b[0])
	case 2:
		if signed {
			return int64(int16(t.Order.Uint16(b)))
		}
		return int64(t.Order.Uint16(b))
	case 4:
		if signed {
			return int64(int32(t.Order.Uint32(b)))
		}
		return int64(t.Order.Uint32(b))
	case 8:
		return int64(t.Order.Uint64(b))
	}
	panic("raw: no conversion for " + t.String())
}

// Half is the value of IEEE half-precision bits: sign, 5 bits of exponent (bias 15), 10 of fraction.
func Half(h uint16) float32 {
	frac, exp := float64(h&1023), int(h>>10&31)
	v := math.Ldexp(1+frac/1024, exp-15)
	switch {
	case exp == 0: // subnormal
		v = math.Ldexp(frac, -24)
	case exp == 31 && frac == 0:
		v = math.Inf(1)
	case exp == 31:
		v = math.NaN()
	}
	if h>>15 == 1 {
		v = math.Copysign(v, -1)
	}
	return float32(v)
}
