package extract

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort/orttest"
)

// embedding is a network of patches: side/patch squared tokens of width c, arranged by order, then three
// residual blocks that mix channels and a little of all tokens.
func embedding(side, patch, c int, order func(b *onnx.Builder, x string) string, sequence bool) *onnx.Builder {
	r := rand.New(rand.NewPCG(3, 3))
	random := func(b *onnx.Builder, scale float64, dims ...int64) string {
		n := int64(1)
		for _, d := range dims {
			n *= d
		}
		w := make([]float32, n)
		for i := range w {
			w[i] = float32(scale * r.NormFloat64())
		}
		return b.ConstF32(w, dims...)
	}
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Float32, "N", 3, side, side)
	p := int64(patch)
	x := b.Op("Conv", []string{"x", random(b, 0.2, int64(c), 3, p, p)}, onnx.Ints("strides", p, p))
	x = order(b, x)
	for range 3 {
		y := b.Op("Relu", []string{b.Op("MatMul", []string{x, random(b, 0.3, int64(c), int64(c))})})
		x = b.Op("Add", []string{x, b.Op("MatMul", []string{y, random(b, 0.3, int64(c), int64(c))})})
	}
	b.OpTo("y", "MatMul", []string{x, random(b, 0.3, int64(c), 2)})
	if sequence {
		b.Output("y", onnx.Float32, "N", "L", 2)
	} else {
		b.Output("y", onnx.Float32, "N", "H", "W", 2)
	}
	return b
}

func rows(c, tokens int64) func(*onnx.Builder, string) string {
	return func(b *onnx.Builder, x string) string {
		x = b.Op("Reshape", []string{x, b.Shape(0, c, tokens)})
		return b.Op("Transpose", []string{x}, onnx.Ints("perm", 0, 2, 1))
	}
}

// Shapes alone can't tell these apart; changing squares of the picture does.
func TestPerturbationDecides(t *testing.T) {
	const c = 8
	prefixed := func(b *onnx.Builder, x string) string {
		x = rows(c, 16)(b, x)
		zero := b.Op("Mul", []string{b.Op("MatMul", []string{b.ConstF32(constant(9*16, 0.1), 9, 16), x}), b.Scalar(0.01)})
		return b.Op("Concat", []string{zero, x}, onnx.Int("axis", 1))
	}
	last := func(b *onnx.Builder, x string) string {
		return b.Op("Transpose", []string{x}, onnx.Ints("perm", 0, 2, 3, 1))
	}
	cases := []struct {
		name  string
		build *onnx.Builder
		want  layout
	}{
		{"25 tokens are 5x5", embedding(80, 16, c, rows(c, 25), true), layout{NLC, 5, 5, 0, c}},
		{"25 tokens are 9 and 4x4", embedding(64, 16, c, prefixed, true), layout{NLC, 4, 4, 9, c}},
		{"a cube, channels last", embedding(64, 8, c, last, false), layout{NHWC, 8, 8, 0, c}},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			net := buildNetwork(t, k.build)
			for _, l := range net.Layers {
				if got := (layout{l.Layout, l.Grid[0], l.Grid[1], l.Prefix, l.Width}); got != k.want {
					t.Errorf("%s: got %v, want %v", l.Name, got, k.want)
				}
			}
		})
	}
}

