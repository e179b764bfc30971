package fit

import (
	"fmt"
	"math"

	"cortexmap/internal/onnx"
)

// The graphs that the products run through: plain operators of opset 17, every size that changes from call
// to call symbolic, so that the same bytes serve every batch and every cell, on any device.

const (
	opset  = 17
	hidden = 128 // width of the selectors' hidden layers
)

// graph is an onnx.Builder that remembers its inputs and outputs in order.
type graph struct {
	*onnx.Builder
	name    string
	in, out []string
}

func newGraph(name string) *graph { return &graph{Builder: onnx.NewBuilder(opset), name: name} }

func (g *graph) input(name string, t onnx.DType, dims ...any) string {
	g.Input(name, t, dims...)
	g.in = append(g.in, name)
	return name
}

func (g *graph) f32(name string, dims ...any) string { return g.input(name, onnx.Float32, dims...) }
func (g *graph) f16(name string, dims ...any) string { return g.input(name, onnx.Float16, dims...) }

// op adds a node without attributes.
func (g *graph) op(kind string, in ...string) string { return g.Op(kind, in) }

// gives makes a value an output of the graph.
func (g *graph) gives(value string, t onnx.DType, dims ...any) {
	g.Output(value, t, dims...)
	g.out = append(g.out, value)
}

func (g *graph) reshape(x string, dims ...int64) string {
	return g.op("Reshape", x, g.Shape(dims...))
}

func (g *graph) unsqueeze(x string, axis int64) string { return g.op("Unsqueeze", x, g.Shape(axis)) }
func (g *graph) squeeze(x string, axis int64) string   { return g.op("Squeeze", x, g.Shape(axis)) }

func (g *graph) slice(x string, axis, from, to int64) string {
	return g.op("Slice", x, g.Shape(from), g.Shape(to), g.Shape(axis))
}

func (g *graph) sum(x string, axis int64) string {
	return g.Op("ReduceSum", []string{x, g.Shape(axis)}, onnx.Int("keepdims", 0))
}

func (g *graph) concat(axis int64, in ...string) string {
	if len(in) == 1 {
		return in[0]
	}
	return g.Op("Concat", in, onnx.Int("axis", axis))
}

func (g *graph) transpose(x string, perm ...int64) string {
	return g.Op("Transpose", []string{x}, onnx.Ints("perm", perm...))
}

func (g *graph) float(x string) string {
	return g.Op("Cast", []string{x}, onnx.Int("to", int64(onnx.Float32)))
}

// timesT is a·bᵀ (+ bias), transposedTimes aᵀ·b (times a factor), of matrices.
func (g *graph) timesT(a, b string, bias ...string) string {
	return g.Op("Gemm", append([]string{a, b}, bias...), onnx.Int("transB", 1))
}

func (g *graph) transposedTimes(a, b string, factor ...float32) string {
	attributes := []onnx.Attr{onnx.Int("transA", 1)}
	for _, x := range factor {
		attributes = append(attributes, onnx.Float("alpha", x))
	}
	return g.Op("Gemm", []string{a, b}, attributes...)
}

// scaled is factor·a·b.
func (g *graph) scaled(factor float32, a, b string) string {
	return g.Op("Gemm", []string{a, b}, onnx.Float("alpha", factor))
}

// head is one of the three selector networks.
type head struct {
	name  string
	width int // numbers it puts out
}

func allHeads(layers int) []head { return []head{{"space", 2}, {"layer", layers}, {"scale", 1}} }

func headsWidth(hs []head) int {
	n := 0
	for _, h := range hs {
		n += h.width
	}
	return n
}

// foldGraph is M0 Rᵀ: the selectors' first layers for reduced position codes; unfoldGraph is the way back of
// their gradient.
func foldGraph(rows int) *graph {
	g := newGraph("fold")
	w0, basis := g.f32("w0", rows, codeWidth), g.f32("basis", reducedWidth, codeWidth)
	g.gives(g.timesT(w0, basis), onnx.Float32, rows, reducedWidth)
	return g
}

func unfoldGraph(rows int) *graph {
	g := newGraph("unfold")
	folded, basis := g.f32("folded", rows, reducedWidth), g.f32("basis", reducedWidth, codeWidth)
	g.gives(g.op("MatMul", folded, basis), onnx.Float32, rows, codeWidth)
	return g
}

// ofHead is a head's part of what its first layer gives side by side with the others'.
func (g *graph) ofHead(x string, i, heads int) string {
	if heads == 1 {
		return x
	}
	return g.slice(x, 1, int64(i)*hidden, int64(i+1)*hidden)
}

