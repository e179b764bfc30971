package fit

import (
	"context"
	"math"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	lapack "gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/mat"
)

// foldUnits is how many units' responses go through a product at once.
const foldUnits = 256

// fold is a ridge regression from n images to m others, for every penalty α and every unit at once:
//
//	(26)  ŷ = A (S + α)⁻¹ Wᵀ y      in features  S = XᵀX, W = X, A the others' X
//	                                in images    S = XXᵀ, W = 1, A the others' products with the n images
//
// S [k, k] is brought to a tridiagonal form once, S = Q T Qᵀ, by float64 reflections; after that a penalty costs
// O(k) a right-hand side, and what remains are products of matrices:
//
//	z = (W Q)ᵀ y [k]      ŷ = (A Q) (T + α)⁻¹ z
type fold struct {
	e       *engine
	n, m, k int
	d, off  []float64 // T's diagonal [k] and what is beside it [k-1]
	wq, aq  []float32 // [n, k], [m, k]

	project, score *kernel
}

// newFold needs s symmetric and positive semidefinite; only its upper triangle is read, and it is kept as it is.
// w [n, k] may be nil for 1. The caller closes the fold.
func newFold(e *engine, s *mat.SymDense, w, a *mat.Dense) (*fold, error) {
	k := s.SymmetricDim()
	m, _ := a.Dims()
	f := &fold{e: e, n: k, m: m, k: k, d: make([]float64, k), off: make([]float64, max(k-1, 0))}
	raw := s.RawSymmetric()
	q := mat.NewDense(k, k, nil)
	for i := range k {
		copy(q.RawRowView(i)[i:], raw.Data[i*raw.Stride+i:i*raw.Stride+k])
	}
	var la lapack.Implementation
	tau, work := make([]float64, max(k-1, 1)), make([]float64, 64*k)
	la.Dsytrd(blas.Upper, k, q.RawMatrix().Data, k, f.d, f.off, tau, work, len(work))
	la.Dorgtr(blas.Upper, k, q.RawMatrix().Data, k, tau, work, len(work))
	for _, x := range f.d {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fault.Inputf("its tokens are not finite")
		}
	}
	f.wq = narrowed(q)
	if w != nil {
		f.n, _ = w.Dims()
		var wq mat.Dense
		wq.Mul(w, q)
		f.wq = narrowed(&wq)
	}
	var aq mat.Dense
	aq.Mul(a, q)
	f.aq = narrowed(&aq)
	var err error
	if f.project, err = e.loadOnce(projectGraph(k)); err != nil {
		return nil, err
	}
	f.score, err = e.loadOnce(scoreGraph(k))
	return f, err
}

func (f *fold) close() {
	f.project.close()
	f.score.close()
}

func narrowed(a *mat.Dense) []float32 {
	r, c := a.Dims()
	out := make([]float32, r*c)
	for i := range r {
		for j, x := range a.RawRowView(i) {
			out[i*c+j] = float32(x)
		}
	}
	return out
}

// projectGraph is y·WQ: y [b, n], wq [n, k].
func projectGraph(k int) *graph {
	g := newGraph("ridge project")
	y, wq := g.f32("y", "b", "n"), g.f32("wq", "n", k)
	g.gives(g.op("MatMul", y, wq), onnx.Float32, "b", k)
	return g
}

// scoreGraph predicts p = u·hᵀ, u [b, k], h [m, k], and sums over the images that y [b, m] has (not NaN): Σ p, Σ p²
// and Σ p y, [b] each.
func scoreGraph(k int) *graph {
	g := newGraph("ridge score")
	u, h, y := g.f32("u", "b", k), g.f32("h", "m", k), g.f32("y", "b", "m")
	missing := g.op("IsNaN", y)
	p := g.op("Where", missing, g.Scalar(0), g.timesT(u, h))
	y = g.op("Where", missing, g.Scalar(0), y)
	g.gives(g.sum(p, 1), onnx.Float32, "b")
	g.gives(g.sum(g.op("Mul", p, p), 1), onnx.Float32, "b")
	g.gives(g.sum(g.op("Mul", p, y), 1), onnx.Float32, "b")
	return g
}

// solver has the factors of T + α.
type solver struct {
	off, ratio, pivot []float64
}

// factor is T + α = L D Lᵀ.
func (f *fold) factor(alpha float64) solver {
	s := solver{off: f.off, ratio: make([]float64, f.k), pivot: make([]float64, f.k)}
	for i := range f.k {
		s.pivot[i] = f.d[i] + alpha
		if i > 0 {
			s.ratio[i] = f.off[i-1] / s.pivot[i-1]
			s.pivot[i] -= s.ratio[i] * f.off[i-1]
		}
	}
	return s
}

// solve turns x into (T + α)⁻¹ x, by way of room [k].
func (s solver) solve(x []float32, room []float64) {
	k := len(x)
	for i := range k {
		room[i] = float64(x[i])
		if i > 0 {
			room[i] -= s.ratio[i] * room[i-1]
		}
	}
	for i := k - 1; i >= 0; i-- {
		y := room[i] / s.pivot[i]
		if i < k-1 {
			y -= s.ratio[i+1] * room[i+1]
		}
		room[i] = y
		x[i] = float32(y)
	}
}

