package hdf5

import "math/bits"

// lookup3 is Bob Jenkins' hash of May 2006 (burtleburtle.net/bob/c/lookup3.c, hashlittle with initial value
// 0), which HDF5 puts behind its newer structures.
func lookup3(k []byte) uint32 {
	a := 0xdeadbeef + uint32(len(k))
	b, c := a, a
	for ; len(k) > 12; k = k[12:] {
		a, b, c = a+le.Uint32(k), b+le.Uint32(k[4:]), c+le.Uint32(k[8:])
		a, b, c = mix(a, b, c)
	}
	if len(k) == 0 {
		return c
	}
	var last [12]byte
	copy(last[:], k)
	a, b, c = a+le.Uint32(last[:]), b+le.Uint32(last[4:]), c+le.Uint32(last[8:])
	for _, r := range [7]int{14, 11, 25, 16, 4, 14, 24} {
		c ^= b
		c -= bits.RotateLeft32(b, r)
		a, b, c = b, c, a // the next of the three
	}
	return b // after seven turns c is called b
}

func mix(a, b, c uint32) (uint32, uint32, uint32) {
	for _, r := range [6]int{4, 6, 8, 16, 19, 4} {
		a -= c
		a ^= bits.RotateLeft32(c, r)
		c += b
		a, b, c = b, c, a
	}
	return a, b, c
}

// fletcher32 sums 16-bit words, big-endian; an odd byte counts as a word's upper half.
func fletcher32(b []byte) uint32 {
	var one, two uint32
	fold := func() { one, two = one&0xffff+one>>16, two&0xffff+two>>16 }
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		one += w
		two += one
		if i%720 == 718 { // 360 words don't overflow
			fold()
		}
	}
	fold()
	fold()
	return two<<16 | one
}
