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

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

const ridgeImages = 128 // images on each side of a Run

// ridgePenalties are tried for each layer, in units of the mean squared length of an image's tokens.
var ridgePenalties = []float64{1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1, 3, 10, 100}

// Baselines of [Baseline].
const (
	RidgeLayers = "ridge_layers" // a regression a layer
	RidgeAll    = "ridge_all"    // one on all layers
	Banded      = "banded"       // one on all layers, each with a penalty of its own
)

const (
	bandedDraws = 20 // mixtures of layers that banded ridge tries
	bandedFew   = 3  // layers in a mixture of every other draw
)

// Baseline fits every unit by ridge regression on all stored tokens, and returns a mapping with scores and
// without selectors. It needs no positions. Nothing is kept of it before its end: Options.Checkpoint is not used.
//
//	y = X w + b     w = argmin |y - Xw - b|² + penalty |w|²     X [N, (G²+1)·D], raw tokens, centred
//
// in its dual form (26), so what is held is X Xᵀ [N, N]. Penalties are in units of the mean squared length of an
// image's tokens. They are chosen on the validation images (without any, on a tenth of the training images, drawn
// by the seed); then training and validation images are fitted together.
//
//	ridge_layers  a regression a layer, with one penalty for all units: the one with the best mean R². A unit's
//	              layer, layer_argmax, is the one with the best r on the images that chose the penalty.
//	              LayerR2 and LayerR are the layer × unit matrix of scores; Info.LayerScores has a row a layer: median
//	              and mean r, mean R² over units, the same r with the training pictures shuffled (a control: 0 but
//	              for noise), and the penalty
//	ridge_all     all layers in one X, each divided by the root mean squared length of its tokens; every unit has
//	              its own penalty
//	banded        the same with weights: X Xᵀ = Σ_l γ_l X_lX_lᵀ, γ on the simplex, which is ridge with a penalty
//	              for each layer. Every unit chooses γ and penalty; tried are equal weights and 19 random ones, by
//	              turns over all layers and over three (random search: Dupré la Tour et al. 2022, NeuroImage 264)
//
// Missing training responses count as the unit's mean, with a warning. Ceilings and faults are as in Run.
func Baseline(ctx context.Context, rt *ort.Runtime, kind string, in Input, o Options) (*store.Mapping, error) {
	p, err := newProblem(rt, in, o)
	if err != nil {
		return nil, err
	}
	defer p.e.close()
	if p.missing {
		p.warn("missing-responses", "some training responses are missing: ridge takes them as the unit's mean")
	}
	r := newRidge(p)
	switch kind {
	case RidgeLayers:
		return r.layerByLayer(ctx)
	case RidgeAll:
		return r.together(ctx, [][]float64{equal(p.L)}, kind)
	case Banded:
		return r.together(ctx, r.mixtures(), kind)
	}
	return nil, fault.Inputf("%q is no baseline", kind).Remedy("there are ridge_layers, ridge_all and banded")
}

// ridge is the images in the order of the kernel's rows, and what was found so far.
type ridge struct {
	*problem
	images []int // [M] training, then those that choose the penalty, then test
	fit    int   // rows 0..fit-1 train while the penalty is chosen
	final  int   // rows 0..final-1 train in the end; the rest is test
	layers []ridgeLayer
	best   []int // [V] the layer with the best r on the images that chose the penalty, of those fitted so far

	means     []float32          // [V] of the targets of the first final rows
	predicted *store.Predictions // by what each unit has chosen
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
	r.best, r.means, r.predicted = make([]int, p.V), make([]float32, p.V), p.noPredictions(len(p.Test))
	y := make([]float32, r.final)
	for v := range r.means {
		r.targets(y, []int32{int32(v)}, r.images[:r.final])
		r.means[v] = centre(y)
	}
	return r
}

// keep notes the predictions for the test images of the units that have chosen what is being fitted.
func (r *ridge) keep(chosen func(v int) bool) func(v int32, predicted []float32) {
	return func(unit int32, predicted []float32) {
		v := int(unit)
		if !chosen(v) {
			return
		}
		for i, y := range predicted {
			r.note(r.predicted, v, i, float64(y+r.means[v]))
		}
	}
}

