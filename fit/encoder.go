package fit

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/store"
)

// EncoderOpset is the least version of ai.onnx whose operators [Encode] uses: the one since which Add and Mul
// broadcast.
const EncoderOpset = 7

// Encode adds nodes to b that predict a mapping's responses from tokens, and returns the name of their result.
//
//	tokens   names of the layers' tokens on the fit grid, float32 [N, G²+1, D_l] each
//	result   float32 [N, V], a column a row of m.Vertices; NaN for units that were not fitted
//
// It is (5) and (7) with the picks as constants, cell by cell, so that nothing of size N·V·C is made; a corner
// outside the grid has the coefficient 0. Operators: Gather, Sub, MatMul, Concat, Reshape, Mul and Add, as
// they have been since opset 7. A mapping without FactorTopy's weights (a ridge baseline) is a fault, as is one
// with weights that don't fit together.
func Encode(b *onnx.Builder, m *store.Mapping, tokens []string) (string, error) {
	e, err := newEncoder(b, m)
	if err != nil {
		return "", err
	}
	if len(tokens) != e.L {
		return "", fault.Inputf("the mapping has %d layers, the network %d", e.L, len(tokens))
	}
	z := make([]string, e.L)
	for l, x := range tokens {
		z[l] = e.reshape(e.bottlenecks(l, x), 0, int64(e.G*e.G+1), 1, int64(e.C))
	}
	return e.units(e.cells(e.Op("Concat", z, onnx.Int("axis", 2)))), nil
}

// fitGrid is the side of the grid that mappings are fitted on (contract: extract.grid).
const fitGrid = 8

// encoder is a mapping's weights on their way into a graph.
type encoder struct {
	*onnx.Builder
	*weights
}

func newEncoder(b *onnx.Builder, m *store.Mapping) (encoder, error) {
	w, err := readWeights(m)
	return encoder{b, w}, err
}

// weights are what a mapping predicts with.
type weights struct {
	L, G, C       int
	local, global []bottleneck // [L]
	w, b          []float32    // [V, C], [V] of the fitted units
	unit          []int        // fitted unit → row of the mapping
	rows          int          // of the mapping
	alpha         float32
	sel           *selection
}

// bottleneck is one of (5): weight [C, D], centre [D].
type bottleneck struct {
	weight, centre []float32
	width          int
}

// readWeights takes a mapping's tensors and picks, and checks that they fit together.
func readWeights(m *store.Mapping) (*weights, error) {
	if !strings.HasPrefix(m.Info.Method, "factortopy") {
		return nil, fault.Inputf("a mapping of method %s has no weights that predict: only FactorTopy's have", m.Info.Method).
			Remedy("choose a mapping of method factortopy")
	}
	w := &weights{L: len(m.Info.Layers), G: fitGrid, rows: len(m.Vertices), alpha: 1}
	r := tensorReader{m: m}
	for v := range m.Vertices {
		if m.Vertices[v].Fitted {
			w.unit = append(w.unit, v)
		}
	}
	if t := m.Tensor("readout.weight"); t != nil && len(t.Shape) == 2 {
		w.C = int(t.Shape[1])
	}
	w.w, w.b = r.read("readout.weight", len(w.unit), w.C), r.read("readout.bias", len(w.unit))
	for l, layer := range m.Info.Layers {
		w.local = append(w.local, r.bottleneck("local", l, w.C, layer.Width))
		w.global = append(w.global, r.bottleneck("global", l, w.C, layer.Width))
	}
	if m.Info.Ablation == NoFactorisation {
		w.sel = newJointSelection(len(w.unit), w.L, w.G)
		copy(w.sel.joint, r.read("joint.free", len(w.unit), w.sel.terms()))
	} else {
		w.pick(m)
	}
	if r.err != nil {
		return nil, r.err
	}
	if m.Info.Readout == "mean" {
		w.alpha = 1 / float32(w.C)
	}
	return w, nil
}

// pick takes the selectors' values as they stand in the mapping.
func (w *weights) pick(m *store.Mapping) {
	w.sel = newSelection(len(w.unit), w.L, w.G)
	for v, row := range w.unit {
		u := &m.Vertices[row]
		if u.SpaceX == u.SpaceX { // not where all read global tokens alone
			w.sel.look(v, float64(u.SpaceX), float64(u.SpaceY))
		} else {
			w.sel.look(v, 0, 0)
		}
		copy(w.sel.layer[v*w.L:(v+1)*w.L], m.Selector[row*w.L:(row+1)*w.L])
		w.sel.scale[v] = u.Scale
	}
}

// tensorReader reads tensors of a mapping by name and shape; the first failure stays.
type tensorReader struct {
	m   *store.Mapping
	err error
}

func (r *tensorReader) read(name string, shape ...int) []float32 {
	t := r.m.Tensor(name)
	n := 1
	for _, d := range shape {
		n *= d
	}
	if r.err == nil && (t == nil || len(t.Data) != n || n == 0) {
		r.err = fault.Inputf("the mapping's weights have no %s of shape %v", name, shape).
			Remedy("fit it again: %s is damaged, or of a kind that can't be exported", store.WeightsName)
	}
	if r.err != nil {
		return nil
	}
	return t.Data
}

func (r *tensorReader) bottleneck(path string, l, c, d int) bottleneck {
	return bottleneck{r.read(fmt.Sprintf("%s.%d.weight", path, l), c, d), r.read(fmt.Sprintf("%s.%d.centre", path, l), d), d}
}