// responder writes the responses of units from..to to the images that are learned from, train [units, n] of mean
// 0, and to those that are scored, test [units, m], NaN where there is none.
type responder func(from, to int, train, test []float32)

// units runs do for every block of units with their z [b, k] and test responses [b, m], each worker its own. z
// may be changed.
func (f *fold) units(ctx context.Context, units int, y responder, do func(ctx context.Context, w, from, to int, z, test []float32) error) error {
	type room struct{ train, test, z []float32 }
	rooms := make([]room, f.e.workers)
	for w := range rooms {
		rooms[w] = room{make([]float32, foldUnits*f.n), make([]float32, foldUnits*f.m), make([]float32, foldUnits*f.k)}
	}
	blocks := (units + foldUnits - 1) / foldUnits
	return f.e.spread(ctx, blocks, func(ctx context.Context, w, i int) error {
		from, to := i*foldUnits, min(units, (i+1)*foldUnits)
		b := to - from
		train, test, z := rooms[w].train[:b*f.n], rooms[w].test[:b*f.m], rooms[w].z[:b*f.k]
		y(from, to, train, test)
		var in binding
		in.f32(train, b, f.n).f32(f.wq, f.n, f.k).gives(z, b, f.k)
		err := f.project.run(ctx, w, &in)
		in.close()
		if err != nil {
			return err
		}
		return do(ctx, w, from, to, z, test)
	})
}

// tallies adds up what predictions u·hᵀ are worth, into out[from:to].
func (f *fold) tallies(ctx context.Context, w int, u, h, test []float32, out []tally) error {
	b := len(out)
	sums := make([]float32, 3*b)
	var in binding
	defer in.close()
	in.f32(u, b, f.k).f32(h, f.m, f.k).f32(test, b, f.m)
	in.gives(sums[:b], b).gives(sums[b:2*b], b).gives(sums[2*b:], b)
	if err := f.score.run(ctx, w, &in); err != nil {
		return err
	}
	for i := range out {
		t := tally{y: float64(sums[i]), yy: float64(sums[b+i]), ty: float64(sums[2*b+i])}
		for _, y := range test[i*f.m : (i+1)*f.m] {
			if y == y {
				t.n++
				t.t += float64(y)
				t.tt += float64(y) * float64(y)
			}
		}
		out[i] = t
	}
	return nil
}

// scores are what each penalty is worth for each unit, [penalties][units].
func (f *fold) scores(ctx context.Context, units int, y responder, penalties []float64) ([][]tally, error) {
	out, h := make([][]tally, len(penalties)), make([][]float32, len(penalties))
	for i, alpha := range penalties {
		out[i] = make([]tally, units)
		h[i] = append([]float32(nil), f.aq...)
		s := f.factor(alpha)
		if err := f.e.each(ctx, func(_ context.Context, w int) error {
			room := make([]float64, f.k)
			from, to := f.e.share(f.m, w)
			for r := from; r < to; r++ {
				s.solve(h[i][r*f.k:(r+1)*f.k], room)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	err := f.units(ctx, units, y, func(ctx context.Context, w, from, to int, z, test []float32) error {
		for i := range penalties {
			if err := f.tallies(ctx, w, z, h[i], test, out[i][from:to]); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// chosen are the scores at each unit's own penalty. keep, if any, is told what is predicted for the scored images [m],
// about the mean of the responses learned from; from several goroutines, and it may not hold on to the slice.
func (f *fold) chosen(ctx context.Context, units int, y responder, penalty func(unit int) float64, keep func(unit int, predicted []float32)) ([]tally, error) {
	out := make([]tally, units)
	err := f.units(ctx, units, y, func(ctx context.Context, w, from, to int, z, test []float32) error {
		f.shrink(z, from, penalty)
		if err := f.tallies(ctx, w, z, f.aq, test, out[from:to]); err != nil || keep == nil {
			return err
		}
		p := blas32.General{Rows: to - from, Cols: f.m, Stride: f.m, Data: make([]float32, (to-from)*f.m)}
		matrix := func(rows int, x []float32) blas32.General {
			return blas32.General{Rows: rows, Cols: f.k, Stride: f.k, Data: x}
		}
		blas32.Gemm(blas.NoTrans, blas.Trans, 1, matrix(to-from, z), matrix(f.m, f.aq), 0, p)
		for i := range p.Rows {
			keep(from+i, p.Data[i*f.m:(i+1)*f.m])
		}
		return nil
	})
	return out, err
}

// shrink turns the z of the units from "from" on into (T + α)⁻¹ z, each with its own penalty.
func (f *fold) shrink(z []float32, from int, penalty func(unit int) float64) {
	room := make([]float64, f.k)
	known := map[float64]solver{}
	for i := range len(z) / f.k {
		alpha := penalty(from + i)
		s, ok := known[alpha]
		if !ok {
			s = f.factor(alpha)
			known[alpha] = s
		}
		s.solve(z[i*f.k:(i+1)*f.k], room)
	}
}