// selectorsGraph is (2) for a block of n vertices; the heads' first layers share one product. Inputs: reduced
// codes [n, reducedWidth], the parameters in the order of selectorParams, the first folded. Outputs: o
// [n, heads], and with keep what comes before each gelu, for selectorsGradGraph: a1 [n, heads·128] and a head's
// a2 [n, 128].
func selectorsGraph(hs []head, keep bool) *graph {
	g := newGraph("selectors")
	code := g.f32("code", "n", reducedWidth)
	a1 := g.timesT(code, g.f32("w0", len(hs)*hidden, reducedWidth), g.f32("b0", len(hs)*hidden))
	h1 := g.gelu(a1)
	var outs, a2s []string
	for i, h := range hs {
		w1, b1, w2 := g.f32(h.name+".w1", hidden, hidden), g.f32(h.name+".b1", hidden), g.f32(h.name+".w2", h.width, hidden)
		a2 := g.timesT(g.ofHead(h1, i, len(hs)), w1, b1)
		a2s = append(a2s, a2)
		outs = append(outs, g.timesT(g.gelu(a2), w2))
	}
	g.gives(g.concat(1, outs...), onnx.Float32, "n", headsWidth(hs))
	if keep {
		g.gives(a1, onnx.Float32, "n", len(hs)*hidden)
		for _, a2 := range a2s {
			g.gives(a2, onnx.Float32, "n", hidden)
		}
	}
	return g
}

// selectorsGradGraph is its gradient. Inputs: reduced codes, go [n, heads], what was kept, and a head's weights
// after the first; outputs the parameters' gradients, in their order, the first folded.
func selectorsGradGraph(hs []head) *graph {
	g := newGraph("selectors gradient")
	code, dOut := g.f32("code", "n", reducedWidth), g.f32("go", "n", headsWidth(hs))
	a1 := g.f32("a1", "n", len(hs)*hidden)
	var a2s []string
	for _, h := range hs {
		a2s = append(a2s, g.f32(h.name+".a2", "n", hidden))
	}
	twice1, slope1 := g.twiceGelu(a1)
	var d1s []string
	var grads []func()
	at := int64(0)
	for i, h := range hs {
		w1, w2 := g.f32(h.name+".w1", hidden, hidden), g.f32(h.name+".w2", h.width, hidden)
		twice2, slope2 := g.twiceGelu(a2s[i])
		d := g.slice(dOut, 1, at, at+int64(h.width))
		at += int64(h.width)
		twiceD2 := g.op("Mul", g.op("MatMul", d, w2), slope2)
		d1s = append(d1s, g.scaled(0.5, twiceD2, w1))
		grads = append(grads, func() {
			g.gives(g.transposedTimes(twiceD2, g.ofHead(twice1, i, len(hs)), 0.25), onnx.Float32, hidden, hidden)
			g.gives(g.op("Mul", g.sum(twiceD2, 0), g.Scalar(0.5)), onnx.Float32, hidden)
			g.gives(g.transposedTimes(d, twice2, 0.5), onnx.Float32, h.width, hidden)
		})
	}
	twiceD1 := g.op("Mul", g.concat(1, d1s...), slope1)
	g.gives(g.transposedTimes(twiceD1, code, 0.5), onnx.Float32, len(hs)*hidden, reducedWidth)
	g.gives(g.op("Mul", g.sum(twiceD1, 0), g.Scalar(0.5)), onnx.Float32, len(hs)*hidden)
	for _, give := range grads {
		give()
	}
	return g
}

// gelu is a Φ(a), written so that ONNX Runtime makes one operator of it.
func (g *graph) gelu(a string) string {
	erf := g.op("Erf", g.op("Div", a, g.Scalar(math.Sqrt2)))
	return g.op("Mul", g.op("Mul", a, g.op("Add", erf, g.Scalar(1))), g.Scalar(0.5))
}

// twiceGelu is 2a Φ(a) and its slope 2Φ(a) + 2a φ(a), with t = a/√2: 2Φ = 1 + erf t and 2φ = exp(ln √(2/π) - t²).
// The halves are taken inside the products that read them: an operator less is a pass through memory less.
func (g *graph) twiceGelu(a string) (value, slope string) {
	t := g.op("Mul", a, g.Scalar(1/math.Sqrt2))
	cdf := g.op("Add", g.op("Erf", t), g.Scalar(1))
	pdf := g.op("Exp", g.op("Sub", g.Scalar(float32(0.5*math.Log(2/math.Pi))), g.op("Mul", t, t)))
	return g.op("Mul", a, cdf), g.op("Add", cdf, g.op("Mul", a, pdf))
}

