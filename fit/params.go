package fit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"gonum.org/v1/gonum/blas/blas32"
)

// params is a flat array of named tensors: gradients, optimiser state and sums over workers are then plain
// loops over one slice, whatever the number of tensors.
type params struct {
	data  []float32
	names []string
	shape [][]int
	at    []int // where each tensor starts; one more entry for the end
}

func newParams() *params { return &params{at: []int{0}} }

// add appends a tensor; call grow when all are there.
func (p *params) add(name string, shape ...int) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	p.names, p.shape = append(p.names, name), append(p.shape, shape)
	p.at = append(p.at, p.at[len(p.at)-1]+n)
}

func (p *params) grow() *params {
	p.data = make([]float32, p.size())
	return p
}

func (p *params) size() int { return p.at[len(p.at)-1] }

// part is the i-th tensor's slice of data, or of an array laid out alike.
func (p *params) part(data []float32, i int) []float32 { return data[p.at[i]:p.at[i+1]:p.at[i+1]] }

// selectorParams lays the networks (2) out so that what selectorsGraph takes are slices: the first layers
// of all heads side by side, then each head's own.
func selectorParams(hs []head) *params {
	p := newParams()
	for _, h := range hs {
		p.add(h.name+".0.weight", hidden, codeWidth)
	}
	for _, h := range hs {
		p.add(h.name+".0.bias", hidden)
	}
	for _, h := range hs {
		p.add(h.name+".1.weight", hidden, hidden)
		p.add(h.name+".1.bias", hidden)
		p.add(h.name+".2.weight", h.width, hidden)
	}
	return p.grow()
}

// bindSelectors adds the networks' tensors but for the first layers' weights to a binding, in the order of
// selectorsGraph: as inputs, or as outputs where data, which begins after those, receives gradients.
func bindSelectors(p *params, hs []head, data []float32, add func(data []float32, dims ...int) *binding) {
	k := len(hs)
	from := p.at[k]
	add(data[:p.at[2*k]-from], k*hidden)
	for i := 2 * k; i < len(p.names); i++ {
		add(data[p.at[i]-from:p.at[i+1]-from], p.shape[i]...)
	}
}

// bottleneckParams are K_l and H_l of every layer.
func bottleneckParams(widths []int, channels int) *params {
	p := newParams()
	for l, d := range widths {
		p.add(fmt.Sprintf("local.%d.weight", l), channels, d)
		p.add(fmt.Sprintf("global.%d.weight", l), channels, d)
	}
	return p.grow()
}

// uniform fills a tensor from U(-1/sqrt(fan), 1/sqrt(fan)), how the published code starts every linear map.
func uniform(r *rand.Rand, dst []float32, fan int) {
	bound := 1 / math.Sqrt(float64(fan))
	for i := range dst {
		dst[i] = float32((2*r.Float64() - 1) * bound)
	}
}

// startSelectors fills the networks as published: the last layers are zero, so that every vertex starts at
// the image's centre, with all layers alike, half local and half global.
func startSelectors(p *params, r *rand.Rand) {
	for i, shape := range p.shape {
		t := p.part(p.data, i)
		switch name := p.names[i]; {
		case strings.HasSuffix(name, ".2.weight"):
			clear(t)
		case strings.HasSuffix(name, ".0.bias"):
			uniform(r, t, codeWidth)
		case strings.HasSuffix(name, ".1.bias"):
			uniform(r, t, hidden)
		default:
			uniform(r, t, shape[1])
		}
	}
}

// Streams of random numbers: one for each purpose, so that a change in one leaves the others as they were.
const (
	streamStart uint64 = iota + 1
	streamStatistics
	streamInit
	streamVertices
	streamEvidence
	streamTargets
	streamScale
	streamOrder
	streamRidge
	streamShuffle
	streamCurve
)

func stream(seed int, purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(seed), purpose))
}

// adam is AdamW's state (15) for one array.
type adam struct {
	m, v []float32
	t    int // steps done
}

func newAdam(n int) *adam { return &adam{m: make([]float32, n), v: make([]float32, n)} }

const (
	beta1   = 0.9
	beta2   = 0.999
	epsilon = 1e-8
)

// next counts a step and says how it is to be done; apply then does it, in parts if need be.
func (a *adam) next(rate, decay float64) adamStep {
	a.t++
	c1, c2 := 1-math.Pow(beta1, float64(a.t)), 1-math.Pow(beta2, float64(a.t))
	return adamStep{keep: float32(1 - rate*decay), rate: float32(rate / c1), root: float32(1 / math.Sqrt(c2))}
}

type adamStep struct{ keep, rate, root float32 }

// apply is (15) on θ[i:j] with the gradient scale·g[i:j].
func (s adamStep) apply(theta, g, m, v []float32, scale float32) {
	g, m, v = g[:len(theta)], m[:len(theta)], v[:len(theta)]
	for i, p := range theta {
		d := g[i] * scale
		mi := beta1*m[i] + (1-beta1)*d
		vi := beta2*v[i] + (1-beta2)*d*d
		m[i], v[i] = mi, vi
		theta[i] = p*s.keep - s.rate*mi/(sqrt32(vi)*s.root+epsilon)
	}
}

// sqrt32 compiles to one instruction.
func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// axpy adds alpha·x to y.
func axpy(alpha float32, x, y []float32) {
	blas32.Axpy(alpha, blas32.Vector{N: len(x), Inc: 1, Data: x}, blas32.Vector{N: len(y), Inc: 1, Data: y})
}

// squares is Σ x² in float64.
func squares(x []float32) float64 {
	var s float64
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return s
}
