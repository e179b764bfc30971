package fit

import (
	"cmp"
	"context"
	"math"
	"slices"

	"cortexmap/internal/fault"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"
)

const (
	momentVertices = 64   // vertices a Run
	layerTrace     = 2e-3 // of a vertex's layer selector that the closed forms leave out at most
	heldJobs       = 8    // blocks whose responses are gathered at once
	priorRounds    = 6    // of EM for Σ from scratch
	priorAgain     = 3    // from a Σ of before
	readoutRounds  = 8    // of s2 and τ; they settle after three or four
	firstNoise     = 0.7
	leastNoise     = 0.05 // of (19), in units of the response's variance
	leastScale     = 1e-4 // of τ: a unit without signal
)

// moments is what (19) needs of one block of vertices: the selected channels' and the response's.
type moments struct {
	vertices []int32
	width    int       // C, or 2C: local channels, then global
	s        []float32 // [m, width, width] covariance of the channels
	r        []float32 // [m, width] covariance with the response
	mean     []float32 // [m, width] of the channels
	m2, ym   []float64 // [m] variance and mean of the response
	n        []float64 // [m] images with a response
}

// momentsRunner makes moments on each worker in buffers of its own.
type momentsRunner struct {
	*model
	k     *kernel
	paths bool
	width int
	rooms []momentsRoom
}

type momentsRoom struct {
	s    [2][]float32 // [momentVertices, width, width]
	r    [2][]float32 // [momentVertices, width, 2]
	a, g []float32    // coefficients: all, or local and global
	y    []float32    // [momentVertices, packedImages, 2]
}

func (m *model) newMoments(paths bool) (*momentsRunner, error) {
	k, err := m.e.loadOnce(momentsGraph(m.C, m.sel.reads(), paths, m.missing))
	if err != nil {
		return nil, err
	}
	r := &momentsRunner{model: m, k: k, paths: paths, width: m.C}
	if paths {
		r.width = 2 * m.C
	}
	for range m.e.workers {
		var room momentsRoom
		for i := range room.s {
			room.s[i] = make([]float32, momentVertices*r.width*r.width)
			room.r[i] = make([]float32, momentVertices*r.width*2)
		}
		room.a, room.g = make([]float32, momentVertices*m.sel.terms()), make([]float32, momentVertices*m.L)
		room.y = make([]float32, momentVertices*packedImages*2)
		r.rooms = append(r.rooms, room)
	}
	return r, nil
}

// of takes the moments of one cell's vertices, at most momentVertices. The result's slices are the worker's
// and are valid until its next call.
func (r *momentsRunner) of(ctx context.Context, w int, p *packed, job cellJob, vertices []int32) (*moments, error) {
	held := make([]float32, len(vertices)*len(p.images))
	r.responses(held, vertices, p.images)
	return r.ofHeld(ctx, w, p, job, vertices, held)
}

// ofHeld is of where the vertices' responses to the packed images are there, [vertices, images].
func (r *momentsRunner) ofHeld(ctx context.Context, w int, p *packed, job cellJob, vertices []int32, held []float32) (*moments, error) {
	room, m, width := &r.rooms[w], len(vertices), r.width
	lo, hi := r.layersOf(vertices)
	l := hi - lo
	r.coefficients(room, vertices, lo, hi)
	now := 0
	clear(room.s[0][:m*width*width])
	clear(room.r[0][:m*width*2])
	out := &moments{vertices: vertices, width: width, m2: make([]float64, m), ym: make([]float64, m), n: make([]float64, m)}
	at := 0
	for _, c := range p.chunks {
		n := len(c.images)
		room.take(out, held, at, n)
		at += n
		var b binding
		for _, row := range job.rows {
			b.f16(p.token(c, row)[lo*n*r.C:hi*n*r.C], l, n, r.C)
		}
		if r.paths {
			b.f32(room.a[:m*4*l], m, 4*l).f32(room.g[:m*l], m, l)
		} else {
			k := r.sel.reads()
			b.f32(room.a[:m*k*l], m, k*l)
		}
		b.f32(room.y[:m*n*2], m, n, 2)
		b.f32(room.s[now][:m*width*width], m, width, width).f32(room.r[now][:m*width*2], m, width, 2)
		now = 1 - now
		b.gives(room.s[now][:m*width*width], m, width, width).gives(room.r[now][:m*width*2], m, width, 2)
		err := r.k.run(ctx, w, &b)
		b.close()
		if err != nil {
			return nil, err
		}
	}
	out.finish(room.s[now], room.r[now], room.r[1-now])
	return out, nil
}

