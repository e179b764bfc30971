package extract

import (
	"context"
	"math"
	"slices"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
)

// aloneTolerance bounds how far an image's tokens may differ between a run alone and one inside a batch, of
// a layer's largest: float32 sums in another order, then binary16's rounding, whose unit is 2^-10 of the
// largest number at most.
const aloneTolerance = 2e-3

// check makes sure, on the first pictures of a set, that reading the layers leaves the model's own outputs
// as they were, and that an image's tokens don't depend on its neighbours in the batch. rows is one batch.
func (x *extraction) check(ctx context.Context, rows []int) error {
	room := x.feed.room(x.batch)
	var kept []int
	for _, row := range rows {
		img, err := x.set.Pixels(row)
		switch {
		case err == nil:
			room.put(len(kept), img)
			kept = append(kept, row)
		case !x.o.KeepGoing:
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if len(kept) == 0 {
		return nil
	}
	tapped, own, err := x.runOnce(ctx, x.stream.sessions[0], room, len(kept), true)
	if err != nil {
		return err
	}
	if err := x.checkOwn(ctx, room, len(kept), own); err != nil {
		return err
	}
	return x.checkAlone(ctx, room, tapped)
}

// runOnce runs n pictures and returns copies of the taps and the model's own outputs.
func (x *extraction) runOnce(ctx context.Context, s *ort.Session, room *pictures, n int, taps bool) (tapped [][]uint16, own [][]float32, err error) {
	for f := int(x.feed.frozen); n < f; n++ {
		room.move(n, n-1)
	}
	in, err := room.tensors(n)
	if err != nil {
		return nil, nil, err
	}
	defer closeAll(in)
	out := make([]*ort.Tensor, len(x.own))
	if taps {
		r := x.stream.newResult()
		if out, err = x.stream.views(r, n); err != nil {
			return nil, nil, err
		}
		tapped = r.half[:len(x.net.Layers)]
	}
	defer func() { closeAll(out) }()
	if err := s.Run(ctx, in, out); err != nil {
		return nil, nil, err
	}
	for _, t := range out[len(out)-len(x.own):] {
		own = append(own, slices.Clone(t.F32()))
	}
	return tapped, own, nil
}

// checkOwn compares the model's outputs with those of the untouched model.
func (x *extraction) checkOwn(ctx context.Context, room *pictures, n int, tapped [][]float32) error {
	if len(x.own) == 0 {
		return nil
	}
	b := onnx.NewBuilder(x.net.Model.Opset())
	s, err := x.net.session(x.rt, b, ownOutputs(b, &x.net.Model.Graph), x.net.threadsEach(x.threads))
	if err != nil {
		return err
	}
	defer s.Close()
	_, plain, err := x.runOnce(ctx, s, room, n, false)
	if err != nil {
		return err
	}
	limit := outputTolerance(x.net.Model)
	for i := range plain {
		if d := relative(tapped[i], plain[i]); d > limit {
			return fault.New(fault.Bug, "reading the layers changes the model's output %s by %.1e of its largest value; %.0e is allowed", x.own[i], d, limit).In("%s", x.net.Path)
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

// checkAlone runs the first picture alone (in every place of a frozen batch) and compares its tokens.
func (x *extraction) checkAlone(ctx context.Context, room *pictures, batch [][]uint16) error {
	alone, _, err := x.runOnce(ctx, x.stream.sessions[0], room, 1, true)
	if err != nil {
		return err
	}
	for i, l := range x.net.Layers {
		k := x.stream.outputs[i].numbers()
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
