package fit

import (
	"context"
	"maps"
	"slices"

	"cortexmap/internal/onnx"

	"gonum.org/v1/gonum/mat"
)

// foldUnits is how many units' responses go through a product at once.
const foldUnits = 256

// fold is a ridge regression from n images to m others, for some penalties α and every unit at once:
//
//	(26)  ŷ = A (S + α)⁻¹ Wᵀ y      in features  S = XᵀX, W = X, A the others' X
//	                                in images    S = XXᵀ, W = 1, A the others' products with the n images
//
// A (S + α)⁻¹ [m, k] is solved for once a penalty, whatever the number of units; what remains are products:
//
//	z = Wᵀ y [k]      ŷ = (A (S + α)⁻¹) z
type fold struct {
	e       *engine
	n, m, k int
	s       *cholesky
	a       *mat.Dense // [m, k]
	w       []float32  // [n, k]; nil: 1

	product, score *kernel
}

// newFold needs s symmetric and positive semidefinite; only its upper triangle is read, and it is kept as it is.
// w [n, k] may be nil for 1. The caller closes the fold.
func newFold(e *engine, s *mat.SymDense, w, a *mat.Dense) (f *fold, err error) {
	m, k := a.Dims()
	f = &fold{e: e, n: k, m: m, k: k, a: a}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if f.s, err = newCholesky(e, s); err != nil {
		return nil, err
	}
	if w != nil {
		f.n, _ = w.Dims()
		f.w = narrowed(w)
	}
	if f.product, err = e.loadOnce(productGraph()); err != nil {
		return nil, err
	}
	f.score, err = e.loadOnce(scoreGraph(k))
	return f, err
}

