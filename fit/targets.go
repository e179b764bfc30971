package fit

import (
	"context"
	"math"
)

// Constants of (17), as tried on planted subjects; none is delicate.
const (
	layerSharpness = 0.04 // of the profile over layers: how much worse than the best, relative, costs a factor e
	scaleSharpness = 0.5  // of the difference between global and local, relative to the peak
	peakShare      = 0.6  // of its peak that a value of the map must reach to pull the centroid
	targetBatch    = 512  // 1,024 gives the same maps at twice the time
	targetDecay    = 1e-2
	targetWarmup   = 20
)

// target is what one vertex's networks should say, and how much that counts.
type target struct {
	x, y   float64
	layer  []float64
	scale  float64
	weight float64
}

// targets turns a score map into the networks' targets: (17).
func (s *scoreMap) targets() []target {
	out := make([]target, len(s.vertices))
	var sum float64
	for i := range out {
		out[i] = s.target(i)
		sum += out[i].weight
	}
	for i := range out {
		out[i].weight *= float64(len(out)) / sum
	}
	return out
}

func (s *scoreMap) target(i int) target {
	cells := s.G * s.G
	t := target{layer: make([]float64, s.L)}
	local, global := make([]float64, s.L), make([]float64, s.L) // best local score, global score
	var best float64                                            // of the local scores
	for l := range s.L {
		for c := range cells {
			if s.held.counts(l, c, s.G) {
				local[l] = max(local[l], float64(*s.at(i, l, c)))
			}
		}
		if s.held.counts(l, cells, s.G) {
			global[l] = max(0, float64(*s.at(i, l, cells)))
		}
		best = max(best, local[l])
	}
	t.x, t.y = s.centroid(i, local, best)
	top := max(best, 1e-3)
	for l := range s.L {
		top = max(top, global[l])
	}
	var sum float64
	for l := range s.L {
		t.layer[l] = math.Exp((max(local[l], global[l])/top - 1) / s.sharpness)
		sum += t.layer[l]
	}
	var difference float64
	for l := range s.L {
		t.layer[l] /= sum
		difference += t.layer[l] * (global[l] - local[l])
	}
	t.scale = sigmoid(difference / (scaleSharpness * top))
	t.weight = top
	return t
}

// centroid is the place in the image where the layers near the best one predict well.
func (s *scoreMap) centroid(i int, local []float64, best float64) (x, y float64) {
	cells := s.G * s.G
	m := make([]float64, cells)
	var peak, sum float64
	for c := range m {
		for l := range s.L {
			m[c] += math.Pow(local[l]/max(best, 1e-6), 8) * max(0, float64(*s.at(i, l, c)))
		}
		peak = max(peak, m[c])
	}
	for c := range m {
		w := max(0, m[c]-peakShare*peak)
		w *= w
		sum += w
		cx, cy := tokenPlace(c, s.G)
		x += w * cx
		y += w * cy
	}
	if sum == 0 {
		return 0, 0
	}
	return x / sum, y / sum
}

// fitTargets fits all networks to a score map's targets: squared distance, cross entropies, weighted.
func (m *model) fitTargets(ctx context.Context, s *scoreMap) error {
	if m.sel.joint != nil {
		return m.fitJointTargets(ctx, s)
	}
	targets := s.targets()
	if m.net == nil {
		m.freeTargets(s, targets)
		return nil
	}
	return m.train(ctx, m.net, s.vertices, streamTargets, "selectors", func(i int, o, g []float32) {
		t := &targets[i]
		x, y := math.Tanh(float64(o[0])), math.Tanh(float64(o[1]))
		g[0] = float32(t.weight * 2 * (x - t.x) * (1 - x*x))
		g[1] = float32(t.weight * 2 * (y - t.y) * (1 - y*y))
		softmax(g[2:2+m.L], o[2:2+m.L])
		for l := range m.L {
			g[2+l] = float32(t.weight * (float64(g[2+l]) - t.layer[l]))
		}
		g[2+m.L] = float32(t.weight * (sigmoid(float64(o[2+m.L])) - t.scale))
	})
}

// train takes SelectorSteps of AdamW on batches drawn from some vertices. slope puts the loss' gradient by
// the outputs o of the i-th vertex into g.
func (m *model) train(ctx context.Context, net *network, vertices []int32, purpose uint64, phase string, slope func(i int, o, g []float32)) error {
	r := stream(m.seed, purpose)
	n, steps := min(targetBatch, len(vertices)), m.set.SelectorSteps
	code, out, gout := make([]float32, n*reducedWidth), make([]float32, n*net.width), make([]float32, n*net.width)
	grad, opt := make([]float32, net.params.size()), newAdam(net.params.size())
	draw := make([]int, n)
	for t := range steps {
		for k := range draw {
			draw[k] = r.IntN(len(vertices))
			v := int(vertices[draw[k]])
			copy(code[k*reducedWidth:(k+1)*reducedWidth], m.code[v*reducedWidth:(v+1)*reducedWidth])
		}
		if err := net.remember(ctx, code, out); err != nil {
			return err
		}
		for k, i := range draw {
			slope(i, out[k*net.width:(k+1)*net.width], gout[k*net.width:(k+1)*net.width])
		}
		for k := range gout {
			gout[k] /= float32(n)
		}
		if err := net.backward(ctx, code, gout, grad); err != nil {
			return err
		}
		rate := m.set.SelectorRate * min(1, float64(t+1)/targetWarmup) * 0.5 * (1 + math.Cos(math.Pi*float64(t)/float64(steps)))
		opt.next(rate, targetDecay).apply(net.params.data, grad, opt.m, opt.v, 1)
		m.report.progress(phase, t+1, steps)
	}
	return nil
}
