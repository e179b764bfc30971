package fit

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// spd is a random symmetric positive matrix whose eigenvalues spread over three decades.
func spd(r *rand.Rand, n int) *mat.SymDense {
	x := mat.NewDense(n, 2*n, nil)
	for i := range n {
		for j := range 2 * n {
			x.Set(i, j, r.NormFloat64()*math.Pow(10, -1.5*float64(j)/float64(2*n)))
		}
	}
	var s mat.SymDense
	s.SymOuterK(1/float64(n), x)
	return &s
}

func narrow(s *mat.SymDense) []float32 {
	n := s.SymmetricDim()
	out := make([]float32, n*n)
	for i := range n {
		for j := range n {
			out[i*n+j] = float32(s.At(i, j))
		}
	}
	return out
}

// A solve through the tridiagonal form against one of the matrix itself.
func TestTridiagonalSolve(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 0))
	for _, n := range []int{1, 2, 3, 17, 64} {
		a := spd(r, n)
		q := normal(r, n, 1)
		f, c := 300.0, 0.7

		var p mat.SymDense
		p.ScaleSym(f, a)
		for i := range n {
			p.SetSym(i, i, p.At(i, i)+c)
		}
		var chol mat.Cholesky
		var inverse mat.SymDense
		var want mat.VecDense
		if !chol.Factorize(&p) {
			t.Fatal("not positive")
		}
		chol.InverseTo(&inverse)
		rhs := mat.NewVecDense(n, nil)
		rhs.AddScaledVec(rhs, f, mat.NewVecDense(n, q))
		chol.SolveVecTo(&want, rhs)

		tri, s := newTridiagonal(n), newSolution(n)
		tri.reduce(narrow(a))
		q32 := make([]float32, n)
		for i, x := range q {
			q32[i] = float32(x)
		}
		tri.toBasis(q32)
		tri.solve(s, f, c, widen(q32))
		u := make([]float32, n)
		for i, x := range s.u {
			u[i] = float32(x)
		}
		tri.fromBasis(u)
		// A float32 reduction moves eigenvalues by about 1e-6 of the largest; P's condition is about 1e3.
		if d := furthest(u, want.RawVector().Data); d > 1e-3 {
			t.Errorf("n = %d: solution is off by %.2g", n, d)
		}
		near(t, "trace", s.trace, mat.Trace(&inverse), 1e-3)
		near(t, "u·u", s.uu, mat.Dot(&want, &want), 1e-3)
		near(t, "u·q", s.uq, mat.Dot(&want, mat.NewVecDense(n, q)), 1e-3)
		near(t, "uᵀTu", s.uTu, mat.Inner(&want, a, &want), 1e-3)
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Abs(want)) {
		t.Errorf("%s is %.8g, want %.8g", what, got, want)
	}
}

// The readout's fixed point (19) against the equations taken literally in float64.
func TestReadoutSolver(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 0))
	const c, n = 24, 500
	s, sigma := spd(r, c), spd(r, c)
	truth := mat.NewVecDense(c, normal(r, c, 0.3))
	var rv mat.VecDense
	rv.MulVec(s, truth)
	m2 := mat.Dot(truth, &rv) + 1.2

	prior, err := newPrior(sigma)
	if err != nil {
		t.Fatal(err)
	}
	var si, pi mat.SymDense
	var chol mat.Cholesky
	chol.Factorize(prior.sigma)
	chol.InverseTo(&si)
	var w mat.VecDense
	s2, tau := firstNoise*m2, 1.0
	for round := range readoutRounds + 1 {
		f := n / s2
		var p mat.SymDense
		p.ScaleSym(1/tau, &si)
		var fs mat.SymDense
		fs.ScaleSym(f, s)
		p.AddSym(&p, &fs)
		if !chol.Factorize(&p) {
			t.Fatal("not positive")
		}
		chol.InverseTo(&pi)
		var rhs mat.VecDense
		rhs.ScaleVec(f, &rv)
		chol.SolveVecTo(&w, &rhs)
		if round == readoutRounds {
			break
		}
		var sp, sip mat.Dense
		sp.Mul(s, &pi)
		sip.Mul(&si, &pi)
		s2 = max(m2-2*mat.Dot(&w, &rv)+mat.Inner(&w, s, &w)+mat.Trace(&sp), leastNoise*m2)
		tau = (mat.Inner(&w, &si, &w) + mat.Trace(&sip)) / c
	}

	var root, half, a mat.Dense
	root.CloneFrom(mat.NewDense(c, c, widen(prior.root)))
	half.Mul(s, &root)
	a.Mul(root.T(), &half)
	a32, r32, got := make([]float32, c*c), make([]float32, c), make([]float32, c)
	for i := range c {
		r32[i] = float32(rv.AtVec(i))
		for j := range c {
			a32[i*c+j] = float32(a.At(i, j))
		}
	}
	newReadoutSolver(c, prior).solve(got, a32, r32, m2, n)
	if d := furthest(got, w.RawVector().Data); d > 1e-3 { // float32 moments through a condition of 1e3
		t.Errorf("weights are off by %.2g", d)
	}
}

