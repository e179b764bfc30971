package synth

import (
	"fmt"
	"math"
)

// ChannelStats are a layer's statistics over pictures (and cells, for the local tokens): one number a
// channel, [D]. Only SD is needed here: means drop out of (12)'s z-scores.
type ChannelStats struct {
	SD []float64
}

// Readout is how the units that read one layer read it.
type Readout struct {
	Layer    int       // index into the generator's layers
	Units    []int     // [V_l] the units, ascending
	Field    []float32 // [H*W, V_l] receptive fields on the native grid (row-major from the top left), each summing to 1
	Channels []float32 // [D, V_l] weights of raw tokens: (10)'s w/sd
}

// sparse channels and the shared part of their weights: (14).
const (
	sparseChannels = 20
	prototypes     = 80
	prototypeWidth = 12.0 // mm
	ownShare       = 0.5  // of the weights' variance
)

// deadChannel is the deviation, relative to the layer's largest, below which a channel is not read:
// dividing by it would blow up rounding errors.
const deadChannel = 1e-6

// Readouts are the readouts of every layer that some unit reads, in ascending order of layers. stats has
// one entry a layer of the generator. It panics when stats and layers disagree.
func (p *Plan) Readouts(stats []ChannelStats) []Readout {
	if len(stats) != len(p.layers) {
		panic(fmt.Sprintf("synth: statistics of %d layers for a generator of %d", len(stats), len(p.layers)))
	}
	shared := p.prototypes()
	var out []Readout
	for l, shape := range p.layers {
		if len(stats[l].SD) != shape.Width {
			panic(fmt.Sprintf("synth: statistics of %d channels for layer %d of width %d", len(stats[l].SD), l, shape.Width))
		}
		units := p.readers(l)
		if len(units) == 0 {
			continue
		}
		out = append(out, Readout{
			Layer: l, Units: units,
			Field:    p.fields(shape, units),
			Channels: p.channels(l, shape.Width, units, shared, stats[l].SD),
		})
	}
	return out
}

// share is the part of unit v that layer l carries: (2).
func (p *Plan) share(l, v int) float64 {
	return math.Max(0, 1-math.Abs(p.truth.Depth[v]-float64(l)))
}

// readers are the units that read layer l.
func (p *Plan) readers(l int) []int {
	var units []int
	for v := range p.units {
		if p.share(l, v) > 0 {
			units = append(units, v)
		}
	}
	return units
}

// fields is (9), [H*W, V_l].
func (p *Plan) fields(shape Shape, units []int) []float32 {
	field := make([]float32, shape.H*shape.W*len(units))
	for i, v := range units {
		down := profile(shape.H, p.truth.Y[v], p.truth.Sigma[v])
		across := profile(shape.W, p.truth.X[v], p.truth.Sigma[v])
		for row, a := range down {
			for column, b := range across {
				field[(row*shape.W+column)*len(units)+i] = float32(a * b)
			}
		}
	}
	return field
}

// profile is a Gaussian at the centres of n cells that span -1..1, summing to 1. Exponents are taken
// relative to the nearest centre's, so that a field far narrower than a cell reads that cell.
func profile(n int, centre, sigma float64) []float64 {
	g := make([]float64, n)
	nearest := math.Inf(1)
	for i := range g {
		g[i] = math.Abs((float64(i)+0.5)/float64(n)*2 - 1 - centre)
		nearest = math.Min(nearest, g[i])
	}
	var sum float64
	for i, d := range g {
		g[i] = math.Exp((nearest*nearest - d*d) / (2 * sigma * sigma))
		sum += g[i]
	}
	for i := range g {
		g[i] /= sum
	}
	return g
}

// channels is (14) divided by the deviations, [D, V_l]; dead channels are not read.
func (p *Plan) channels(l, width int, units []int, shared *prototypeMap, sd []float64) []float32 {
	var largest float64
	for _, s := range sd {
		largest = math.Max(largest, s)
	}
	common := make([][]float64, len(shared.centres))
	for k, v := range shared.centres {
		common[k] = make([]float64, width)
		addSparse(common[k], 1, p.stream(streamPrototype, l, v))
	}
	out := make([]float32, width*len(units))
	w := make([]float64, width)
	for i, v := range units {
		clear(w)
		addSparse(w, math.Sqrt(ownShare), p.stream(streamOwn, l, v))
		for k, phi := range shared.weight[v] {
			for d, x := range common[k] {
				w[d] += math.Sqrt(1-ownShare) * phi * x
			}
		}
		for d, x := range w {
			if sd[d] > deadChannel*largest {
				out[d*len(units)+i] = float32(x / sd[d])
			}
		}
	}
	return out
}

// prototypeMap is Φ of (14): weight[v][k] of unit v to the unit centres[k].
type prototypeMap struct {
	centres []int
	weight  [][]float64
}

func (p *Plan) prototypes() *prototypeMap {
	order := p.stream(streamCentres, 0, -1).Perm(len(p.units))
	m := &prototypeMap{
		centres: order[:min(prototypes, len(order))],
		weight:  make([][]float64, len(p.units)),
	}
	for v, u := range p.units {
		m.weight[v] = make([]float64, len(m.centres))
		var length float64
		for k, c := range m.centres {
			if p.units[c].side != u.side {
				continue
			}
			m.weight[v][k] = gauss(distance(u.at, p.units[c].at), prototypeWidth)
			length = math.Hypot(length, m.weight[v][k])
		}
		for k := range m.weight[v] {
			m.weight[v][k] /= length + 1e-9 // a unit far from every centre has weights of its own only
		}
	}
	return m
}