// answers gives the responses to the first rows in some order, less their mean, and those to the rows from..to.
func (r *ridge) answers(order []int, from, to int) responder {
	train := permuted(order, r.images)
	return func(units []int32, x, test []float32) {
		n, m := len(train), to-from
		r.targets(x, units, train)
		r.targets(test, units, r.images[from:to])
		for i := range units {
			mean := centre(x[i*n : (i+1)*n])
			for k := i * m; k < (i+1)*m; k++ {
				test[k] -= mean
			}
		}
	}
}

// centre takes the mean off what is there, puts 0 where nothing is, and returns the mean.
func centre(x []float32) float32 {
	var sum, n float64
	for _, y := range x {
		if y == y {
			sum, n = sum+float64(y), n+1
		}
	}
	mean := float32(sum / max(n, 1))
	for i, y := range x {
		x[i] = y - mean
		if y != y {
			x[i] = 0
		}
	}
	return mean
}

// upTo are 0 to n-1.
func upTo[T int | int32 | int64](n int) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = T(i)
	}
	return out
}

// unitKernel is the kernel that is centred by the first n rows, in units of its mean diagonal over those.
func unitKernel(gram *mat.SymDense, n int) (*mat.SymDense, error) {
	k, unit := centred(gram, n)
	if !(unit > 0) || math.IsInf(unit, 0) {
		return nil, fault.Inputf("its tokens are not finite, or all alike")
	}
	k.ScaleSym(1/unit, k)
	return k, nil
}

// kernelFold learns from the first n rows of a kernel and scores the rows n..to.
func kernelFold(e *engine, k *mat.SymDense, n, to int) (*fold, error) {
	cross := mat.NewDense(to-n, n, nil)
	for i := range to - n {
		for j := range n {
			cross.Set(i, j, k.At(n+i, j))
		}
	}
	return newFold(e, k.SliceSym(0, n).(*mat.SymDense), nil, cross)
}

// layerByLayer is ridge_layers.
func (r *ridge) layerByLayer(ctx context.Context) (*store.Mapping, error) {
	for l := range r.L {
		err := r.report.phase(ctx, "ridge", func() error {
			gram, err := r.gram(ctx, l)
			if err != nil {
				return err
			}
			return r.learnLayer(ctx, l, gram)
		})
		if err != nil {
			return nil, err
		}
		r.report.progress("ridge", l+1, r.L)
	}
	return r.mapping(), nil
}

// learnLayer fits one layer; a fault of it names the layer.
func (r *ridge) learnLayer(ctx context.Context, l int, gram *mat.SymDense) error {
	out, err := r.layer(ctx, l, gram)
	if err != nil {
		return fault.New(fault.ClassOf(err), "layer %s can't be fitted: %w", r.Features.Layers[l].Name, err)
	}
	r.layers = append(r.layers, out)
	return nil
}

func (r *ridge) layer(ctx context.Context, l int, gram *mat.SymDense) (ridgeLayer, error) {
	out := ridgeLayer{test: make([]tally, r.V), shuffled: make([]tally, r.V)}
	if err := r.choosePenalty(ctx, gram, &out); err != nil {
		return out, err
	}
	k, err := unitKernel(gram, r.final)
	if err != nil {
		return out, err
	}
	end, err := kernelFold(r.e, k, r.final, len(r.images))
	if err != nil {
		return out, err
	}
	defer end.close()
	h, err := end.predictor(ctx, out.penalty)
	if err != nil {
		return out, err
	}
	for v := range r.best {
		if l > 0 && correlation(&out.choice[v]) > correlation(&r.layers[r.best[v]].choice[v]) {
			r.best[v] = l
		}
	}
	keep := r.keep(func(v int) bool { return r.best[v] == l })
	units := upTo[int32](r.V)
	if err := end.predict(ctx, h, units, r.answers(upTo[int](r.final), r.final, len(r.images)), out.test, keep); err != nil {
		return out, err
	}
	// The training responses given to other pictures, by the seed.
	order := stream(r.seed, streamShuffle).Perm(r.final)
	return out, end.predict(ctx, h, units, r.answers(order, r.final, len(r.images)), out.shuffled, nil)
}

