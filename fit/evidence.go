package fit

import (
	"context"
	"math"

	"gonum.org/v1/gonum/mat"
)

const (
	scaleGrid     = 11   // scales 0, 0.1 … 1
	evidenceNoise = 0.68 // of the response's variance, in (20)
	evidenceUnit  = 10   // log-likelihood that counts 1 in the scale network's loss
	evidenceFloor = -50  // of one vertex's term: none may dominate
)

// evidence is (20): the log evidence of each scale on the grid, less the best, for some vertices [n, grid].
func (m *model) evidence(ctx context.Context, p *packed, pr *prior) ([]int32, []float64, error) {
	vertices := m.asked(m.set.EvidenceVertices, streamEvidence)
	runner, err := m.newMoments(true)
	if err != nil {
		return nil, nil, err
	}
	defer runner.k.close()
	sandwich, err := m.e.loadOnce(sandwichGraph(m.C))
	if err != nil {
		return nil, nil, err
	}
	defer sandwich.close()
	l := m.momentJobs(vertices)
	ev := make([]float64, len(vertices)*scaleGrid)
	err = m.e.each(ctx, func(ctx context.Context, w int) error {
		e := newEvidence(m.C, pr)
		for k, i := range l.mine[w] {
			job := l.jobs[i]
			mo, err := runner.of(ctx, w, p, job, l.order[job.from:job.to])
			if err != nil {
				return err
			}
			if err := e.block(ctx, w, sandwich, mo, ev[job.from*scaleGrid:job.to*scaleGrid]); err != nil {
				return err
			}
			if w == 0 {
				m.report.progress("scale evidence", k+1, len(l.mine[w]))
			}
		}
		return nil
	})
	return l.order, ev, err
}

// evidenceSolver works out (20) for blocks of vertices.
type evidenceSolver struct {
	c        int
	prior    *prior
	part     []float32 // [momentVertices, C, C] one quadrant of the moments
	quadrant [3][]float32
	a        *mat.SymDense
	q, x     *mat.VecDense
}

func newEvidence(c int, pr *prior) *evidenceSolver {
	e := &evidenceSolver{c: c, prior: pr, part: make([]float32, momentVertices*c*c),
		a: mat.NewSymDense(c, nil), q: mat.NewVecDense(c, nil), x: mat.NewVecDense(c, nil)}
	for i := range e.quadrant {
		e.quadrant[i] = make([]float32, momentVertices*c*c)
	}
	return e
}

// block writes the evidence of a block's vertices, [m, grid].
func (e *evidenceSolver) block(ctx context.Context, w int, sandwich *kernel, mo *moments, ev []float64) error {
	n, c := len(mo.vertices), e.c
	for i, at := range [3][2]int{{0, 0}, {0, c}, {c, c}} { // local-local, local-global, global-global
		for v := range n {
			for r := range c {
				from := (v*2*c+at[0]+r)*2*c + at[1]
				copy(e.part[(v*c+r)*c:(v*c+r+1)*c], mo.s[from:from+c])
			}
		}
		if i == 1 {
			e.symmetrise(n)
		}
		var b binding
		b.f32(e.part[:n*c*c], n, c, c).f32(e.prior.root, c, c).gives(e.quadrant[i][:n*c*c], n, c, c)
		err := sandwich.run(ctx, w, &b)
		b.close()
		if err != nil {
			return err
		}
	}
	for v := range n {
		e.vertex(v, mo, ev[v*scaleGrid:(v+1)*scaleGrid])
	}
	return nil
}

// symmetrise turns S_LG into S_LG + S_GL.
func (e *evidenceSolver) symmetrise(n int) {
	c := e.c
	for v := range n {
		s := e.part[v*c*c : (v+1)*c*c]
		for i := range c {
			for j := i; j < c; j++ {
				sum := s[i*c+j] + s[j*c+i]
				s[i*c+j], s[j*c+i] = sum, sum
			}
		}
	}
}

// vertex writes one vertex's evidence.
func (e *evidenceSolver) vertex(v int, mo *moments, ev []float64) {
	c := e.c
	f := mo.n[v] / max(evidenceNoise*mo.m2[v], 1e-12)
	local, global := mo.r[v*2*c:v*2*c+c], mo.r[v*2*c+c:(v+1)*2*c]
	at := func(i int) []float32 { return e.quadrant[i][v*c*c : (v+1)*c*c] }
	ll, lg, gg := at(0), at(1), at(2)
	best := math.Inf(-1)
	for k := range ev {
		s := float64(k) / (scaleGrid - 1)
		wl, wx, wg := f*(1-s)*(1-s), f*s*(1-s), f*s*s
		for i := range c {
			for j := i; j < c; j++ {
				x := wl*float64(ll[i*c+j]) + wx*float64(lg[i*c+j]) + wg*float64(gg[i*c+j])
				if i == j {
					x++
				}
				e.a.SetSym(i, j, x)
			}
			// q = f Lᵀ r; L is lower triangular.
			var q float64
			for j := i; j < c; j++ {
				q += float64(e.prior.root[j*c+i]) * ((1-s)*float64(local[j]) + s*float64(global[j]))
			}
			e.q.SetVec(i, f*q)
		}
		var chol mat.Cholesky
		ev[k] = math.Inf(-1)
		if chol.Factorize(e.a) && chol.SolveVecTo(e.x, e.q) == nil {
			ev[k] = 0.5*mat.Dot(e.q, e.x) - 0.5*chol.LogDet()
		}
		best = max(best, ev[k])
	}
	for k := range ev {
		ev[k] = max(ev[k]-best, -1e6)
		if math.IsInf(best, 0) || math.IsNaN(best) {
			ev[k] = 0 // no scale has evidence: the vertex has no say
		}
	}
}

// fitScale refits the scale network to the evidence, which is taken as linear between the grid's points.
func (m *model) fitScale(ctx context.Context, vertices []int32, ev []float64) error {
	if m.net == nil {
		m.freeScale(vertices, ev)
		return nil
	}
	net, err := newNetwork(m.e, []head{{"scale", 1}})
	if err != nil {
		return err
	}
	copyNamed(net.params, m.net.params)
	err = m.train(ctx, net, vertices, streamScale, "scale", func(i int, o, g []float32) {
		s := sigmoid(float64(o[0]))
		x := s * (scaleGrid - 1)
		k := min(int(x), scaleGrid-2)
		lo, hi := ev[i*scaleGrid+k], ev[i*scaleGrid+k+1]
		g[0] = 0
		if ((1-(x-float64(k)))*lo+(x-float64(k))*hi)/evidenceUnit > evidenceFloor {
			g[0] = float32(-(hi - lo) / evidenceUnit * (scaleGrid - 1) * s * (1 - s))
		}
	})
	if err != nil {
		return err
	}
	copyNamed(m.net.params, net.params)
	return nil
}

// copyNamed copies the tensors that both have.
func copyNamed(dst, src *params) {
	for i, name := range dst.names {
		for k, other := range src.names {
			if other == name {
				copy(dst.part(dst.data, i), src.part(src.data, k))
			}
		}
	}
}