// Tokens that lie window by window look like a grid by their number alone. Their order is learnt, and gives the
// tokens that the same network has row by row.
func TestWindowOrderIsLearnt(t *testing.T) {
	const c = 8
	reordered := func(shape, perm []int64) func(b *onnx.Builder, x string) string { // of 8x8 cells
		return func(b *onnx.Builder, x string) string {
			x = b.Op("Transpose", []string{b.Op("Reshape", []string{x, b.Shape(shape...)})}, onnx.Ints("perm", perm...))
			return b.Op("Reshape", []string{x, b.Shape(0, 64, c)})
		}
	}
	rt := orttest.Runtime(t)
	taps := func(order func(b *onnx.Builder, x string) string) (*Network, [][]float32) {
		net := buildNetwork(t, embedding(64, 8, c, order, true))
		full, _ := float32Taps(t, rt, net, whiteNoise(3*64*64))
		return net, full
	}
	_, want := taps(rows(c, 64))
	for name, order := range map[string]func(b *onnx.Builder, x string) string{
		"4x4 windows of 2x2":             reordered([]int64{0, c, 4, 2, 4, 2}, []int64{0, 2, 4, 3, 5, 1}),
		"2x2 windows of 4x4":             reordered([]int64{0, c, 2, 4, 2, 4}, []int64{0, 2, 4, 3, 5, 1}),
		"first cells of windows first":   reordered([]int64{0, c, 4, 2, 4, 2}, []int64{0, 3, 5, 2, 4, 1}),
		"quarters of quarters, as Hiera": reordered([]int64{0, c, 2, 2, 2, 2, 2, 2}, []int64{0, 4, 7, 3, 6, 2, 5, 1}),
	} {
		net, got := taps(order)
		for i, l := range net.Layers {
			if net.orders[l.Tensor] == nil || !strings.Contains(l.Why, "order that was learnt") {
				t.Errorf("%s, %s: no order was learnt", name, l.Name)
			}
			if d := relative(got[i], want[i]); d > 1e-5 { // sums of 64 tokens in another order
				t.Errorf("%s, %s: tokens differ by %.1e of the largest", name, l.Name, d)
			}
		}
	}
}

// Tokens in an order that nobody would think of are refused, not misread.
func TestShuffledTokensAreRefused(t *testing.T) {
	const c = 8
	shuffled := func(b *onnx.Builder, x string) string {
		var order []int64
		for _, i := range rand.New(rand.NewPCG(5, 5)).Perm(64) {
			order = append(order, int64(i))
		}
		return b.Op("Gather", []string{rows(c, 64)(b, x), b.ConstI64(order, 64)}, onnx.Int("axis", 1))
	}
	raw := strings.ReplaceAll(string(embedding(64, 8, c, shuffled, true).Model()), onnx.Prefix, "different/")
	_, err := OpenNetwork(context.Background(), orttest.Runtime(t), "net.onnx", NetworkOptions{Bytes: []byte(raw)})
	if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "don't lie in the picture's order") {
		t.Errorf("got %v", err)
	}
}

// An export with a fixed batch works: the last batch is filled up, and the tokens are those of a free one.
func TestFrozenBatch(t *testing.T) {
	frozen := func(n any) *onnx.Builder {
		r := rand.New(rand.NewPCG(4, 4))
		b := onnx.NewBuilder(17)
		b.Input("x", onnx.Float32, n, 3, 16, 16)
		w := make([]float32, 4*3*9)
		for i := range w {
			w[i] = float32(r.NormFloat64())
		}
		c := b.Op("Relu", []string{b.Op("Conv", []string{"x", b.ConstF32(w, 4, 3, 3, 3)}, onnx.Ints("pads", 1, 1, 1, 1))})
		b.OpTo("y", "GlobalAveragePool", []string{c})
		b.Output("y", onnx.Float32, n, 4, 1, 1)
		return b
	}
	rt := orttest.Runtime(t)
	set := pictureSet(t, pictureFiles(t, 5))
	var tokens [][]float32
	for _, n := range []any{"N", 3} {
		dir := t.TempDir()
		net := buildNetwork(t, frozen(n))
		m, err := Run(context.Background(), rt, net, set, dir, RunOptions{Key: "k", Batch: 2})
		if err != nil {
			t.Fatal(err)
		}
		if n == 3 && (m.Batch != 3 || m.Warnings[len(m.Warnings)-1].ID != "frozen-batch") {
			t.Errorf("batch is %d, warnings %v", m.Batch, m.Warnings)
		}
		f := openStore(t, dir)
		var all []float32
		for row := range set.Len() {
			all = append(all, tokensOf(t, f, 0, row)...)
		}
		tokens = append(tokens, all)
	}
	if d := relative(tokens[1], tokens[0]); d > aloneTolerance {
		t.Errorf("tokens differ by %.1e of the largest", d)
	}
}
