package extract

import (
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
)

// vertex is a node that the picture flows through.
type vertex struct {
	node      *onnx.Node // nil: the picture itself
	inputs    []int      // vertices that it reads
	dominator int        // the last vertex that everything on its way here from the picture passes; −1 for the picture
	depth     int        // in the tree of dominators
	product   product    // what it multiplies, if anything
	branches  bool       // it joins branches that hold products: a residual sum, a concatenation
	joins     int        // such vertices among its dominators, itself included, up to the first decoder
	products  int        // learned products on the longest way here
	decoder   bool       // it lies behind an enlargement of features, as in a U-Net's way up
	falls     bool       // it lies behind a reduction behind an enlargement
	rises     bool       // it lies behind an enlargement behind those
	output    bool       // it makes one of the graph's outputs
	kept      bool       // an output of the graph depends on it
	blocked   bool       // its numbers lie in ONNX Runtime's blocked layout
}

// flow is the part of a graph that the picture passes through. Outputs of Shape and Size don't count, so
// position tables, masks and arithmetic on sizes drop out; other inputs of the model count as constants.
type flow struct {
	graph    *onnx.Graph
	image    onnx.Value
	vertices []vertex
	producer map[string]int        // vertex that makes a tensor
	fixed    map[string]*onnx.Node // nodes that the picture doesn't reach, by their first output
	readers  map[int][]int         // vertices that read a vertex and that an output depends on, ascending
}

// newFlow follows the picture through the graph.
func newFlow(m *onnx.Model) (*flow, error) {
	g := &m.Graph
	image, err := imageInput(g)
	if err != nil {
		return nil, err
	}
	f := &flow{graph: g, image: image, producer: map[string]int{image.Name: 0}}
	f.vertices = []vertex{{dominator: -1}}
	f.fixed = map[string]*onnx.Node{}
	for _, n := range sortNodes(splitFused(inlined(m))) {
		f.add(n)
	}
	if !f.keep() {
		return nil, fault.Inputf("no output of the model depends on its picture input %q", image.Name)
	}
	f.reopenDecoders()
	return f, nil
}

// reopenDecoders drops the idea that what lies behind an enlargement is a decoder, where features are made smaller and
// larger again behind it: HRNet does so all the time, to exchange maps between its streams, and stacked hourglasses.
func (f *flow) reopenDecoders() {
	if !slices.ContainsFunc(f.vertices, func(v vertex) bool { return v.kept && v.rises }) {
		return
	}
	for i := 1; i < len(f.vertices); i++ {
		v := &f.vertices[i]
		v.decoder, v.joins = false, f.vertices[v.dominator].joins
		if v.branches {
			v.joins++
		}
	}
}

// add appends a node if the picture reaches it.
func (f *flow) add(n *onnx.Node) {
	if n.Op == "Shape" || n.Op == "Size" {
		return
	}
	var inputs []int
	for _, name := range slices.Concat(n.Inputs, n.Captured()) {
		if p, ok := f.producer[name]; ok {
			inputs = append(inputs, p)
		}
	}
	if len(inputs) == 0 {
		if len(n.Outputs) > 0 {
			f.fixed[n.Outputs[0]] = n
		}
		return
	}
	v := vertex{node: n, inputs: inputs, dominator: f.dominator(inputs), product: f.productOf(n)}
	above := &f.vertices[v.dominator]
	v.depth, v.joins = above.depth+1, above.joins
	for _, i := range inputs {
		v.products = max(v.products, f.vertices[i].products)
		v.decoder = v.decoder || f.vertices[i].decoder
		v.falls = v.falls || f.vertices[i].falls
		v.rises = v.rises || f.vertices[i].rises
		v.blocked = v.blocked || f.vertices[i].blocked
	}
	v.blocked = (v.blocked || n.Domain == blockedDomain) && n.Op != "ReorderOutput"
	v.rises = v.rises || v.falls && enlarging[n.Op]
	v.falls = v.falls || v.decoder && reduces(n)
	v.decoder = v.decoder || v.products > 0 && enlarging[n.Op]
	v.branches = len(inputs) > 1 && v.products > above.products && (isSum(n) || isConcat(n))
	if v.branches && !v.decoder {
		v.joins++
	}
	if v.product.learned() || v.product == softmax || v.product == pooling {
		v.products++
	}
	f.vertices = append(f.vertices, v)
	for _, o := range n.Outputs {
		if o != "" {
			f.producer[o] = len(f.vertices) - 1
		}
	}
}

// reduces says whether a node makes maps smaller.
func reduces(n *onnx.Node) bool {
	strides := n.Ints("strides")
	return len(strides) > 0 && slices.Max(strides) > 1 && !enlarging[n.Op]
}

// weight finds the constant behind a name: an initializer, a Constant node, or either behind roundings and
// casts; nil where it is computed otherwise.
func (f *flow) weight(name string) *onnx.Tensor {
	for range 8 {
		if t := f.graph.Initializers[name]; t != nil {
			return t
		}
		n := f.fixed[name]
		if n == nil {
			return nil
		}
		switch n.Op {
		case "Constant":
			if a := n.Attrs["value"]; a != nil {
				return a.T
			}
			return nil
		case "DequantizeLinear", "QuantizeLinear", "Cast", "Identity":
			name = n.Inputs[0]
		default:
			return nil
		}
	}
	return nil
}