// layersOf is the range of layers that is read: from either end those are left out of which no vertex takes
// more than half of layerTrace together.
func (r *momentsRunner) layersOf(vertices []int32) (lo, hi int) {
	lost := make([]float64, len(vertices))
	for lo = 0; lo < r.L-1 && r.sel.lose(lost, vertices, int32(lo)) <= layerTrace/2; lo++ {
	}
	clear(lost)
	for hi = r.L; hi > lo+1 && r.sel.lose(lost, vertices, int32(hi-1)) <= layerTrace/2; hi-- {
	}
	return lo, hi
}

func (r *momentsRunner) coefficients(room *momentsRoom, vertices []int32, lo, hi int) {
	l, tokens, all := hi-lo, r.sel.reads(), make([]float32, r.sel.terms())
	for i, v := range vertices {
		if r.paths {
			r.sel.mix(all, int(v), r.alpha, r.alpha)
		} else {
			r.sel.coefficients(all, int(v), r.alpha)
		}
		for k := range tokens {
			part := all[k*r.L+lo : k*r.L+hi]
			switch {
			case !r.paths:
				copy(room.a[(tokens*i+k)*l:], part)
			case k < 4:
				copy(room.a[(4*i+k)*l:], part)
			default:
				copy(room.g[i*l:], part)
			}
		}
	}
}

// take fills y with a chunk's responses and ones, and adds them to the responses' own sums.
func (room *momentsRoom) take(out *moments, held []float32, at, n int) {
	total := len(held) / len(out.vertices)
	for i := range out.vertices {
		for c, t := range held[i*total+at : i*total+at+n] {
			one := float32(1)
			if t != t {
				t, one = 0, 0
			}
			room.y[(i*n+c)*2], room.y[(i*n+c)*2+1] = t, one
			out.ym[i] += float64(t)
			out.m2[i] += float64(t) * float64(t)
			out.n[i] += float64(one)
		}
	}
}

// finish turns sums into covariances. r2 holds Σ x y and Σ x; mean and r are put into room.
func (m *moments) finish(s, r2, room []float32) {
	w := m.width
	m.s, m.r, m.mean = s, room[:len(m.vertices)*w], room[len(m.vertices)*w:2*len(m.vertices)*w]
	for i := range m.vertices {
		n := max(m.n[i], 1)
		m.ym[i] /= n
		m.m2[i] = m.m2[i]/n - m.ym[i]*m.ym[i]
		mean, r := m.mean[i*w:(i+1)*w], m.r[i*w:(i+1)*w]
		for c := range w {
			mean[c] = r2[(i*w+c)*2+1] / float32(n)
			r[c] = r2[(i*w+c)*2]/float32(n) - mean[c]*float32(m.ym[i])
		}
		inv := 1 / float32(n)
		for c := range w {
			row, mc := s[(i*w+c)*w:(i*w+c+1)*w], mean[c]
			for k, x := range row {
				row[k] = x*inv - mc*mean[k]
			}
		}
	}
}

// momentJobs are the blocks that moments are taken of. Within a cell vertices are sorted by layer, so that
// a block reads few layers.
func (m *model) momentJobs(vertices []int32) *layout {
	l := layoutOf(m.sel, vertices, m.e.workers)
	depth := make([]float64, m.V)
	for v := range depth {
		for k, p := range m.sel.layer[v*m.L : (v+1)*m.L] {
			depth[v] += float64(k) * float64(p)
		}
	}
	whole := l.jobs
	l.jobs = nil
	for _, j := range whole {
		slices.SortStableFunc(l.order[j.from:j.to], func(a, b int32) int { return cmp.Compare(depth[a], depth[b]) })
		n := j.len()
		parts := (n + momentVertices - 1) / momentVertices
		for i := range parts {
			l.jobs = append(l.jobs, cellJob{from: j.from + n*i/parts, to: j.from + n*(i+1)/parts, cell: j.cell, rows: j.rows})
		}
	}
	l.assign(m.e.workers)
	return l
}

