package fit

import (
	"context"
	"math"

	"cortexmap/internal/fault"
)

// The ablation no_factorisation, (27): a vertex's coefficients are one softmax over all tokens of all layers. It runs
// through the same graphs as the factorised model, as if all vertices shared one cell that reads every token; the
// bottlenecks, the readout, the optimiser and the network before its last layer are the same, so that what it gains
// or loses is due to the selector alone. A layer selector, a scale and a place remain as marginals, for reports
// and for whatever leaves out layers of small weight.

// newJointSelection is a selection without factorisation.
func newJointSelection(v, layers, grid int) *selection {
	s := newSelection(v, layers, grid)
	s.joint = make([]float32, v*(grid*grid+1)*layers)
	return s
}

// jointOf is the distribution of vertex v, [G²+1, L].
func (s *selection) jointOf(v int) []float32 {
	j := s.terms()
	return s.joint[v*j : (v+1)*j]
}

// marginals brings layer, scale and space of vertex v up to date with its distribution. Space is the mean place of
// the local tokens that it reads, NaN where it reads none.
func (s *selection) marginals(v int) {
	p, cells := s.jointOf(v), s.G*s.G
	layer := make([]float64, s.L)
	var local, global, x, y float64
	for t := range cells + 1 {
		var here float64
		for l, a := range p[t*s.L : (t+1)*s.L] {
			layer[l] += float64(a)
			here += float64(a)
		}
		if t == cells {
			global = here
			break
		}
		local += here
		tx, ty := tokenPlace(t, s.G)
		x += here * tx
		y += here * ty
	}
	for l, a := range layer {
		s.layer[v*s.L+l] = float32(a)
	}
	s.scale[v] = float32(global / (local + global))
	s.space[2*v], s.space[2*v+1] = float32(x/local), float32(y/local)
}

// jointBackward is backward for (27).
func (s *selection) jointBackward(goRow, ga []float32, v int, reg float64, active []int32) {
	p := s.jointOf(v)
	clear(goRow)
	lnJ := math.Log(float64(len(p)))
	var mean, mass float64
	for t := 0; t < len(p); t += s.L {
		for _, l := range active {
			i := t + int(l)
			a, g := float64(p[i]), float64(ga[i])
			if reg != 0 {
				g += reg / lnJ * negentropySlope(a)
			}
			goRow[i] = float32(g)
			mean += a * g
			mass += a
		}
	}
	mean /= max(mass, 1e-6)
	for t := 0; t < len(p); t += s.L {
		for _, l := range active {
			i := t + int(l)
			goRow[i] = p[i] * float32(float64(goRow[i])-mean)
		}
	}
}

// jointRegulariser is (9) for (27): the negative entropy over ln J, without its weight.
func (s *selection) jointRegulariser() float64 {
	return negentropy(s.joint) / math.Log(float64(s.terms())) / float64(len(s.scale))
}

// jointTarget writes where (27) starts for the i-th vertex of a score map, and returns how much that counts.
func (s *scoreMap) jointTarget(dst []float32, i int) (weight float64) {
	best := 1e-3
	for l := range s.L {
		for t := range s.G*s.G + 1 {
			score := max(0, *s.at(i, l, t))
			dst[t*s.L+l] = score
			best = max(best, float64(score))
		}
	}
	for k, score := range dst {
		dst[k] = float32((float64(score)/best - 1) / s.sharpness)
	}
	softmax(dst, dst)
	return best
}

// fitJointTargets is fitTargets for (27): cross entropy, or each unit at its own target.
func (m *model) fitJointTargets(ctx context.Context, s *scoreMap) error {
	j := m.sel.terms()
	targets, weights := make([]float32, len(s.vertices)*j), make([]float64, len(s.vertices))
	var sum float64
	for i := range weights {
		weights[i] = s.jointTarget(targets[i*j:(i+1)*j], i)
		sum += weights[i]
	}
	if m.net == nil {
		for i, v := range s.vertices {
			for k, p := range targets[i*j : (i+1)*j] {
				m.out[int(v)*j+k] = freeLogit(float64(p), j)
			}
		}
		return nil
	}
	mean := sum / float64(len(weights))
	return m.train(ctx, m.net, s.vertices, streamTargets, "selectors", func(i int, o, g []float32) {
		softmax(g, o)
		for k, p := range targets[i*j : (i+1)*j] {
			g[k] = float32(weights[i] / mean * float64(g[k]-p))
		}
	})
}

// jointArrays is how many float32 a coefficient of (27) takes at most: the distribution, the outputs that it is made
// from, an evaluator's copy, and the descent's copy, two gradients, the outputs' gradient and AdamW's two numbers of
// free outputs. An evaluation alone takes less: two sums in float64.
const jointArrays = 9

// fitsJoint refuses a joint selector that does not fit into budget bytes; 0: unknown.
func (p *problem) fitsJoint(budget int64) error {
	j := int64(p.tokens() * p.L)
	work := 4 * j * (3*evalBatch*activeChunk + 2*packedImages*int64(p.C)) // products of a chunk, and mixed channels
	need := 4*int64(p.V)*j*jointArrays + int64(p.e.workers)*work
	if budget <= 0 || need <= budget {
		return nil
	}
	const gib = 1 << 30
	return fault.Machinef("no_factorisation needs about %.2f GiB for %d coefficients of each of %d units, %.2f GiB may be used",
		float64(need)/gib, j, p.V, float64(budget)/gib).
		Remedy("allow more with memory: (GiB), or fit fewer units (a mask) or layers (extract.layers: stages)")
}
