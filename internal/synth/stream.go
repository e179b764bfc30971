package synth

import (
	"math/rand/v2"
)

// What a stream of random numbers is for. The numbers are part of what a seed means: keep them.
const (
	streamCentres   = 1
	streamPrototype = 2
	streamOwn       = 3
	streamNoise     = 4
)

// stream is a source of its own for a purpose, a layer and a unit (-1: none), so that what one unit draws
// hangs neither on the other units nor on the order of the work.
func (p *Plan) stream(purpose, layer, v int) *rand.Rand {
	name := uint64(purpose)<<56 | uint64(layer&0xffff)<<40
	if v >= 0 {
		u := p.units[v]
		name |= uint64(u.side+1)<<32 | uint64(uint32(u.vertex))
	}
	return rand.New(rand.NewPCG(p.options.Seed, scramble(name)))
}

// scramble spreads a name's few set bits over the word (the finaliser of SplitMix64, Steele, Lea & Flood
// 2014): PCG's neighbouring seeds would start from related states.
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// addSparse adds scale times a row of W(.) of (14): normal numbers in 20 different channels, or in all of
// them where there are no more.
func addSparse(w []float64, scale float64, r *rand.Rand) {
	for _, d := range r.Perm(len(w))[:min(sparseChannels, len(w))] {
		w[d] += scale * r.NormFloat64()
	}
}