// choosePenalty finds a layer's penalty: the one with the best mean R² on the images that choose.
func (r *ridge) choosePenalty(ctx context.Context, gram *mat.SymDense, out *ridgeLayer) error {
	k, err := unitKernel(gram, r.fit)
	if err != nil {
		return err
	}
	tried, err := r.tryPenalties(ctx, k)
	if err != nil {
		return err
	}
	best := 0
	for i := range tried {
		if meanR2(tried[i]) > meanR2(tried[best]) {
			best = i
		}
	}
	out.penalty, out.choice = ridgePenalties[best], tried[best]
	return nil
}

// tryPenalties says what each penalty is worth for each unit on the images that choose, [penalties][V], by a kernel.
func (r *ridge) tryPenalties(ctx context.Context, k *mat.SymDense) ([][]tally, error) {
	f, err := kernelFold(r.e, k, r.fit, r.final)
	if err != nil {
		return nil, err
	}
	defer f.close()
	return f.scores(ctx, r.V, r.answers(upTo[int](r.fit), r.fit, r.final), ridgePenalties)
}

func equal(layers int) []float64 {
	g := make([]float64, layers)
	for l := range g {
		g[l] = 1 / float64(layers)
	}
	return g
}

// mixtures are the weights of layers that banded ridge tries. The flat distribution over a simplex is that of
// exponential numbers divided by their sum.
func (r *ridge) mixtures() [][]float64 {
	out := [][]float64{equal(r.L)}
	rng := stream(r.seed, streamRidge)
	for len(out) < bandedDraws {
		layers := rng.Perm(r.L)
		if len(out)%2 == 0 {
			layers = layers[:min(bandedFew, r.L)]
		}
		g, sum := make([]float64, r.L), 0.0
		for _, l := range layers {
			g[l] = rng.ExpFloat64()
			sum += g[l]
		}
		for l := range g {
			g[l] /= sum
		}
		out = append(out, g)
	}
	return out
}

// band is what one unit chose.
type band struct {
	mixture, penalty int
	choice           tally
}

// kernels are X Xᵀ of every layer, in units of the mean squared length of its tokens about their mean.
func (r *ridge) kernels(ctx context.Context) ([]*mat.SymDense, error) {
	grams := make([]*mat.SymDense, r.L)
	for l := range grams {
		if err := r.report.phase(ctx, "kernels", func() (err error) { grams[l], err = r.gram(ctx, l); return err }); err != nil {
			return nil, err
		}
		_, unit := centred(grams[l], r.fit)
		if !(unit > 0) || math.IsInf(unit, 0) {
			return nil, fault.Inputf("layer %s can't be fitted: its tokens are not finite, or all alike", r.Features.Layers[l].Name)
		}
		grams[l].ScaleSym(1/unit, grams[l])
		r.report.progress("kernels", l+1, r.L)
	}
	return grams, nil
}

// together is ridge on all layers, with the mixture and the penalty that each unit prefers.
func (r *ridge) together(ctx context.Context, mixtures [][]float64, kind string) (*store.Mapping, error) {
	grams, err := r.kernels(ctx)
	if err != nil {
		return nil, err
	}
	bands := make([]band, r.V)
	for i := range bands {
		bands[i].mixture = -1
	}
	test := make([]tally, r.V)
	for pass, phase := range []string{"choice of penalties", "ridge"} {
		for i, g := range mixtures {
			err := r.report.phase(ctx, phase, func() error {
				if pass == 0 {
					return r.choose(ctx, mixed(grams, g), i, bands)
				}
				return r.predict(ctx, mixed(grams, g), i, bands, test)
			})
			if err != nil {
				return nil, err
			}
			r.report.progress(phase, i+1, len(mixtures))
		}
	}
	return r.bandedMapping(kind, mixtures, bands, test), nil
}

