package extract

import (
	"cortexmap/internal/onnx"
	"cortexmap/internal/store"
)

// Layouts of a tapped tensor: N images, C channels (the layer's width), H x W cells, L tokens.
const (
	NCHW = "NCHW"
	NHWC = "NHWC"
	NLC  = "NLC"
	LNC  = "LNC"
)

// Where a layer's global token comes from.
const (
	GlobalCLS  = "cls"  // the first prefix token
	GlobalMean = "mean" // the mean over the grid
)

// tap writes nodes that read one layer. Every operator used exists since opset 6 and means the same in all.
type tap struct {
	*onnx.Builder
	layer store.Layer
	order []int  // the token behind the prefix that looks at each cell; nil: raster order
	x     string // the tapped tensor as float32
}

// tap reads the layer's tensor as float32.
func (n *Network) tap(b *onnx.Builder, l store.Layer) tap {
	return tap{b, l, n.orders[l.Tensor], n.numbers(b, l.Tensor)}
}

func (t tap) tokens() int { return t.layer.Prefix + t.layer.Grid[0]*t.layer.Grid[1] }

func (t tap) matmul(a, b string) string           { return t.Op("MatMul", []string{a, b}) }
func (t tap) reshape(x string, d ...int64) string { return t.Op("Reshape", []string{x, t.Shape(d...)}) }

// fit adds the nodes that bring the layer to the fit grid, and returns the name of their float16 output
// [N, g²+1, C]: local tokens row by row from the top left, then the global token.
func (t tap) fit(g int, protocol string) string { return t.stored(t.fitted(g, protocol)) }

// stored makes an output of float32 tokens, rounded to binary16 as they are stored.
func (t tap) stored(tokens string) string {
	out := t.Op("Cast", []string{tokens}, onnx.Int("to", int64(onnx.Float16)))
	t.Output(out, onnx.Undefined)
	return out
}

// fitted is fit before the cast, in float32.
func (t tap) fitted(g int, protocol string) string {
	switch t.layer.Layout {
	case NCHW:
		return t.fitMap(g, protocol)
	case NHWC:
		return t.fitChannelsLast(g, protocol)
	}
	return t.fitSequence(g, protocol)
}

// axes are the weights of both axes: rows [g, H], columns transposed [W, g].
func (t tap) axes(g int, protocol string) (rows, columns []float32) {
	h, w := t.layer.Grid[0], t.layer.Grid[1]
	return toFloat32(axisWeights(h, g, protocol)), transposed(toFloat32(axisWeights(w, g, protocol)), g, w)
}

// fitMap is for [N, C, H, W]: columns first, since that is one product over all rows of all channels.
//
//	[N,C,H,W]·[W,g] → [g,H]·[N,C,H,g] → [N,C,g²] ‖ [N,C,1] → [N,g²+1,C]
func (t tap) fitMap(g int, protocol string) string {
	h, w, c, cells := t.layer.Grid[0], t.layer.Grid[1], int64(t.layer.Width), int64(g*g)
	rows, columns := t.axes(g, protocol)
	small := t.x
	if w != g {
		small = t.matmul(small, t.ConstF32(columns, int64(w), int64(g)))
	}
	if h != g {
		small = t.matmul(t.ConstF32(rows, int64(g), int64(h)), small)
	}
	whole := t.x
	if meanKept(h, w, g, protocol) {
		whole = small
	}
	local := t.reshape(small, 0, c, cells)
	global := t.reshape(t.Op("GlobalAveragePool", []string{whole}), 0, c, 1)
	both := t.Op("Concat", []string{local, global}, onnx.Int("axis", 2))
	return t.Op("Transpose", []string{both}, onnx.Ints("perm", 0, 2, 1))
}

// fitChannelsLast is for [N, H, W, C].
//
//	[g,H]·[N,H,W·C] → [g,W]·[N,g,W,C] → [N,g²,C] ‖ [N,1,C]
func (t tap) fitChannelsLast(g int, protocol string) string {
	h, w, c, cells := int64(t.layer.Grid[0]), int64(t.layer.Grid[1]), int64(t.layer.Width), int64(g*g)
	rows, _ := t.axes(g, protocol)
	columns := toFloat32(axisWeights(int(w), g, protocol))
	a := t.matmul(t.ConstF32(rows, int64(g), h), t.reshape(t.x, 0, h, w*c))
	b := t.matmul(t.ConstF32(columns, int64(g), w), t.reshape(a, 0, int64(g), w, c))
	local := t.reshape(b, 0, cells, c)
	whole, n := local, cells
	if !meanKept(int(h), int(w), g, protocol) {
		whole, n = t.reshape(t.x, 0, h*w, c), h*w
	}
	global := t.matmul(t.ConstF32(constant(int(n), 1/float32(n)), 1, n), whole)
	return t.Op("Concat", []string{local, global}, onnx.Int("axis", 1))
}

// fitSequence is for tokens, [N, L, C] or [L, N, C]: one product with [g²+1, L].
func (t tap) fitSequence(g int, protocol string) string {
	m := t.ConstF32(sequenceWeights(t.layer, t.order, g, protocol), int64(g*g+1), int64(t.tokens()))
	return t.matmul(m, t.sequence())
}