// tokenInputs declares, layer by layer, the stored tokens [n, G²+1, D] and their centres, and with weights
// the bottlenecks as well, in the order of bottleneckInputs. It returns the centred local tokens [n·G², D]
// and the centred global ones [n, D] of every layer.
func (g *graph) tokenInputs(widths []int, grid, channels int, weights bool) (local, global, k, h []string) {
	cells := int64(grid * grid)
	for l, d := range widths {
		x := g.f16(fmt.Sprintf("x%d", l), "n", int(cells)+1, d)
		kc, hc := g.f32(fmt.Sprintf("kc%d", l), d), g.f32(fmt.Sprintf("hc%d", l), d)
		if weights {
			k = append(k, g.f32(fmt.Sprintf("k%d", l), channels, d))
			h = append(h, g.f32(fmt.Sprintf("h%d", l), channels, d))
		}
		loc := g.reshape(g.float(g.slice(x, 1, 0, cells)), -1, int64(d))
		local = append(local, g.op("Sub", loc, kc))
		global = append(global, g.op("Sub", g.reshape(g.float(g.slice(x, 1, cells, cells+1)), -1, int64(d)), hc))
	}
	return local, global, k, h
}

// tableGraph is (5): T [n, G²+2, L, C], whose last token is zeros.
func tableGraph(widths []int, grid, channels int) *graph {
	g := newGraph("table")
	c, cells, layers := int64(channels), int64(grid*grid), len(widths)
	local, global, k, h := g.tokenInputs(widths, grid, channels, true)
	var loc, glo []string
	for l := range widths {
		loc = append(loc, g.reshape(g.timesT(local[l], k[l]), -1, cells, 1, c))
		glo = append(glo, g.reshape(g.timesT(global[l], h[l]), -1, 1, 1, c))
	}
	all := g.concat(2, glo...)
	zero := g.op("Mul", all, g.Scalar(0))
	g.gives(g.concat(1, g.concat(2, loc...), all, zero), onnx.Float32, "n", grid*grid+2, layers, channels)
	return g
}

// tableGradGraph is (12): gT [n, G²+2, L, C] to the gradients of every K_l and H_l [C, D].
func tableGradGraph(widths []int, grid, channels int) *graph {
	g := newGraph("table gradient")
	c, cells := int64(channels), int64(grid*grid)
	gt := g.f32("gt", "n", grid*grid+2, len(widths), channels)
	local, global, _, _ := g.tokenInputs(widths, grid, channels, false)
	loc, glo := g.slice(gt, 1, 0, cells), g.slice(gt, 1, cells, cells+1)
	for l, d := range widths {
		gz := g.reshape(g.slice(loc, 2, int64(l), int64(l)+1), -1, c)
		g.gives(g.transposedTimes(gz, local[l]), onnx.Float32, channels, d)
		gz = g.reshape(g.slice(glo, 2, int64(l), int64(l)+1), -1, c)
		g.gives(g.transposedTimes(gz, global[l]), onnx.Float32, channels, d)
	}
	return g
}

// packedGraph is (5) as the closed forms want it: [G²+1, L, n, C], float16, images next to channels.
func packedGraph(widths []int, grid, channels int) *graph {
	g := newGraph("packed")
	c, cells := int64(channels), int64(grid*grid)
	local, global, k, h := g.tokenInputs(widths, grid, channels, true)
	var layers []string
	for l := range widths {
		loc := g.reshape(g.timesT(local[l], k[l]), -1, cells, c)
		glo := g.reshape(g.timesT(global[l], h[l]), -1, 1, c)
		half := g.Op("Cast", []string{g.concat(1, loc, glo)}, onnx.Int("to", int64(onnx.Float16)))
		layers = append(layers, g.unsqueeze(g.transpose(half, 1, 0, 2), 1))
	}
	g.gives(g.concat(1, layers...), onnx.Float16, grid*grid+1, len(widths), "n", channels)
	return g
}

// layerGraph is (5) for one layer: [G²+1, n, rank].
func layerGraph(width, grid, rank int) *graph {
	g := newGraph("layer")
	c, cells := int64(rank), int64(grid*grid)
	local, global, k, h := g.tokenInputs([]int{width}, grid, rank, true)
	loc := g.reshape(g.timesT(local[0], k[0]), -1, cells, c)
	glo := g.reshape(g.timesT(global[0], h[0]), -1, 1, c)
	g.gives(g.transpose(g.concat(1, loc, glo), 1, 0, 2), onnx.Float32, grid*grid+1, "n", rank)
	return g
}