// mixed is Σ γ_l K_l.
func mixed(grams []*mat.SymDense, weights []float64) *mat.SymDense {
	out := mat.NewSymDense(grams[0].SymmetricDim(), nil)
	dst := out.RawSymmetric()
	for l, g := range grams {
		if weights[l] != 0 {
			floats.AddScaled(dst.Data, weights[l], g.RawSymmetric().Data)
		}
	}
	return out
}

// choose lets every unit take mixture i with one of the penalties if it is better than what it has.
func (r *ridge) choose(ctx context.Context, gram *mat.SymDense, i int, bands []band) error {
	k, _ := centred(gram, r.fit)
	tried, err := r.tryPenalties(ctx, k)
	if err != nil {
		return err
	}
	for v := range bands {
		b := &bands[v]
		for k := range tried {
			if b.mixture < 0 || r2Of(&tried[k][v]) > r2Of(&b.choice) {
				*b = band{i, k, tried[k][v]}
			}
		}
	}
	return nil
}

// predict scores the units that chose mixture i on the test images.
func (r *ridge) predict(ctx context.Context, gram *mat.SymDense, i int, bands []band, test []tally) error {
	var units []int32
	for v, b := range bands {
		if b.mixture == i {
			units = append(units, int32(v))
		}
	}
	if len(units) == 0 {
		return nil
	}
	k, _ := centred(gram, r.final)
	f, err := kernelFold(r.e, k, r.final, len(r.images))
	if err != nil {
		return err
	}
	defer f.close()
	penalty := func(v int32) float64 { return ridgePenalties[bands[v].penalty] }
	return f.chosen(ctx, units, r.answers(upTo[int](r.final), r.final, len(r.images)), penalty, test, r.keep(func(int) bool { return true }))
}

// bandedMapping brings the scores together; layer_argmax is the layer with the largest weight, where weights differ.
func (r *ridge) bandedMapping(kind string, mixtures [][]float64, bands []band, test []tally) *store.Mapping {
	out := &store.Mapping{Info: r.info(kind), Vertices: r.places(), Predicted: r.predicted}
	out.Info.Settings = map[string]any{"penalties": ridgePenalties, "mixtures": len(mixtures)}
	sums := newScoreSums()
	width := 0
	for _, d := range r.widths {
		width += r.tokens() * d
	}
	for v, u := range r.units {
		row := &out.Vertices[u]
		row.Fitted = true
		if g := mixtures[bands[v].mixture]; bands[v].mixture > 0 {
			row.LayerArgmax = int32(slices.Index(g, slices.Max(g)))
		}
		scoreRow(row, &bands[v].choice, &test[v])
		sums.add(row, math.NaN())
		out.Info.Parameters += int64(width + 1)
	}
	out.Info.Scores = sums.means()
	r.lookAtScores(out)
	out.Info.Warnings = r.warnings
	return out
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
	out := &store.Mapping{Info: r.info(RidgeLayers), Vertices: r.places(), Predicted: r.predicted}
	out.Info.Settings = map[string]any{"penalties": ridgePenalties}
	sums := newScoreSums()
	n := len(out.Vertices) * r.L
	out.LayerR2, out.LayerR = make([]float32, n), make([]float32, n)
	for i := range n {
		out.LayerR2[i], out.LayerR[i] = nan32(), nan32()
	}
	for v, u := range r.units {
		best := r.best[v]
		for l := range r.layers {
			r2, corr := r.layers[l].test[v].scores()
			out.LayerR2[u*r.L+l], out.LayerR[u*r.L+l] = float32(r2), float32(corr)
		}
		row := &out.Vertices[u]
		row.Fitted, row.LayerArgmax = true, int32(best)
		scoreRow(row, &r.layers[best].choice[v], &r.layers[best].test[v])
		sums.add(row, math.NaN())
		out.Info.Parameters += int64(r.tokens()*r.widths[best] + 1)
	}
	out.Info.Scores = sums.means()
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