// dominator is the lowest common ancestor of the inputs in the tree of dominators: for a graph without
// cycles, visited in topological order, that is the immediate dominator (Cooper, Harvey & Kennedy, A simple,
// fast dominance algorithm, 2001).
func (f *flow) dominator(inputs []int) int {
	p := inputs[0]
	for _, q := range inputs[1:] {
		for p != q {
			if f.vertices[p].depth < f.vertices[q].depth {
				p, q = q, p
			}
			p = f.vertices[p].dominator
		}
	}
	return p
}

// keep marks what the graph's outputs depend on; false if that is nothing.
func (f *flow) keep() bool {
	found := false
	for _, o := range f.graph.Outputs {
		if i, ok := f.producer[o.Name]; ok && i > 0 {
			f.vertices[i].kept, f.vertices[i].output, found = true, true, true
		}
	}
	f.readers = map[int][]int{}
	for i := len(f.vertices) - 1; i > 0; i-- {
		if !f.vertices[i].kept {
			continue
		}
		for _, p := range f.vertices[i].inputs {
			f.vertices[p].kept = true
			if r := f.readers[p]; len(r) == 0 || r[0] != i {
				f.readers[p] = append([]int{i}, r...)
			}
		}
	}
	return found
}

// tensor is the first named output of a vertex.
func (f *flow) tensor(i int) string {
	for _, o := range f.vertices[i].node.Outputs {
		if o != "" {
			return o
		}
	}
	return ""
}

// imageInput picks the input that takes the picture: rank 4 with one or three colours, of a type that
// pictures have. An input of unknown rank is taken where nothing better is there.
func imageInput(g *onnx.Graph) (onnx.Value, error) {
	var best onnx.Value
	score := 0
	for _, v := range g.RuntimeInputs() {
		if s := imageScore(v); s > score {
			best, score = v, s
		}
	}
	if score == 0 {
		return best, fault.Inputf("the model takes no picture: no input has 4 dimensions of which one is 3 (or 1) colours; its inputs are %s", describe(g.RuntimeInputs())).
			Remedy("export the vision tower alone")
	}
	return best, nil
}

func imageScore(v onnx.Value) int {
	switch v.Type {
	case onnx.Float32, onnx.Float16, onnx.BFloat16, onnx.Float64, onnx.Uint8:
	default:
		return 0
	}
	colours := func(n int64) bool { return slices.Contains([]int64{v.Dims[1], v.Dims[3]}, n) }
	switch {
	case !v.Known:
		return 1
	case len(v.Dims) != 4:
		return 0
	case colours(3):
		return 4
	case colours(1):
		return 3
	case colours(-1):
		return 2
	}
	return 0
}

// describe lists inputs with their types and shapes, for messages.
func describe(vs []onnx.Value) string {
	var parts []string
	for _, v := range vs {
		parts = append(parts, v.Name+" "+v.Type.String()+shapeText(v))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// splitFused takes apart fused nodes whose inner sum is the residual stream: SkipLayerNormalization of
// com.microsoft, where it hands the sum out as its fourth output.
func splitFused(nodes []*onnx.Node) []*onnx.Node {
	out := make([]*onnx.Node, 0, len(nodes))
	for _, n := range nodes {
		fused := strings.HasPrefix(n.Op, "Skip") && strings.HasSuffix(n.Op, "LayerNormalization")
		if !fused || len(n.Inputs) < 3 || len(n.Outputs) < 4 || n.Outputs[3] == "" {
			out = append(out, n)
			continue
		}
		sum, norm := *n, *n
		sum.Op, sum.Inputs, sum.Outputs = "Add", n.Inputs[:2], n.Outputs[3:4]
		norm.Op, norm.Inputs, norm.Outputs = "LayerNormalization", append([]string{n.Outputs[3]}, n.Inputs[2:]...), n.Outputs[:1]
		out = append(out, &sum, &norm)
	}
	return out
}

// sortNodes puts producers before their readers, and otherwise keeps the file's order. Files should be
// sorted, and some aren't. Nodes on a cycle, which no valid file has, come in any order.
func sortNodes(nodes []*onnx.Node) []*onnx.Node {
	producer := map[string]int{}
	for i, n := range nodes {
		for _, o := range n.Outputs {
			if o != "" {
				producer[o] = i
			}
		}
	}
	const (
		untouched = iota
		open
		done
	)
	out := make([]*onnx.Node, 0, len(nodes))
	state := make([]byte, len(nodes))
	var stack []int
	for i := range nodes {
		stack = append(stack, i)
		for len(stack) > 0 {
			k := stack[len(stack)-1]
			ready := true
			if state[k] == untouched {
				state[k] = open
				for _, name := range slices.Concat(nodes[k].Inputs, nodes[k].Captured()) {
					if p, ok := producer[name]; ok && state[p] == untouched {
						stack, ready = append(stack, p), false
					}
				}
			}
			if !ready {
				continue
			}
			stack = stack[:len(stack)-1]
			if state[k] == open {
				state[k] = done
				out = append(out, nodes[k])
			}
		}
	}
	return out
}

// shapeText writes a declared shape as people do: [N, 3, 224, 224].
func shapeText(v onnx.Value) string {
	if !v.Known {
		return " of unknown shape"
	}
	var parts []string
	for i, d := range v.Dims {
		switch {
		case d >= 0:
			parts = append(parts, strconv.FormatInt(d, 10))
		case v.Symbols[i] != "":
			parts = append(parts, v.Symbols[i])
		default:
			parts = append(parts, "?")
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
