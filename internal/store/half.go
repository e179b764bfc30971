package store

import "math"

// Half is f as an IEEE 754 binary16, rounded to nearest, ties to even. Magnitudes from 65520 up become
// infinite; a NaN stays a (quiet) NaN.
func Half(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	a := b & 0x7fffffff
	switch {
	case a > 0x7f800000: // NaN
		return sign | 0x7e00
	case a >= 0x47800000: // 65536 and above
		return sign | 0x7c00
	case a < 0x38800000: // below 2^-14: the result is subnormal, a multiple of 2^-24
		// That is also the spacing of float32 in [0.5, 1), so the sum is rounded just as we need it.
		return sign | uint16(math.Float32bits(math.Float32frombits(a)+0.5)-0x3f000000)
	}
	// Rebias the exponent by -112 and add a little less than half of the last kept bit, or exactly half
	// where that bit is odd; a carry may run into the exponent, up to infinity.
	return sign | uint16((a-(112<<23)+0xfff+(a>>13&1))>>13)
}

// Float is the float32 that equals the binary16 h. Every binary16 has one.
func Float(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent, fraction := uint32(h>>10&31), uint32(h&0x3ff)
	switch exponent {
	case 0:
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// Finite says whether no binary16 of h is infinite or NaN, which have all bits of the exponent set. Four numbers
// are looked at in one word: adding the exponent's lowest bit to a full exponent, and to no other, carries into the
// sign's place, and no further.
func Finite(h []uint16) bool {
	const exponent, lowest, sign = 0x7c00_7c00_7c00_7c00, 0x0400_0400_0400_0400, 0x8000_8000_8000_8000
	full := uint64(0)
	for ; len(h) >= 4; h = h[4:] {
		word := uint64(h[0]) | uint64(h[1])<<16 | uint64(h[2])<<32 | uint64(h[3])<<48
		full |= (word&exponent + lowest) & sign
	}
	for _, v := range h {
		if v&0x7c00 == 0x7c00 {
			return false
		}
	}
	return full == 0
}

// HalfSlice puts Half of every src into dst. It panics if the lengths differ.
func HalfSlice(dst []uint16, src []float32) {
	if len(dst) != len(src) {
		panic("store: HalfSlice: lengths differ")
	}
	for i, f := range src {
		dst[i] = Half(f)
	}
}

// FloatSlice puts Float of every src into dst. It panics if the lengths differ.
func FloatSlice(dst []float32, src []uint16) {
	if len(dst) != len(src) {
		panic("store: FloatSlice: lengths differ")
	}
	for i, h := range src {
		// Float, unfolded: ordinary numbers and zero take the short way.
		if e := h & 0x7c00; e != 0 && e != 0x7c00 {
			dst[i] = math.Float32frombits(uint32(h&0x8000)<<16 | (uint32(h&0x7fff)<<13 + 112<<23))
		} else {
			dst[i] = Float(h)
		}
	}
}
