package fit

import (
	"cmp"
	"context"
	"math"
	"slices"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"

	"gonum.org/v1/gonum/mat"
)

const ridgeImages = 128 // images on each side of a Run

// ridgePenalties are tried for each layer, in units of the mean squared length of an image's tokens.
var ridgePenalties = []float64{1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1, 3, 10, 100}

// Ridge fits every unit by one ridge regression a layer, on all stored tokens of that layer, and returns a
// mapping whose layer_argmax is each unit's best layer, with the scores of that layer on the test images.
// It needs no positions. Nothing is kept of it before its end: Options.Checkpoint is not used.
//
//	y = X w + b     w = argmin |y - Xw - b|² + penalty |w|²     X [N, (G²+1)·D], raw tokens, centred
//
// solved in its dual form, so what is held is X Xᵀ [N, N], one layer at a time. A layer has one penalty for
// all units, the one with the best mean R² on the validation images (without any, on a tenth of the
// training images, drawn by the seed); then training and validation images are fitted together. A unit's
// best layer is the one with the best r on the images that chose the penalty. Info.LayerScores has a row a
// layer: median and mean r, mean R² over units on test images, the same r with the training pictures
// shuffled (a control: 0 but for noise), and the penalty. Missing training responses count as the unit's
// mean, with a warning. Ceilings and faults are as in Run.
func Ridge(ctx context.Context, rt *ort.Runtime, in Input, o Options) (*store.Mapping, error) {
	p, err := newProblem(rt, in, o)
	if err != nil {
		return nil, err
	}
	defer p.e.close()
	if p.missing {
		p.warn("missing-responses", "some training responses are missing: ridge takes them as the unit's mean")
	}
	r := newRidge(p)
	for l := range p.L {
		err := p.report.phase(ctx, "ridge", func() error { return r.layer(ctx, l) })
		if err != nil {
			return nil, err
		}
		p.report.progress("ridge", l+1, p.L)
	}
	return r.mapping(), nil
}

// ridge is the images in the order of the kernel's rows, and what was found so far.
type ridge struct {
	*problem
	images []int // [M] training, then those that choose the penalty, then test
	fit    int   // rows 0..fit-1 train while the penalty is chosen
	final  int   // rows 0..final-1 train in the end; the rest is test
	y      *mat.Dense
	layers []ridgeLayer
}

// ridgeLayer is one layer's outcome.
type ridgeLayer struct {
	penalty      float64
	choice, test []tally // [V]
	shuffled     []tally
}

func newRidge(p *problem) *ridge {
	r := &ridge{problem: p}
	train, choose := slices.Clone(p.Train), p.Val
	if len(choose) < 2 {
		choose = sample(p.Train, max(2, len(p.Train)/10), p.seed, streamRidge)
		train = slices.DeleteFunc(train, func(i int) bool { return slices.Contains(choose, i) })
	}
	r.images = slices.Concat(train, choose, p.Test)
	r.fit, r.final = len(train), len(train)+len(choose)
	r.y = mat.NewDense(r.final, p.V, nil)
	for k, i := range r.images[:r.final] {
		for v := range p.V {
			if y := p.response(i, v); y == y {
				r.y.Set(k, v, float64(y))
			}
		}
	}
	return r
}

// layer fits one layer.
func (r *ridge) layer(ctx context.Context, l int) error {
	gram, err := r.gram(ctx, l)
	if err != nil {
		return err
	}
	out := ridgeLayer{}
	k, unit := centred(gram, r.fit)
	best := math.Inf(-1)
	for _, penalty := range ridgePenalties {
		if err := ctx.Err(); err != nil {
			return err
		}
		t, err := r.predict(k, r.fit, r.fit, r.final, penalty*unit, r.y)
		if err != nil {
			continue // not positive at this penalty: the next is larger
		}
		if score := meanR2(t); score > best {
			best, out.penalty, out.choice = score, penalty, t
		}
	}
	if out.choice == nil {
		return fault.Inputf("layer %s can't be fitted: its tokens are not finite, or all alike", r.Features.Layers[l].Name)
	}
	k, unit = centred(gram, r.final)
	if out.test, err = r.predict(k, r.final, r.final, len(r.images), out.penalty*unit, r.y); err != nil {
		return fault.Inputf("layer %s: %w", r.Features.Layers[l].Name, err)
	}
	if out.shuffled, err = r.predict(k, r.final, r.final, len(r.images), out.penalty*unit, r.shuffle()); err != nil {
		return fault.Inputf("layer %s: %w", r.Features.Layers[l].Name, err)
	}
	r.layers = append(r.layers, out)
	return nil
}