func (f *fold) close() {
	if f.s != nil {
		f.s.close()
	}
	f.product.close()
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

// productGraph is a b: a [m, k], b [k, n].
func productGraph() *graph {
	g := newGraph("ridge product")
	a, b := g.f32("a", "m", "k"), g.f32("b", "k", "n")
	g.gives(g.op("MatMul", a, b), onnx.Float32, "m", "n")
	return g
}

// scoreGraph predicts p = z·h, z [b, k], h [k, m], and sums over the images that y [b, m] has (not NaN): Σ p, Σ p²
// and Σ p y, [b] each.
func scoreGraph(k int) *graph {
	g := newGraph("ridge score")
	z, h, y := g.f32("z", "b", k), g.f32("h", k, "m"), g.f32("y", "b", "m")
	missing := g.op("IsNaN", y)
	p := g.op("Where", missing, g.Scalar(0), g.op("MatMul", z, h))
	y = g.op("Where", missing, g.Scalar(0), y)
	g.gives(g.sum(p, 1), onnx.Float32, "b")
	g.gives(g.sum(g.op("Mul", p, p), 1), onnx.Float32, "b")
	g.gives(g.sum(g.op("Mul", p, y), 1), onnx.Float32, "b")
	return g
}

// predictor is (S + α)⁻¹ Aᵀ, [k, m]. Each worker solves for its part of the m images.
func (f *fold) predictor(ctx context.Context, alpha float64) ([]float32, error) {
	if err := f.s.factor(ctx, alpha); err != nil {
		return nil, err
	}
	h := make([]float32, f.k*f.m)
	err := f.e.each(ctx, func(ctx context.Context, w int) error {
		from, to := f.e.share(f.m, w)
		n := to - from
		if n == 0 {
			return nil
		}
		b, room := make([]float64, f.k*n), make([]float64, f.k*n)
		for i := range n {
			for c, x := range f.a.RawRowView(from + i) {
				b[c*n+i] = x
			}
		}
		if err := f.s.solve(ctx, w, b, room); err != nil {
			return err
		}
		for c := range f.k {
			for i, x := range b[c*n : (c+1)*n] {
				h[c*f.m+from+i] = float32(x)
			}
		}
		return nil
	})
	return h, err
}

// responder writes the responses of some units to the images that are learned from, train [units, n] of mean 0, and
// to those that are scored, test [units, m], NaN where there is none.
type responder func(units []int32, train, test []float32)

// each runs do for every block of the units with their z [b, k] and test responses [b, m], each worker its own.
func (f *fold) each(ctx context.Context, units []int32, y responder, do func(ctx context.Context, w int, units []int32, z, test []float32) error) error {
	type room struct{ train, test, z []float32 }
	rooms := make([]room, f.e.workers)
	most := min(foldUnits, len(units))
	for w := range rooms {
		rooms[w] = room{train: make([]float32, most*f.n), test: make([]float32, most*f.m)}
		if f.w != nil {
			rooms[w].z = make([]float32, most*f.k)
		}
	}
	blocks := (len(units) + foldUnits - 1) / foldUnits
	return f.e.spread(ctx, blocks, func(ctx context.Context, w, i int) error {
		part := units[i*foldUnits : min(len(units), (i+1)*foldUnits)]
		b := len(part)
		train, test := rooms[w].train[:b*f.n], rooms[w].test[:b*f.m]
		y(part, train, test)
		if f.w == nil {
			return do(ctx, w, part, train, test)
		}
		z := rooms[w].z[:b*f.k]
		if err := f.times(ctx, w, train, f.w, z, b); err != nil {
			return err
		}
		return do(ctx, w, part, z, test)
	})
}

// tallies says what the predictions z·h of some units are worth.
func (f *fold) tallies(ctx context.Context, w int, z, h, test []float32, out func(i int, t tally)) error {
	b := len(z) / f.k
	sums := make([]float32, 3*b)
	var in binding
	defer in.close()
	in.f32(z, b, f.k).f32(h, f.k, f.m).f32(test, b, f.m)
	in.gives(sums[:b], b).gives(sums[b:2*b], b).gives(sums[2*b:], b)
	if err := f.score.run(ctx, w, &in); err != nil {
		return err
	}
	for i := range b {
		t := tally{y: float64(sums[i]), yy: float64(sums[b+i]), ty: float64(sums[2*b+i])}
		for _, y := range test[i*f.m : (i+1)*f.m] {
			if y == y {
				t.n++
				t.t += float64(y)
				t.tt += float64(y) * float64(y)
			}
		}
		out(i, t)
	}
	return nil
}

// scores are what each penalty is worth for each of so many units, [penalties][units].
func (f *fold) scores(ctx context.Context, units int, y responder, penalties []float64) ([][]tally, error) {
	out, h := make([][]tally, len(penalties)), make([][]float32, len(penalties))
	for i, alpha := range penalties {
		out[i] = make([]tally, units)
		var err error
		if h[i], err = f.predictor(ctx, alpha); err != nil {
			return nil, err
		}
	}
	err := f.each(ctx, upTo[int32](units), y, func(ctx context.Context, w int, units []int32, z, test []float32) error {
		for p := range penalties {
			if err := f.tallies(ctx, w, z, h[p], test, func(i int, t tally) { out[p][units[i]] = t }); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// chosen is predict for some units, each at its own penalty.
func (f *fold) chosen(ctx context.Context, units []int32, y responder, penalty func(unit int32) float64, out []tally, keep func(unit int32, predicted []float32)) error {
	at := map[float64][]int32{}
	for _, v := range units {
		at[penalty(v)] = append(at[penalty(v)], v)
	}
	for _, alpha := range slices.Sorted(maps.Keys(at)) {
		h, err := f.predictor(ctx, alpha)
		if err != nil {
			return err
		}
		if err := f.predict(ctx, h, at[alpha], y, out, keep); err != nil {
			return err
		}
	}
	return nil
}

// predict puts the scores of some units by a predictor h into out. keep, if any, is told what is predicted for the
// scored images [m], about the mean of the responses learned from; from several goroutines, and it may not hold on to
// the slice.
func (f *fold) predict(ctx context.Context, h []float32, units []int32, y responder, out []tally, keep func(unit int32, predicted []float32)) error {
	return f.each(ctx, units, y, func(ctx context.Context, w int, units []int32, z, test []float32) error {
		err := f.tallies(ctx, w, z, h, test, func(i int, t tally) { out[units[i]] = t })
		if err != nil || keep == nil {
			return err
		}
		p := make([]float32, len(units)*f.m)
		if err := f.times(ctx, w, z, h, p, len(units)); err != nil {
			return err
		}
		for i, v := range units {
			keep(v, p[i*f.m:(i+1)*f.m])
		}
		return nil
	})
}

// times is y = a b for a [rows, ..].
func (f *fold) times(ctx context.Context, w int, a, b, y []float32, rows int) error {
	var in binding
	defer in.close()
	in.f32(a, rows, len(a)/rows).f32(b, len(a)/rows, len(y)/rows).gives(y, rows, len(y)/rows)
	return f.product.run(ctx, w, &in)
}