// Moments of the selected channels against plain sums, with missing responses and with two paths.
func TestMoments(t *testing.T) {
	for _, missing := range []bool{false, true} {
		for _, paths := range []bool{false, true} {
			ref := smallCase(5, 150, 20, 6, []int{7, 4}, missing)
			m := ref.model(t, still(8), 2)
			ctx := context.Background()
			if err := m.look(ctx); err != nil {
				t.Fatal(err)
			}
			p, err := m.pack(ctx, m.Train)
			if err != nil {
				t.Fatal(err)
			}
			runner, err := m.newMoments(paths)
			if err != nil {
				t.Fatal(err)
			}
			l := m.momentJobs(nil)
			for _, job := range l.jobs {
				mo, err := runner.of(ctx, 0, p, job, l.order[job.from:job.to])
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range mo.vertices {
					ref.compareMoments(t, mo, i, int(v), paths)
				}
			}
			runner.k.close()
		}
	}
}

// selected are the channels that vertex v reads from every image, [B, C], or [B, 2C] for two paths.
func (r *reference) selected(v int, paths bool) [][]float64 {
	z, k := r.z(), r.pick(v)
	local, global := 1-k.s, k.s
	if paths {
		local, global = 1, 1
	}
	out := make([][]float64, r.B)
	for b := range out {
		x, g := make([]float64, r.C), make([]float64, r.C)
		for l := range r.L {
			for c := range r.C {
				for q, t := range k.token {
					if t >= 0 {
						x[c] += local * k.p[l] * k.q[q] * r.token(z, b, l, t)[c]
					}
				}
				g[c] += global * k.p[l] * r.token(z, b, l, r.G*r.G)[c]
			}
		}
		if paths {
			out[b] = append(x, g...)
			continue
		}
		for c := range x {
			x[c] += g[c]
		}
		out[b] = x
	}
	return out
}

func (r *reference) compareMoments(t *testing.T, mo *moments, i, v int, paths bool) {
	t.Helper()
	x, w := r.selected(v, paths), mo.width
	var n, ym, m2 float64
	mean := make([]float64, w)
	for b := range r.B {
		if y := r.target[b*r.V+v]; y == y {
			n, ym = n+1, ym+y
			for c := range mean {
				mean[c] += x[b][c]
			}
		}
	}
	ym /= n
	for c := range mean {
		mean[c] /= n
	}
	s, rv := make([]float64, w*w), make([]float64, w)
	for b := range r.B {
		y := r.target[b*r.V+v]
		if y != y {
			continue
		}
		m2 += (y - ym) * (y - ym) / n
		for c := range w {
			rv[c] += (x[b][c] - mean[c]) * (y - ym) / n
			for d := range w {
				s[c*w+d] += (x[b][c] - mean[c]) * (x[b][d] - mean[d]) / n
			}
		}
	}
	near(t, "n", mo.n[i], n, 0)
	near(t, "mean response", mo.ym[i], ym, 1e-5)
	near(t, "variance", mo.m2[i], m2, 1e-5)
	// The channels are stored in float16: 2^-11 of a value, less in sums over many.
	for name, pair := range map[string]struct {
		got  []float32
		want []float64
	}{"S": {mo.s[i*w*w : (i+1)*w*w], s}, "r": {mo.r[i*w : (i+1)*w], rv}, "mean": {mo.mean[i*w : (i+1)*w], mean}} {
		if d := furthest(pair.got, pair.want); d > 2e-3 {
			t.Errorf("%s of vertex %d is off by %.2g", name, v, d)
		}
	}
}

// The adjusted R² of one token against least squares solved directly.
func TestScoreMap(t *testing.T) {
	ref := smallCase(6, 120, 12, 6, []int{7, 9}, false)
	m := ref.model(t, still(8), 2)
	ctx := context.Background()
	ranks := []int{6, 6}
	s, err := m.scores(ctx, m.Train, ranks)
	if err != nil {
		t.Fatal(err)
	}
	z := ref.z()
	for _, at := range [][3]int{{0, 0, 0}, {3, 1, 17}, {11, 0, 64}, {5, 1, 64}} {
		v, l, token := at[0], at[1], at[2]
		x, y := mat.NewDense(ref.B, 6, nil), mat.NewVecDense(ref.B, nil)
		for b := range ref.B {
			x.SetRow(b, ref.token(z, b, l, token))
			y.SetVec(b, ref.target[b*ref.V+v])
		}
		want := adjusted(explained(x, y), ref.B, 6)
		// The map's 1 % of ridge takes a little off.
		if got := *s.at(v, l, token); math.Abs(float64(got-want)) > 0.01 {
			t.Errorf("vertex %d, layer %d, token %d: %.4f, want %.4f", v, l, token, got, want)
		}
	}
	t.Run("aligned", func(t *testing.T) { alignedTest(t, m, s) })
}

