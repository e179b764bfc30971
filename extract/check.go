package extract

import (
	"context"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
)

// aloneTolerance bounds how far an image's tokens may differ between a run alone and one inside a batch, of
// a layer's largest: float32 sums in another order, then binary16's rounding, whose unit is 2^-10 of the
// largest number at most.
const aloneTolerance = 2e-3

// firstPictures decodes the first pictures of a set that can be decoded, as many as a batch may have at most, and says
// which rows they are.
func (x *extraction) firstPictures(ctx context.Context, rows []int) (first []*stimuli.RGB, shown []int, err error) {
	for _, row := range rows {
		if len(first) == x.net.batch(x.o.Batch) {
			break
		}
		img, err := x.set.Pixels(row)
		switch {
		case err == nil:
			first, shown = append(first, img), append(shown, row)
		case !x.o.KeepGoing:
			return nil, nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
	}
	if len(first) == 0 {
		return nil, nil, x.nothingDecoded()
	}
	return first, shown, nil
}

// tried is what came out of the first batch.
type tried struct {
	pictures *pictures
	n        int         // of them
	tokens   [][]uint16  // a layer each
	own      [][]float32 // the model's own outputs
}

// try runs the first batch on a session with taps and so many outputs of the model's own behind them. Where there are
// fewer pictures than a batch has, the last stands in for the others, so that memory and time are a batch's.
func (x *extraction) try(ctx context.Context, s *ort.Session, first []*stimuli.RGB, batch, own int) (t tried, err error) {
	t = tried{pictures: x.feed.room(batch), n: batch}
	for i := range batch {
		t.pictures.put(i, first[min(i, len(first)-1)])
	}
	x.stream = &stream{feed: x.feed, batch: batch, outputs: x.outputs()}
	t.tokens, t.own, err = x.runOnce(ctx, s, t.pictures, batch, true, own)
	return t, err
}

// check makes sure, on the first batch, that reading the layers leaves the model's own outputs as they were, and that
// an image's tokens don't depend on its neighbours in the batch. s is the session of the first batch. Where the run has
// one session only, because memory holds no more, it is closed before another is opened.
func (x *extraction) check(ctx context.Context, s *ort.Session, first []*stimuli.RGB, t tried) error {
	single := x.feed.room(max(1, int(x.feed.frozen)))
	single.put(0, first[0])
	var alone [][]uint16
	runAlone := func() (err error) {
		alone, _, err = x.runOnce(ctx, s, single, 1, true, len(t.own))
		return err
	}
	if x.plan.sessions == 1 {
		if err := runAlone(); err != nil {
			return err
		}
		s.Close()
		if err := x.checkOwn(ctx, t); err != nil {
			return err
		}
		return x.checkAlone(t.tokens, alone)
	}
	var g errgroup.Group
	g.Go(runAlone)
	g.Go(func() error { return x.checkOwn(ctx, t) })
	if err := g.Wait(); err != nil {
		return err
	}
	return x.checkAlone(t.tokens, alone)
}

// runOnce runs n pictures and returns copies of the taps, which come first, and of the model's own outputs.
func (x *extraction) runOnce(ctx context.Context, s *ort.Session, room *pictures, n int, taps bool, outputs int) (tapped [][]uint16, own [][]float32, err error) {
	for f := int(x.feed.frozen); n < f; n++ {
		room.move(n, n-1)
	}
	in, err := room.tensors(n)
	if err != nil {
		return nil, nil, err
	}
	defer closeAll(in)
	var out []*ort.Tensor
	if taps {
		r := x.stream.newResult()
		if out, err = x.stream.views(r, n); err != nil {
			return nil, nil, err
		}
		tapped = r.half
	}
	out = append(out, make([]*ort.Tensor, outputs)...)
	defer func() { closeAll(out) }()
	if err := s.Run(ctx, in, out); err != nil {
		return nil, nil, err
	}
	for _, t := range out[len(out)-outputs:] {
		own = append(own, slices.Clone(t.F32()))
	}
	return tapped, own, nil
}

// untouched gives the outputs of the untouched model for the first batch, and notes which provider ran its nodes.
func (x *extraction) untouched(ctx context.Context, t tried) (names []string, own [][]float32, err error) {
	placed, err := ort.NewPlacement()
	if err != nil {
		return nil, nil, err
	}
	defer placed.Close()
	b := onnx.NewBuilder(x.net.Model.Opset())
	names = ownOutputs(b, &x.net.Model.Graph)
	s, err := x.net.openOnce(x.rt, b, true, names, ort.Options{Threads: x.threads, Profile: placed.Prefix()})
	if err != nil {
		return nil, nil, err
	}
	_, own, err = x.runOnce(ctx, s, t.pictures, t.n, false, len(names))
	s.Close()
	if err == nil {
		x.nodes, err = placed.Nodes()
	}
	return names, own, err
}

// checkOwn compares the model's outputs with those of the untouched model.
func (x *extraction) checkOwn(ctx context.Context, t tried) error {
	if len(t.own) == 0 {
		return nil
	}
	names, plain, err := x.untouched(ctx, t)
	if err != nil {
		return err
	}
	tapped := t.own
	limit := outputTolerance(x.net.Model)
	for i := range plain {
		if d := relative(tapped[i], plain[i]); d > limit {
			return fault.New(fault.Bug, "reading the layers changes the model's output %s by %.1e of its largest value; %.0e is allowed", names[i], d, limit).In("%s", x.net.Path)
		}
	}
	return nil
}

// outputTolerance: taps may break a fusion, which changes rounding; rounding to 8 or 16 bits makes steps of it.
func outputTolerance(m *onnx.Model) float64 {
	for _, n := range m.Graph.Nodes {
		switch n.Op {
		case "QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger":
			return 1e-2
		}
	}
	for _, t := range m.Graph.Initializers {
		if t.Type == onnx.Float16 || t.Type == onnx.BFloat16 {
			return 1e-2
		}
	}
	return 1e-5
}

// checkAlone compares the first picture's tokens alone with those inside the batch. Where they are the same to the
// last bit, tokens don't depend on the batch at all: among the 10⁵ numbers of a picture and more, roundings to
// binary16 would differ somewhere if the float32 numbers before them did.
func (x *extraction) checkAlone(batch, alone [][]uint16) error {
	x.free = true
	for i, l := range x.layers {
		k := x.stream.outputs[i].numbers()
		x.free = x.free && slices.Equal(alone[i][:k], batch[i][:k])
		a, b := make([]float32, k), make([]float32, k)
		store.FloatSlice(a, alone[i][:k])
		store.FloatSlice(b, batch[i][:k])
		if d := relative(a, b); d > aloneTolerance {
			return fault.Inputf("layer %s: the tokens of one picture change by %.1e of the largest when it is run alone, not with others: the network draws random numbers or mixes the batch", l.Name, d).
				In("%s", x.net.Path).Remedy("export it in evaluation mode (model.eval(): no dropout, no batch statistics), or set extract.batch to 1")
		}
	}
	return nil
}

// relative is max|a−b| / max|b| over finite pairs; 0 where both are 0. Numbers that are not finite must be the
// same in both, else the difference is infinite.
func relative(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	most, largest := 0.0, 0.0
	for i := range b {
		x, y := float64(a[i]), float64(b[i])
		if finite(x) && finite(y) {
			most, largest = max(most, math.Abs(x-y)), max(largest, math.Abs(y))
		} else if !(x == y || math.IsNaN(x) && math.IsNaN(y)) {
			return math.Inf(1)
		}
	}
	if most == 0 {
		return 0
	}
	return most / largest
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