// sequence is the layer as [N, L, C].
func (t tap) sequence() string {
	switch t.layer.Layout {
	case LNC:
		return t.Op("Transpose", []string{t.x}, onnx.Ints("perm", 1, 0, 2))
	case NHWC:
		return t.reshape(t.x, 0, int64(t.tokens()), int64(t.layer.Width))
	}
	return t.x
}

// at is the token behind the prefix that looks at a cell.
func at(order []int, cell int) int {
	if order == nil {
		return cell
	}
	return order[cell]
}

// sequenceWeights is [g²+1, L]: each row makes one token of the fit grid, the last the global one.
func sequenceWeights(l store.Layer, order []int, g int, protocol string) []float32 {
	h, w := l.Grid[0], l.Grid[1]
	rows, columns := axisWeights(h, g, protocol), axisWeights(w, g, protocol)
	tokens := l.Prefix + h*w
	m := make([]float32, (g*g+1)*tokens)
	for i := range g * g {
		row := m[i*tokens+l.Prefix:]
		for y := range h {
			for x := range w {
				row[at(order, y*w+x)] = float32(rows[i/g*h+y] * columns[i%g*w+x])
			}
		}
	}
	copy(m[g*g*tokens:], globalWeights(l))
	return m
}

// globalWeights is [L]: how the tokens make the global one.
func globalWeights(l store.Layer) []float32 {
	cells := l.Grid[0] * l.Grid[1]
	m := make([]float32, l.Prefix+cells)
	if l.Global == GlobalCLS {
		m[0] = 1
		return m
	}
	copy(m[l.Prefix:], constant(cells, 1/float32(cells)))
	return m
}

// means adds the mean over the grid of the layer's channels and of their squares, both [N, C], and the
// global token [N, C].
func (t tap) means() (mean, square, global string) {
	squared := t.Op("Mul", []string{t.x, t.x})
	c := int64(t.layer.Width)
	if t.layer.Layout == NCHW {
		mean = t.reshape(t.Op("GlobalAveragePool", []string{t.x}), 0, c)
		square = t.reshape(t.Op("GlobalAveragePool", []string{squared}), 0, c)
		return mean, square, mean
	}
	plain := t.layer
	plain.Global = GlobalMean
	l := int64(t.tokens())
	average := func(x string, m []float32) string {
		t := tap{t.Builder, t.layer, t.order, x}
		return t.reshape(t.matmul(t.ConstF32(m, 1, l), t.sequence()), -1, c)
	}
	mean = average(t.x, globalWeights(plain))
	return mean, average(squared, globalWeights(plain)), average(t.x, globalWeights(t.layer))
}

// readOut adds local and global, both [N, V]: what units see of the layer on its native grid.
//
//	local[n,v] = Σ_d C[d,v] Σ_hw F[hw,v] z[n,d,hw]        global[n,v] = Σ_d C[d,v] g[n,d]
func (t tap) readOut(r Readout) (local, global string) {
	d, v, cells := int64(t.layer.Width), int64(r.Units), int64(t.layer.Grid[0]*t.layer.Grid[1])
	channels := t.ConstF32(r.Channels, d, v)
	if t.layer.Layout == NCHW {
		seen := t.matmul(t.reshape(t.x, 0, d, cells), t.ConstF32(r.Field, cells, v)) // [N, D, V]
		local = t.matmul(t.ConstF32(constant(int(d), 1), 1, d), t.Op("Mul", []string{seen, channels}))
		mean := t.reshape(t.Op("GlobalAveragePool", []string{t.x}), 0, d)
		return t.reshape(local, 0, v), t.matmul(mean, channels)
	}
	l := int64(t.tokens())
	field := make([]float32, v*l) // [V, L], nothing on the prefix
	for i, f := range r.Field {
		cell, unit := int64(i)/v, int64(i)%v
		field[unit*l+int64(t.layer.Prefix+at(t.order, int(cell)))] = f
	}
	z := t.sequence()
	seen := t.matmul(t.ConstF32(field, v, l), z) // [N, V, D]
	weighted := t.Op("Mul", []string{seen, t.ConstF32(transposed(r.Channels, int(d), int(v)), v, d)})
	local = t.matmul(weighted, t.ConstF32(constant(int(d), 1), d, 1))
	token := t.reshape(t.matmul(t.ConstF32(globalWeights(t.layer), 1, l), z), -1, d)
	return t.reshape(local, 0, v), t.matmul(token, channels)
}

// ownOutputs adds a float32 copy of each of the model's own outputs that is a tensor of numbers, so that
// all come back alike, and returns their names.
func ownOutputs(b *onnx.Builder, g *onnx.Graph) []string {
	var names []string
	for _, o := range g.Outputs {
		switch o.Type {
		case onnx.Undefined, onnx.Text:
			continue
		}
		name := b.Op("Cast", []string{o.Name}, onnx.Int("to", int64(onnx.Float32)))
		b.Output(name, onnx.Undefined)
		names = append(names, name)
	}
	return names
}