// cellInputs declares what a chunk of a cell's vertices reads, and returns Z [B·J, C] and P [n, B, J] of (7).
// J is 5 times the number of layers that the chunk reads.
func (g *graph) cellInputs(layers, grid, channels int) (z, p, w, a string) {
	t := g.f32("t", "b", (grid*grid+2)*layers, channels)
	rows := g.input("rows", onnx.Int64, "j")
	w, a = g.f32("w", "n", channels), g.f32("a", "n", "j", 1)
	z = g.reshape(g.Op("Gather", []string{t, rows}, onnx.Int("axis", 1)), -1, int64(channels))
	// A 0 in a Reshape keeps the dimension that stands there: n.
	shape := g.concat(0, g.Shape(0, -1), g.op("Shape", rows))
	p = g.op("Reshape", g.timesT(w, z), shape)
	return z, p, w, a
}

// cellGraph is a chunk's part of a step: (7), (8), (10), (11). Inputs: t [B, (G²+2)·L, C], rows [J], w [n, C],
// a [n, J, 1] with α inside, the same seen as a.row [n, 1, J], bias [n, 1], target [n, B], and weight [1],
// which is 2/(BV) for the squared error and 1/(BV) otherwise. Outputs: g_w [n, C], g_β [n], g_a/α [n, 1, J],
// the loss' sum [1], and with tokens g_Z [B·J, C], for steps that move the bottlenecks. What is small has two
// dimensions: operators are slow where the last one is 1.
func cellGraph(layers, grid, channels int, smooth float64, missing, tokens bool) *graph {
	g := newGraph("cell")
	z, p, w, a := g.cellInputs(layers, grid, channels)
	row := g.f32("a.row", "n", 1, "j")
	bias, target, weight := g.f32("bias", "n", 1), g.f32("target", "n", "b"), g.f32("weight", 1)
	e := g.op("Sub", g.op("Add", g.squeeze(g.op("MatMul", p, a), 2), bias), target)
	if missing {
		e = g.op("Where", g.op("IsNaN", target), g.Scalar(0), e)
	}
	slope, loss := e, g.op("Mul", e, e) // of which half is the loss
	if smooth > 0 {
		d := float32(smooth)
		clipped := g.op("Clip", e, g.Scalar(-d), g.Scalar(d))
		slope = g.op("Div", clipped, g.Scalar(d))
		// c e - c²/2 over δ, c the clipped e, is both branches of (8) at once.
		loss = g.op("Mul", slope, g.op("Sub", g.op("Add", e, e), clipped))
	}
	gy := g.op("Mul", slope, weight)
	half := g.op("Mul", weight, g.Scalar(0.5))
	total := g.op("Mul", g.Op("ReduceSum", []string{loss}, onnx.Int("keepdims", 0)), half)
	outer := g.reshape(g.op("Mul", g.unsqueeze(gy, 2), row), 0, -1) // E [n, B·J]
	g.gives(g.op("MatMul", outer, z), onnx.Float32, "n", channels)
	g.gives(g.sum(gy, 1), onnx.Float32, "n")
	g.gives(g.op("MatMul", g.unsqueeze(gy, 1), p), onnx.Float32, "n", 1, "j")
	g.gives(g.reshape(total, 1), onnx.Float32, 1)
	if tokens {
		g.gives(g.transposedTimes(outer, w), onnx.Float32, "bj", channels)
	}
	return g
}

// predictGraph is (7) without the bias, [n, B]. With parts also Σ_b P and Σ_b y P [n, J], from which the
// shares (23) follow.
func predictGraph(layers, grid, channels int, parts bool) *graph {
	g := newGraph("predict")
	_, p, _, a := g.cellInputs(layers, grid, channels)
	y := g.squeeze(g.op("MatMul", p, a), 2)
	g.gives(y, onnx.Float32, "n", "b")
	if parts {
		g.gives(g.sum(p, 1), onnx.Float32, "n", "j")
		g.gives(g.squeeze(g.op("MatMul", g.unsqueeze(y, 1), p), 1), onnx.Float32, "n", "j")
	}
	return g
}