// prior is Σ of (19).
type prior struct {
	sigma *mat.SymDense
	root  []float32 // L [C, C] with L Lᵀ = Σ
}

func newPrior(sigma *mat.SymDense) (*prior, error) {
	n := sigma.SymmetricDim()
	s := mat.NewSymDense(n, nil)
	s.CopySym(sigma)
	var trace float64
	for i := range n {
		trace += s.At(i, i)
	}
	for i := range n {
		s.SetSym(i, i, s.At(i, i)+1e-7*trace/float64(n)) // a channel that no vertex reads has no variance
	}
	var chol mat.Cholesky
	if !chol.Factorize(s) {
		return nil, fault.Inputf("the readouts' covariance is not positive: values that are not finite")
	}
	var low mat.TriDense
	chol.LTo(&low)
	p := &prior{sigma: s, root: make([]float32, n*n)}
	for i := range n {
		for j := 0; j <= i; j++ {
			p.root[i*n+j] = float32(low.At(i, j))
		}
	}
	return p, nil
}

// learnPrior finds Σ from some vertices by EM; before is the Σ to start from, or nil.
func (m *model) learnPrior(ctx context.Context, p *packed, before *prior) (*prior, error) {
	vertices := sampleUnits(m.V, m.set.EvidenceVertices, m.seed, streamEvidence)
	runner, err := m.newMoments(false)
	if err != nil {
		return nil, err
	}
	defer runner.k.close()
	l := m.momentJobs(vertices)
	all := make([]*moments, len(l.jobs))
	if err := m.e.each(ctx, func(ctx context.Context, w int) error {
		for _, i := range l.mine[w] {
			mo, err := runner.of(ctx, w, p, l.jobs[i], l.order[l.jobs[i].from:l.jobs[i].to])
			if err != nil {
				return err
			}
			all[i] = mo.copied()
		}
		return nil
	}); err != nil {
		return nil, err
	}
	rounds, sigma := priorAgain, (*mat.SymDense)(nil)
	if before == nil {
		rounds, sigma = priorRounds, firstPrior(all, m.C)
	} else {
		sigma = before.sigma
	}
	noise := make([][]float64, len(all))
	for i, mo := range all {
		for _, m2 := range mo.m2 {
			noise[i] = append(noise[i], firstNoise*m2)
		}
	}
	for range rounds {
		if sigma, err = m.priorRound(ctx, all, noise, sigma); err != nil {
			return nil, err
		}
	}
	return newPrior(sigma)
}

func (m *moments) copied() *moments {
	c := *m
	k := len(m.vertices) * m.width
	c.s = append([]float32(nil), m.s[:k*m.width]...)
	c.r, c.mean = append([]float32(nil), m.r...), append([]float32(nil), m.mean...)
	return &c
}

// firstPrior expects the channels to explain 0.3 of the response's variance together.
func firstPrior(all []*moments, channels int) *mat.SymDense {
	variance, n := make([]float64, channels), 0.0
	for _, mo := range all {
		for i := range mo.vertices {
			for c := range channels {
				variance[c] += float64(mo.s[(i*channels+c)*channels+c])
			}
			n++
		}
	}
	sigma := mat.NewSymDense(channels, nil)
	for c := range channels {
		sigma.SetSym(c, c, 0.3/(float64(channels)*max(variance[c]/n, 1e-6)))
	}
	return sigma
}

