package synth

import (
	"fmt"
	"math"

	"cortexmap/internal/fault"
)

// Finish mixes what the readouts read into responses: (12) and (13).
//
// local and global hold (10) and (11) in the order of Readouts: [n, V_l] row-major each, for the same n
// pictures. The result is responses [n, V] row-major, the mean of the repeats, and each unit's noise
// ceiling [V] for that mean. Values that are not finite, and a unit whose signal is the same for every
// picture, are faults. Finish panics when the lengths disagree.
//
// The fast path of (12); TestAgainstLoops holds it against the plain sums.
func (p *Plan) Finish(local, global [][]float32, n int) (responses, ceiling []float32, err error) {
	signal, err := p.Signal(local, global, n)
	if err != nil {
		return nil, nil, err
	}
	p.addNoise(signal, n)
	ceiling = make([]float32, len(p.units))
	for v, c := range p.truth.Ceiling {
		ceiling[v] = float32(c)
	}
	return signal, ceiling, nil
}

// Signal is (12) alone, what the responses would be without noise: [n, V], each unit's mean 0 and
// variance 1 over the pictures.
func (p *Plan) Signal(local, global [][]float32, n int) ([]float32, error) {
	signal := make([]float32, n*len(p.units))
	part := 0
	for l := range p.layers {
		units := p.readers(l)
		if len(units) == 0 {
			continue
		}
		if part >= len(local) || part >= len(global) || len(local[part]) != n*len(units) || len(global[part]) != n*len(units) {
			panic(fmt.Sprintf("synth: what was read from layer %d is not %d pictures x %d units", l, n, len(units)))
		}
		for kind, read := range [2][]float32{local[part], global[part]} {
			if err := p.mix(signal, read, n, l, units, kind == 1); err != nil {
				return nil, err
			}
		}
		part++
	}
	if part != len(local) || part != len(global) {
		panic(fmt.Sprintf("synth: %d and %d layers were read, the units read %d", len(local), len(global), part))
	}
	return signal, p.standardise(signal, n)
}

// mix adds a layer's local or global part to the signal, z-scored and weighted.
func (p *Plan) mix(signal, read []float32, n, l int, units []int, global bool) error {
	mean, sd := moments(read, n, len(units))
	for i, v := range units {
		if math.IsNaN(sd[i]) || math.IsInf(sd[i], 0) {
			return fault.Inputf("layer %s of the generator gave a simulated unit a number that is not finite", p.layers[l].Name).
				In("layer %d, unit %d", l, v)
		}
		weight := p.share(l, v) * (1 - p.truth.Global[v])
		if global {
			weight = p.share(l, v) * p.truth.Global[v]
		}
		if flat(mean[i], sd[i]) {
			continue // the same for every picture: it carries nothing
		}
		for k := range n {
			signal[k*len(p.units)+v] += float32(weight * (float64(read[k*len(units)+i]) - mean[i]) / sd[i])
		}
	}
	return nil
}

// standardise makes each unit's mean 0 and variance 1.
func (p *Plan) standardise(signal []float32, n int) error {
	mean, sd := moments(signal, n, len(p.units))
	for v := range p.units {
		if sd[v] == 0 {
			return fault.Inputf("simulated unit %d reads the same from all of the %d pictures", v, n).
				Remedy("give more pictures, or another generator network")
		}
		for k := range n {
			x := &signal[k*len(p.units)+v]
			*x = float32((float64(*x) - mean[v]) / sd[v])
		}
	}
	return nil
}

// addNoise is (13), in place. The mean of R repeats whose noise has R (1-c)/c times the signal's
// variance has the ceiling c.
func (p *Plan) addNoise(signal []float32, n int) {
	repeats := p.options.Repeats
	for v := range p.units {
		c := p.truth.Ceiling[v]
		one := math.Sqrt((1 - c) / float64(repeats)) // of a repeat's noise, already divided by R
		r := p.stream(streamNoise, 0, v)
		for k := range n {
			var noise float64
			for range repeats {
				noise += r.NormFloat64()
			}
			x := &signal[k*len(p.units)+v]
			*x = float32(math.Sqrt(c)*float64(*x) + one*noise)
		}
	}
}

// moments are the mean and the standard deviation (over n) of each of m columns of x [n, m].
func moments(x []float32, n, m int) (mean, sd []float64) {
	mean, sd = make([]float64, m), make([]float64, m)
	for k := range n {
		for i, value := range x[k*m : (k+1)*m] {
			mean[i] += float64(value)
		}
	}
	for i := range mean {
		mean[i] /= float64(n)
	}
	for k := range n {
		for i, value := range x[k*m : (k+1)*m] {
			off := float64(value) - mean[i]
			sd[i] += off * off
		}
	}
	for i := range sd {
		sd[i] = math.Sqrt(sd[i] / float64(n))
	}
	return mean, sd
}

// flat tells a column that only float32's rounding (2^-24 of a value) makes vary.
func flat(mean, sd float64) bool { return sd <= 1e-6*math.Abs(mean) || sd == 0 }