// shuffle is the training responses given to other pictures, by the seed.
func (r *ridge) shuffle() *mat.Dense {
	order := stream(r.seed, streamShuffle).Perm(r.final)
	y := mat.NewDense(r.final, r.V, nil)
	for k, i := range order {
		y.SetRow(k, r.y.RawRowView(i))
	}
	return y
}

// centred is the kernel of tokens whose mean over the first n images is taken off, and the mean of its
// diagonal over those.
func centred(gram *mat.SymDense, n int) (*mat.SymDense, float64) {
	m := gram.SymmetricDim()
	mean := make([]float64, m)
	var all, trace float64
	for i := range m {
		for j := range n {
			mean[i] += gram.At(i, j)
		}
		mean[i] /= float64(n)
		if i < n {
			all += mean[i]
		}
	}
	all /= float64(n)
	k := mat.NewSymDense(m, nil)
	for i := range m {
		for j := i; j < m; j++ {
			k.SetSym(i, j, gram.At(i, j)-mean[i]-mean[j]+all)
		}
		if i < n {
			trace += k.At(i, i)
		}
	}
	return k, trace / float64(n)
}

// predict fits the first n rows of y and scores the predictions for the images from..to.
func (r *ridge) predict(k *mat.SymDense, n, from, to int, penalty float64, y *mat.Dense) ([]tally, error) {
	a := mat.NewSymDense(n, nil)
	a.CopySym(k.SliceSym(0, n).(*mat.SymDense))
	for i := range n {
		a.SetSym(i, i, a.At(i, i)+penalty)
	}
	targets := mat.NewDense(n, r.V, nil)
	mean := make([]float64, r.V)
	for v := range r.V {
		for i := range n {
			mean[v] += y.At(i, v) / float64(n)
		}
	}
	for i := range n {
		for v := range r.V {
			targets.Set(i, v, y.At(i, v)-mean[v])
		}
	}
	var chol mat.Cholesky
	var dual, predicted mat.Dense
	if !chol.Factorize(a) {
		return nil, fault.Inputf("its kernel is not positive")
	}
	if err := chol.SolveTo(&dual, targets); err != nil {
		return nil, err
	}
	cross := mat.NewDense(to-from, n, nil)
	for i := range to - from {
		for j := range n {
			cross.Set(i, j, k.At(from+i, j))
		}
	}
	predicted.Mul(cross, &dual)
	out := make([]tally, r.V)
	for i := range to - from {
		for v := range r.V {
			if t := r.response(r.images[from+i], v); t == t {
				out[v].add(float64(t), predicted.At(i, v)+mean[v])
			}
		}
	}
	return out, nil
}

// gram is X Xᵀ of a layer's tokens, all of an image in one row, about a rough mean.
func (r *ridge) gram(ctx context.Context, l int) (*mat.SymDense, error) {
	width := r.tokens() * r.widths[l]
	k, err := r.e.loadOnce(pairGraph(width))
	if err != nil {
		return nil, err
	}
	defer k.close()
	n := len(r.images)
	x := make([]uint16, n*width)
	if err := r.read(ctx, l, r.images, x); err != nil {
		return nil, err
	}
	shift, row := make([]float32, width), make([]float32, width)
	rough := min(n, ridgeImages)
	for i := range rough {
		store.FloatSlice(row, x[i*width:(i+1)*width])
		axpy(1/float32(rough), row, shift)
	}
	gram := mat.NewSymDense(n, nil)
	blocks := (n + ridgeImages - 1) / ridgeImages
	var pairs [][2]int
	for a := range blocks {
		for b := a; b < blocks; b++ {
			pairs = append(pairs, [2]int{a, b})
		}
	}
	outs := make([][]float32, r.e.workers)
	for w := range outs {
		outs[w] = make([]float32, ridgeImages*ridgeImages)
	}
	err = r.e.spread(ctx, len(pairs), func(ctx context.Context, w, i int) error {
		a0, a1 := pairs[i][0]*ridgeImages, min(n, (pairs[i][0]+1)*ridgeImages)
		b0, b1 := pairs[i][1]*ridgeImages, min(n, (pairs[i][1]+1)*ridgeImages)
		out := outs[w][:(a1-a0)*(b1-b0)]
		var b binding
		defer b.close()
		b.f16(x[a0*width:a1*width], a1-a0, width).f16(x[b0*width:b1*width], b1-b0, width).f32(shift, width)
		b.gives(out, a1-a0, b1-b0)
		if err := k.run(ctx, w, &b); err != nil {
			return err
		}
		for i := a0; i < a1; i++ {
			for j := max(i, b0); j < b1; j++ {
				gram.SetSym(i, j, float64(out[(i-a0)*(b1-b0)+j-b0]))
			}
		}
		return nil
	})
	return gram, err
}