// momentsGraph adds a chunk of n images to the moments of (19). Inputs: the cell's tokens, each float16
// [l, n, C], of the l layers that matter; the coefficients a [m, tokens·l], or for two paths (of five tokens) the
// local ones [m, 4l] and the global ones [m, l]; y [m, n, 2], the response and a one (both 0 where it is missing);
// the moments so far, s [m, C', C'] and r [m, C', 2], C' = C, or 2C for two paths. Outputs: s and r. With missing
// responses the channels are masked by y's ones.
func momentsGraph(channels, tokens int, paths, missing bool) *graph {
	g := newGraph("moments")
	width := channels
	var z []string
	for k := range tokens {
		z = append(z, g.f16(fmt.Sprintf("z%d", k), "l", "n", channels))
	}
	mix := func(a string, z ...string) string {
		flat := g.reshape(g.float(g.concat(0, z...)), 0, -1) // [k·l, n·C]
		return g.reshape(g.op("MatMul", a, flat), 0, -1, int64(channels))
	}
	var x string
	if paths {
		width = 2 * channels
		local, global := g.f32("a.local", "m", "4l"), g.f32("a.global", "m", "l")
		x = g.concat(2, mix(local, z[:4]...), mix(global, z[4]))
	} else {
		x = mix(g.f32("a", "m", "tl"), z...)
	}
	y := g.f32("y", "m", "n", 2)
	if missing {
		x = g.op("Mul", x, g.slice(y, 2, 1, 2))
	}
	s, r := g.f32("s", "m", width, width), g.f32("r", "m", width, 2)
	xt := g.transpose(x, 0, 2, 1)
	g.gives(g.op("Add", s, g.op("MatMul", xt, x)), onnx.Float32, "m", width, width)
	g.gives(g.op("Add", r, g.op("MatMul", xt, y)), onnx.Float32, "m", width, 2)
	return g
}

// sandwichGraph is LᵀSL for a batch: s [m, C, C], root [C, C].
func sandwichGraph(channels int) *graph {
	g := newGraph("sandwich")
	s, root := g.f32("s", "m", channels, channels), g.f32("root", channels, channels)
	// S is symmetric: (S L)ᵀ = Lᵀ S, so both products have the shared matrix on the right.
	half := g.transpose(g.op("MatMul", s, root), 0, 2, 1)
	g.gives(g.op("MatMul", half, root), onnx.Float32, "m", channels, channels)
	return g
}

// covarianceGraph sums a chunk's tokens: x float16 [n, G²+1, D], the tokens from "from" to "to", shift [D].
// Outputs Σ(x-shift)(x-shift)ᵀ [D, D] and Σ(x-shift) [D].
func covarianceGraph(width, grid int) *graph {
	g := newGraph("covariance")
	x := g.f16("x", "n", grid*grid+1, width)
	from, to, shift := g.input("from", onnx.Int64, 1), g.input("to", onnx.Int64, 1), g.f32("shift", width)
	z := g.op("Slice", x, from, to, g.Shape(1))
	z = g.op("Sub", g.reshape(g.float(z), -1, int64(width)), shift)
	g.gives(g.transposedTimes(z, z), onnx.Float32, width, width)
	g.gives(g.sum(z, 0), onnx.Float32, width)
	return g
}

// mapGraph is the least squares of (17) up to its solution: x [N, k] a token's channels, y [V, N] centred
// responses. Outputs the centred XᵀX [k, k] and YX [V, k].
func mapGraph(rank int) *graph {
	g := newGraph("map")
	x, y := g.f32("x", "n", rank), g.f32("y", "v", "n")
	mean := g.Op("ReduceMean", []string{x}, onnx.Ints("axes", 0))
	x = g.op("Sub", x, mean)
	g.gives(g.transposedTimes(x, x), onnx.Float32, rank, rank)
	g.gives(g.op("MatMul", y, x), onnx.Float32, "v", rank)
	return g
}

// explainedGraph is its end: m [V, k], inverse [k, k] of the Cholesky root; Σ (m inverseᵀ)² [V].
func explainedGraph(rank int) *graph {
	g := newGraph("explained")
	m, inv := g.f32("m", "v", rank), g.f32("inverse", rank, rank)
	q := g.timesT(m, inv)
	g.gives(g.sum(g.op("Mul", q, q), 1), onnx.Float32, "v")
	return g
}

// crossGraph is AᵀB for (18), both [G², N, k]: local tokens of two layers. With means instead of that the
// mean over the grid of A against B [N, k], a layer's global token.
func crossGraph(grid, rankA, rankB int, means bool) *graph {
	g := newGraph("cross")
	a := g.f32("a", grid*grid, "n", rankA)
	if means {
		b := g.f32("b", "n", rankB)
		mean := g.Op("ReduceMean", []string{a}, onnx.Ints("axes", 0), onnx.Int("keepdims", 0))
		g.gives(g.transposedTimes(mean, b), onnx.Float32, rankA, rankB)
		return g
	}
	b := g.f32("b", grid*grid, "n", rankB)
	a, b = g.reshape(a, -1, int64(rankA)), g.reshape(b, -1, int64(rankB))
	g.gives(g.transposedTimes(a, b), onnx.Float32, rankA, rankB)
	return g
}