// priorRound is one round of EM: every vertex's posterior under sigma, then their mean.
func (m *model) priorRound(ctx context.Context, all []*moments, noise [][]float64, sigma *mat.SymDense) (*mat.SymDense, error) {
	p, err := newPrior(sigma)
	if err != nil {
		return nil, err
	}
	var inverse mat.SymDense
	var chol mat.Cholesky
	if !chol.Factorize(p.sigma) {
		return nil, fault.Inputf("the readouts' covariance is not positive: values that are not finite")
	}
	if err := chol.InverseTo(&inverse); err != nil {
		return nil, fault.Inputf("the readouts' covariance can't be inverted: %w", err)
	}
	c := m.C
	sums, counts := make([]*mat.SymDense, m.e.workers), make([]float64, m.e.workers)
	err = m.e.each(ctx, func(ctx context.Context, w int) error {
		sums[w] = mat.NewSymDense(c, nil)
		post := newPosterior(c)
		for i := w; i < len(all); i += m.e.workers {
			if err := ctx.Err(); err != nil {
				return err
			}
			mo := all[i]
			for k := range mo.vertices {
				s, r := mo.s[k*c*c:(k+1)*c*c], mo.r[k*c:(k+1)*c]
				ok := post.solve(s, r, &inverse, mo.n[k]/noise[i][k])
				if !ok {
					continue
				}
				noise[i][k] = max(leastNoise*mo.m2[k], post.noise(s, r, mo.m2[k]), 1e-12)
				sums[w].AddSym(sums[w], &post.cov)
				sums[w].SymRankOne(sums[w], 1, &post.w)
				counts[w]++
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	total := counts[0]
	for w := 1; w < m.e.workers; w++ {
		sums[0].AddSym(sums[0], sums[w])
		total += counts[w]
	}
	if total == 0 {
		return nil, fault.Inputf("no vertex has a readout: values that are not finite")
	}
	sums[0].ScaleSym(1/total, sums[0])
	return sums[0], nil
}

// posterior is (19) for one vertex by a full factorisation, with τ = 1.
type posterior struct {
	p, cov mat.SymDense
	chol   mat.Cholesky
	w, rhs mat.VecDense
}

func newPosterior(c int) *posterior {
	return &posterior{p: *mat.NewSymDense(c, nil), cov: *mat.NewSymDense(c, nil), w: *mat.NewVecDense(c, nil), rhs: *mat.NewVecDense(c, nil)}
}

func (p *posterior) solve(s, r []float32, inverse *mat.SymDense, f float64) bool {
	c := len(r)
	for i := range c {
		for j := i; j < c; j++ {
			p.p.SetSym(i, j, f*float64(s[i*c+j])+inverse.At(i, j))
		}
		p.rhs.SetVec(i, f*float64(r[i]))
	}
	if !p.chol.Factorize(&p.p) {
		return false
	}
	return p.chol.SolveVecTo(&p.w, &p.rhs) == nil && p.chol.InverseTo(&p.cov) == nil
}

// noise is the next s2 of (19).
func (p *posterior) noise(s, r []float32, m2 float64) float64 {
	c := len(r)
	out := m2
	for i := range c {
		wi := p.w.AtVec(i)
		out -= 2 * wi * float64(r[i])
		for j := range c {
			out += float64(s[i*c+j]) * (wi*p.w.AtVec(j) + p.cov.At(i, j))
		}
	}
	return out
}

// readOut sets every vertex's weights by (19) with Σ held.
func (m *model) readOut(ctx context.Context, p *packed, pr *prior, phase string) error {
	runner, err := m.newMoments(false)
	if err != nil {
		return err
	}
	defer runner.k.close()
	sandwich, err := m.e.loadOnce(sandwichGraph(m.C))
	if err != nil {
		return err
	}
	defer sandwich.close()
	l := m.momentJobs(nil)
	return m.e.each(ctx, func(ctx context.Context, w int) error {
		solver := newReadoutSolver(m.C, pr)
		a := make([]float32, momentVertices*m.C*m.C)
		var held heldResponses
		for k, i := range l.mine[w] {
			if k%heldJobs == 0 {
				held.gather(m.problem, l, l.mine[w][k:min(k+heldJobs, len(l.mine[w]))], p.images)
			}
			mo, err := runner.ofHeld(ctx, w, p, l.jobs[i], l.order[l.jobs[i].from:l.jobs[i].to], held.of[i])
			if err != nil {
				return err
			}
			n, c := len(mo.vertices), m.C
			var b binding
			b.f32(mo.s[:n*c*c], n, c, c).f32(pr.root, c, c).gives(a[:n*c*c], n, c, c)
			err = sandwich.run(ctx, w, &b)
			b.close()
			if err != nil {
				return err
			}
			for j, v := range mo.vertices {
				weights := m.w[int(v)*c : int(v+1)*c]
				solver.solve(weights, a[j*c*c:(j+1)*c*c], mo.r[j*c:(j+1)*c], mo.m2[j], mo.n[j])
				m.b[v] = float32(mo.ym[j] - dot(mo.mean[j*c:(j+1)*c], weights))
			}
			if w == 0 {
				m.report.progress(phase, k+1, len(l.mine[w]))
			}
		}
		return nil
	})
}

// heldResponses are the responses of some blocks: rows of all units are far from each other, so they are
// walked through once for many blocks.
type heldResponses struct {
	room []float32
	of   map[int][]float32 // block → [vertices, images]
}

func (h *heldResponses) gather(p *problem, l *layout, jobs []int, images []int) {
	h.of = map[int][]float32{}
	var vertices []int32
	for _, i := range jobs {
		vertices = append(vertices, l.order[l.jobs[i].from:l.jobs[i].to]...)
	}
	if need := len(vertices) * len(images); len(h.room) < need {
		h.room = make([]float32, need)
	}
	p.responses(h.room, vertices, images)
	at := 0
	for _, i := range jobs {
		size := l.jobs[i].len() * len(images)
		h.of[i] = h.room[at : at+size]
		at += size
	}
}

func dot(a, b []float32) float64 {
	var s float64
	for i, x := range a {
		s += float64(x) * float64(b[i])
	}
	return s
}

// readoutSolver is (19) for one vertex after another, in the prior's own basis: w = L u, u ~ N(0, τ).
type readoutSolver struct {
	prior *prior
	t     *tridiagonal
	s     *solution
	q, u  []float32
	q64   []float64
}

func newReadoutSolver(c int, p *prior) *readoutSolver {
	return &readoutSolver{prior: p, t: newTridiagonal(c), s: newSolution(c), q: make([]float32, c), u: make([]float32, c), q64: make([]float64, c)}
}

// solve puts a vertex's weights into w. a is LᵀSL, which is overwritten; r, m2 and n are the moments.
func (r *readoutSolver) solve(w, a, rv []float32, m2, n float64) {
	c := len(w)
	vec := func(x []float32) blas32.Vector { return blas32.Vector{N: c, Inc: 1, Data: x} }
	root := blas32.General{Rows: c, Cols: c, Stride: c, Data: r.prior.root}
	blas32.Gemv(blas.Trans, 1, root, vec(rv), 0, vec(r.q))
	r.t.reduce(a)
	r.t.toBasis(r.q)
	for i, x := range r.q {
		r.q64[i] = float64(x)
	}
	s2, tau := firstNoise*m2, 1.0
	for range readoutRounds {
		f := n / s2
		r.t.solve(r.s, f, 1/tau, r.q64)
		// tr(T P⁻¹) from P = f T + 1/τ.
		s2 = m2 - 2*r.s.uq + r.s.uTu + (float64(c)-r.s.trace/tau)/f
		s2 = max(s2, leastNoise*m2, 1e-12)
		tau = max((r.s.uu+r.s.trace)/float64(c), leastScale)
	}
	r.t.solve(r.s, n/s2, 1/tau, r.q64)
	for i, x := range r.s.u {
		r.u[i] = float32(x)
	}
	r.t.fromBasis(r.u)
	blas32.Gemv(blas.NoTrans, 1, root, vec(r.u), 0, vec(w))
	for _, x := range w {
		if x != x || math.IsInf(float64(x), 0) {
			clear(w) // moments that are not finite: the unit predicts its mean
			return
		}
	}
}