func (e encoder) matmul(a, b string) string { return e.Op("MatMul", []string{a, b}) }
func (e encoder) reshape(x string, d ...int64) string {
	return e.Op("Reshape", []string{x, e.Shape(d...)})
}
func (e encoder) concat(axis int64, x ...string) string {
	return e.Op("Concat", x, onnx.Int("axis", axis))
}

func (e encoder) gather(x string, axis int64, at []int64) string {
	return e.Op("Gather", []string{x, e.ConstI64(at, int64(len(at)))}, onnx.Int("axis", axis))
}

// bottlenecks are (5) of layer l: [N, G²+1, D] → [N, G²+1, C].
func (e encoder) bottlenecks(l int, x string) string {
	cells := upTo[int64](e.G * e.G)
	through := func(b bottleneck, x string) string {
		d, c := b.width, e.C
		centred := e.Op("Sub", []string{x, e.ConstF32(b.centre, int64(d))})
		return e.matmul(centred, e.ConstF32(transpose(b.weight, c, d), int64(d), int64(c)))
	}
	return e.concat(1, through(e.local[l], e.gather(x, 1, cells)), through(e.global[l], e.gather(x, 1, []int64{int64(len(cells))})))
}

// cells are (7) without the bias: the table z [N, G²+1, L, C] → [N, 1, V], vertices in the order of places.
func (e encoder) cells(z string) (y string, lay *layout) {
	lay = layoutOf(e.sel, nil, 1)
	j := e.sel.terms()
	ones := e.ConstF32(filled(j, 1), 1, int64(j))
	var parts []string
	for _, job := range lay.jobs {
		k := job.len()
		w, a := make([]float32, k*e.C), make([]float32, k*j)
		for i, v := range lay.order[job.from:job.to] {
			copy(w[i*e.C:(i+1)*e.C], e.w[int(v)*e.C:])
			e.sel.coefficients(a[i*j:(i+1)*j], int(v), e.alpha)
		}
		rows := slices.Clone(job.rows)
		for token, row := range rows {
			if row > int64(e.G*e.G) { // outside: no token there
				rows[token] = 0
				for i := range k {
					clear(a[i*j+token*e.L : i*j+(token+1)*e.L])
				}
			}
		}
		seen := e.reshape(e.gather(z, 1, rows), 0, int64(j), int64(e.C))
		p := e.matmul(seen, e.ConstF32(transpose(w, k, e.C), int64(e.C), int64(k))) // [N, J, k]
		p = e.Op("Mul", []string{p, e.ConstF32(transpose(a, k, j), int64(j), int64(k))})
		parts = append(parts, e.matmul(ones, p))
	}
	return e.concat(2, parts...), lay
}

// units puts the places' predictions into the mapping's rows and adds the biases: [N, 1, V'] → [N, V].
func (e encoder) units(y string, lay *layout) string {
	at, bias := make([]int64, e.rows), filled(e.rows, nan32())
	for place, v := range lay.order {
		row := e.unit[v]
		at[row], bias[row] = int64(place), e.b[v]
	}
	rows := e.gather(e.reshape(y, 0, int64(len(lay.order))), 1, at)
	return e.Op("Add", []string{rows, e.ConstF32(bias, int64(e.rows))})
}

// transpose of a [rows, cols] matrix.
func transpose(m []float32, rows, cols int) []float32 {
	t := make([]float32, len(m))
	for i := range rows {
		for j := range cols {
			t[j*rows+i] = m[i*cols+j]
		}
	}
	return t
}

func filled(n int, x float32) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = x
	}
	return out
}

// Predict is what a mapping predicts, by plain loops over (5) and (6) in float64: the slow form that an
// exported encoder must equal.
//
//	tokens   the layers' tokens of n images, binary16 bits [n, G²+1, D_l] each, as the store holds them
//	result   [n, V], a column a row of m.Vertices; NaN for units that were not fitted
func Predict(m *store.Mapping, tokens [][]uint16, n int) ([]float64, error) {
	w, err := readWeights(m)
	if err != nil {
		return nil, err
	}
	out := make([]float64, n*w.rows)
	for i := range out {
		out[i] = math.NaN()
	}
	for i := range n {
		z := w.channels(tokens, i)
		for v, row := range w.unit {
			out[i*w.rows+row] = w.predict(z, v)
		}
	}
	return out, nil
}

// channels is z of (5) for one image: [L, G²+1, C].
func (w *weights) channels(tokens [][]uint16, image int) []float64 {
	t := w.G*w.G + 1
	z := make([]float64, w.L*t*w.C)
	for l := range w.L {
		for k := range t {
			b := w.local[l]
			if k == t-1 {
				b = w.global[l]
			}
			x := tokens[l][(image*t+k)*b.width : (image*t+k+1)*b.width]
			for c := range w.C {
				sum := 0.0
				for d, h := range x {
					sum += float64(b.weight[c*b.width+d]) * (float64(store.Float(h)) - float64(b.centre[d]))
				}
				z[(l*t+k)*w.C+c] = sum
			}
		}
	}
	return z
}

// predict is (6) of unit v.
func (w *weights) predict(z []float64, v int) float64 {
	t := w.G*w.G + 1
	a := make([]float32, w.sel.terms())
	w.sel.coefficients(a, v, w.alpha)
	y := float64(w.b[v])
	for k, token := range w.sel.tokens(int(w.sel.cell[v])) {
		if token >= int64(t) { // zeros around the grid
			continue
		}
		for l := range w.L {
			at := (l*t + int(token)) * w.C
			dot := 0.0
			for c := range w.C {
				dot += float64(w.w[v*w.C+c]) * z[at+c]
			}
			y += float64(a[k*w.L+l]) * dot
		}
	}
	return y
}
