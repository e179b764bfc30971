package store

import (
	"math"
	"math/rand/v2"
	"testing"
)

// halfValue is a binary16 by the definition of IEEE 754, in float64.
func halfValue(h uint16) float64 {
	sign, exponent, fraction := 1.0, int(h>>10&31), float64(h&0x3ff)
	if h&0x8000 != 0 {
		sign = -1
	}
	switch exponent {
	case 0:
		return sign * fraction * 0x1p-24
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * (1 + fraction/1024) * math.Ldexp(1, exponent-15)
}

func TestFloatOfEveryHalf(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		want, got := halfValue(h), float64(Float(h))
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) || math.Signbit(got) != (h&0x8000 != 0) {
			t.Fatalf("%04x is %v, want %v", h, got, want)
		}
		if back := Half(Float(h)); back != h && !math.IsNaN(want) {
			t.Fatalf("%04x came back as %04x", h, back)
		}
		var f [1]float32
		if FloatSlice(f[:], []uint16{h}); math.Float32bits(f[0]) != math.Float32bits(Float(h)) {
			t.Fatalf("FloatSlice of %04x is %v", h, f[0])
		}
	}
}

// Between two neighbouring halves the middle goes to the even one, its neighbours to the nearer one.
func TestHalfRounds(t *testing.T) {
	for i := range 0x7c00 {
		low, high := uint16(i), uint16(i+1)
		above := halfValue(high)
		if high == 0x7c00 {
			above = 65536 // what would come next decides where infinity begins
		}
		middle := float32((halfValue(low) + above) / 2) // exact: one more bit than a half has
		even := low + low&1
		for _, c := range []struct {
			f    float32
			want uint16
		}{
			{middle, even},
			{math.Nextafter32(middle, 0), low},
			{math.Nextafter32(middle, 1e9), high},
		} {
			if got := Half(c.f); got != c.want {
				t.Fatalf("%v is %04x, want %04x", c.f, got, c.want)
			}
			if got := Half(-c.f); got != c.want|0x8000 {
				t.Fatalf("%v is %04x, want %04x", -c.f, got, c.want|0x8000)
			}
		}
	}
	for f, want := range map[float32]uint16{0: 0, 65504: 0x7bff, 65519.99: 0x7bff, 65520: 0x7c00, 1e9: 0x7c00, 1e-45: 0,
		float32(math.Inf(-1)): 0xfc00, float32(math.Copysign(0, -1)): 0x8000} {
		if got := Half(f); got != want {
			t.Errorf("%v is %04x, want %04x", f, got, want)
		}
	}
	for _, bits := range []uint32{0x7fc00000, 0x7f800001, 0xffffffff} {
		if got := Half(math.Float32frombits(bits)); got&0x7fff <= 0x7c00 {
			t.Errorf("NaN %08x is %04x", bits, got)
		}
	}
}

func BenchmarkHalf(b *testing.B) {
	f, h := make([]float32, 1<<16), make([]uint16, 1<<16)
	for i := range f {
		f[i] = max(0, float32(rand.NormFloat64()))
	}
	b.Run("HalfSlice", func(b *testing.B) {
		b.SetBytes(4 << 16)
		for b.Loop() {
			HalfSlice(h, f)
		}
	})
	b.Run("FloatSlice", func(b *testing.B) {
		b.SetBytes(4 << 16)
		for b.Loop() {
			FloatSlice(f, h)
		}
	})
}

// Every binary16 at every place of a word, against the definition.
func TestFinite(t *testing.T) {
	for place := range 6 {
		for v := range 1 << 16 {
			h := []uint16{0x3c00, 0x7bff, 0xfbff, 0x8000, 0x0001, 0x7800}
			h[place] = uint16(v)
			f := float64(Float(uint16(v)))
			if got, want := Finite(h), !math.IsNaN(f) && !math.IsInf(f, 0); got != want {
				t.Fatalf("%#04x at place %d: %v", v, place, got)
			}
		}
	}
}