// explained is the R² of least squares with 1 % of the mean variance added, as the map has it.
func explained(x *mat.Dense, y *mat.VecDense) float64 {
	n, k := x.Dims()
	var ym float64
	for i := range n {
		ym += y.AtVec(i) / float64(n)
	}
	for j := range k {
		var m float64
		for i := range n {
			m += x.At(i, j) / float64(n)
		}
		for i := range n {
			x.Set(i, j, x.At(i, j)-m)
		}
	}
	var yy float64
	for i := range n {
		y.SetVec(i, y.AtVec(i)-ym)
		yy += y.AtVec(i) * y.AtVec(i)
	}
	var g mat.SymDense
	g.SymOuterK(1, x.T())
	trace := mat.Trace(&g)
	for j := range k {
		g.SetSym(j, j, g.At(j, j)+0.01*trace/float64(k))
	}
	var r, w mat.VecDense
	r.MulVec(x.T(), y)
	var chol mat.Cholesky
	chol.Factorize(&g)
	chol.SolveVecTo(&w, &r)
	return mat.Dot(&w, &r) / yy
}

// alignedTest checks that alignment only rotates, and that it brings the layers closer.
func alignedTest(t *testing.T, m *model, s *scoreMap) {
	agreement := func() float64 {
		before, err := m.scores(context.Background(), m.Train, []int{6, 6})
		if err != nil {
			t.Fatal(err)
		}
		return mat.Trace(before.layers[1]) + mat.Trace(before.paths[0]) + mat.Trace(before.paths[1])
	}
	old := append([]float32(nil), m.bottleneck.data...)
	first := agreement()
	if err := m.align(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	if second := agreement(); second <= first {
		t.Errorf("agreement of the layers fell from %.4g to %.4g", first, second)
	}
	near(t, "norm of all bottlenecks", squares(m.bottleneck.data), squares(old), 1e-5)
}

// Evidence (20) against the determinant of the whole covariance of the responses, which it stands for.
func TestEvidence(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 0))
	const c, n = 5, 40
	x, y := mat.NewDense(n, 2*c, normal(r, n*2*c, 1)), mat.NewVecDense(n, normal(r, n, 1))
	sigma := spd(r, c)
	prior, err := newPrior(sigma)
	if err != nil {
		t.Fatal(err)
	}
	m2 := mat.Dot(y, y) / n
	noise := evidenceNoise * m2
	mo := &moments{vertices: []int32{0}, width: 2 * c, m2: []float64{m2}, ym: []float64{0}, n: []float64{n}}
	var s mat.SymDense
	s.SymOuterK(1.0/n, x.T())
	mo.s = narrow(&s)
	var rv mat.VecDense
	rv.MulVec(x.T(), y)
	for i := range 2 * c {
		mo.r = append(mo.r, float32(rv.AtVec(i)/n))
	}
	solver := newEvidence(c, prior)
	root := mat.NewDense(c, c, widen(prior.root))
	for i, at := range [3][2]int{{0, 0}, {0, c}, {c, c}} {
		part := mat.NewDense(c, c, nil)
		for a := range c {
			for b := range c {
				v := s.At(at[0]+a, at[1]+b)
				if i == 1 {
					v += s.At(at[0]+b, at[1]+a)
				}
				part.Set(a, b, v)
			}
		}
		var half, whole mat.Dense
		half.Mul(part, root)
		whole.Mul(root.T(), &half)
		for a := range c {
			for b := range c {
				solver.quadrant[i][a*c+b] = float32(whole.At(a, b))
			}
		}
	}
	got := make([]float64, scaleGrid)
	solver.vertex(0, mo, got)
	want, best := make([]float64, scaleGrid), math.Inf(-1)
	for k := range want {
		scale := float64(k) / (scaleGrid - 1)
		mixed := mat.NewDense(n, c, nil)
		for i := range n {
			for j := range c {
				mixed.Set(i, j, (1-scale)*x.At(i, j)+scale*x.At(i, c+j))
			}
		}
		// y ~ N(0, noise + X Σ Xᵀ).
		var half mat.Dense
		half.Mul(mixed, root)
		cov := mat.NewSymDense(n, nil)
		cov.SymOuterK(1, &half)
		for i := range n {
			cov.SetSym(i, i, cov.At(i, i)+noise)
		}
		var chol mat.Cholesky
		var u mat.VecDense
		chol.Factorize(cov)
		chol.SolveVecTo(&u, y)
		want[k] = -0.5*mat.Dot(y, &u) - 0.5*chol.LogDet()
		best = max(best, want[k])
	}
	for k := range want {
		if math.Abs(got[k]-(want[k]-best)) > 1e-3 { // float32 moments
			t.Errorf("scale %d: evidence %.6f, want %.6f", k, got[k], want[k]-best)
		}
	}
}