// pairGraph is the products of two groups of images' tokens, [n, F] and [m, F], less a shift [F]: [n, m].
func pairGraph(width int) *graph {
	g := newGraph("pair")
	a, b, shift := g.f16("a", "n", width), g.f16("b", "m", width), g.f32("shift", width)
	g.gives(g.timesT(g.op("Sub", g.float(a), shift), g.op("Sub", g.float(b), shift)), onnx.Float32, "n", "m")
	return g
}

// mapping picks each unit's layer and brings the scores together.
func (r *ridge) mapping() *store.Mapping {
	out := &store.Mapping{Info: r.info("ridge"), Vertices: r.places()}
	out.Info.Settings = map[string]any{"penalties": ridgePenalties}
	sums := newScoreSums()
	var rs []float64
	for v, u := range r.units {
		best := 0
		for l := range r.layers {
			if correlation(&r.layers[l].choice[v]) > correlation(&r.layers[best].choice[v]) {
				best = l
			}
		}
		row := &out.Vertices[u]
		row.Fitted, row.LayerArgmax = true, int32(best)
		scoreRow(row, &r.layers[best].choice[v], &r.layers[best].test[v])
		sums.add(row, math.NaN())
		rs = append(rs, correlation(&r.layers[best].test[v]))
		out.Info.Parameters += int64(r.tokens()*r.widths[best] + 1)
	}
	out.Info.Scores = sums.means()
	out.Info.Scores["r_median"] = median(rs)
	out.Info.LayerScores = r.layerScores()
	chosen := slices.MaxFunc(out.Info.LayerScores, func(a, b store.LayerScore) int {
		return cmp.Compare(a.Scores["r_val_median"], b.Scores["r_val_median"])
	})
	out.Info.Scores["best_layer"] = float64(chosen.Layer)
	r.lookAtScores(out)
	out.Info.Warnings = r.warnings
	return out
}

func (r *ridge) layerScores() []store.LayerScore {
	var out []store.LayerScore
	for l, layer := range r.layers {
		s := store.Scores{
			"penalty": layer.penalty, "r_val_median": medianR(layer.choice), "r_median": medianR(layer.test),
			"r_mean": meanR(layer.test), "r2_mean": meanR2(layer.test), "r_shuffled_median": medianR(layer.shuffled),
		}
		r.report.log.Debug("ridge", "layer", r.Features.Layers[l].Name, "r_median", s["r_median"], "shuffled", s["r_shuffled_median"], "penalty", layer.penalty)
		out = append(out, store.LayerScore{Layer: l, Scores: s})
	}
	return out
}

// correlation is r, or -1 where there is none, so that it never wins.
func correlation(t *tally) float64 {
	_, r := t.scores()
	if math.IsNaN(r) {
		return -1
	}
	return r
}

func present(ts []tally, of func(*tally) float64) []float64 {
	var out []float64
	for i := range ts {
		if x := of(&ts[i]); !math.IsNaN(x) {
			out = append(out, x)
		}
	}
	return out
}

func pearsonOf(t *tally) float64 { _, r := t.scores(); return r }
func r2Of(t *tally) float64      { r2, _ := t.scores(); return r2 }

func medianR(ts []tally) float64 { return median(present(ts, pearsonOf)) }
func meanR(ts []tally) float64   { return mean(present(ts, pearsonOf)) }
func meanR2(ts []tally) float64  { return mean(present(ts, r2Of)) }

func mean(x []float64) float64 {
	var s float64
	for _, v := range x {
		s += v
	}
	return s / float64(len(x))
}

// median of nothing is NaN.
func median(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(x))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
