package onnx

// Products estimates from the graph alone how many multiplications by weights one picture of side × side pixels takes:
// the sum over convolutions and matrix products of
//
//	numbers in the weights × places that they are applied at
//
// where the places, side² in the picture, are followed through strides, pools, resizings and reductions. Left out are
// products of two activations (attention's: 4 % of a ViT-B/16), the borders of convolutions without padding, bodies of
// If, Loop and Scan, and reshapings that move places into channels. It is for planning, never for a result; 0 means
// that nothing could be counted.
func (m *Model) Products(side int) float64 {
	p := &products{functions: map[string]*Function{}}
	for i := range m.Functions {
		f := &m.Functions[i]
		p.functions[f.Domain+":"+f.Name] = f
	}
	s := newScope()
	for name, t := range m.Graph.Initializers {
		s.constants[name] = t
	}
	for _, in := range m.Graph.RuntimeInputs() {
		s.places[in.Name] = float64(side) * float64(side)
	}
	p.walk(m.Graph.Nodes, s, 0)
	return p.sum
}

// products is one count on its way.
type products struct {
	functions map[string]*Function
	sum       float64
	visited   int
}

// Bounds for files from elsewhere, far above what exporters write.
const (
	deepestCall = 16      // functions called from functions
	mostVisits  = 1 << 20 // of nodes
	mostPlaces  = 1e12
)

// weighted are the operators that multiply by weights.
var weighted = map[string]bool{
	"Conv": true, "ConvTranspose": true, "ConvInteger": true, "QLinearConv": true, "FusedConv": true,
	"MatMul": true, "MatMulInteger": true, "QLinearMatMul": true, "FusedMatMul": true, "Gemm": true, "FusedGemm": true, "QGemm": true,
	"Einsum": true, "Attention": true, "LSTM": true, "GRU": true, "RNN": true,
}

func (p *products) walk(nodes []*Node, s scope, depth int) {
	for _, n := range nodes {
		if p.visited++; p.visited > mostVisits {
			return
		}
		if f := p.functions[n.Domain+":"+n.Op]; f != nil {
			p.call(n, f, s, depth)
			continue
		}
		before := 0.0
		for _, in := range n.Inputs {
			before = max(before, s.places[in])
		}
		if before == 0 || n.Op == "Shape" || n.Op == "Size" {
			s.fold(n)
			continue
		}
		after := s.after(n, before)
		switch {
		case n.Op == "ConvTranspose":
			p.sum += s.weights(n) * before
		case weighted[n.Op]:
			p.sum += s.weights(n) * after
		}
		for _, out := range n.Outputs {
			s.places[out] = after
		}
	}
}

// call walks through a call of a local function.
func (p *products) call(n *Node, f *Function, s scope, depth int) {
	if depth == deepestCall {
		return
	}
	in := newScope()
	for i, name := range f.Inputs {
		if i < len(n.Inputs) {
			in.copy(name, s, n.Inputs[i])
		}
	}
	p.walk(f.Nodes, in, depth+1)
	for i, name := range f.Outputs {
		if i < len(n.Outputs) {
			s.copy(n.Outputs[i], in, name)
		}
	}
}

// scope is what is known of the tensors of a graph, or of a function's call.
type scope struct {
	places    map[string]float64 // of activations
	constants map[string]*Tensor // what no picture reaches: weights, and what is made of them alone
}

func newScope() scope { return scope{map[string]float64{}, map[string]*Tensor{}} }

func (s scope) copy(name string, from scope, as string) {
	if x, ok := from.places[as]; ok {
		s.places[name] = x
	}
	if t, ok := from.constants[as]; ok {
		s.constants[name] = t
	}
}

// fold is a node that no picture reaches: what it makes is taken to be as large as the largest thing it is made of.
func (s scope) fold(n *Node) {
	var largest *Tensor
	if a := n.Attrs["value"]; a != nil {
		largest = a.T
	}
	for _, in := range n.Inputs {
		if t := s.constants[in]; t != nil && (largest == nil || t.Elements() > largest.Elements()) {
			largest = t
		}
	}
	for _, out := range n.Outputs {
		if largest != nil {
			s.constants[out] = largest
		}
	}
}

// weights is how many numbers the node's weights have: its constants of two dimensions and more.
func (s scope) weights(n *Node) (sum float64) {
	for _, in := range n.Inputs {
		if t := s.constants[in]; t != nil && len(t.Dims) >= 2 {
			sum += float64(t.Elements())
		}
	}
	return sum
}

// after is how many places a node's output has, whose largest input has so many before.
func (s scope) after(n *Node, before float64) float64 {
	after := before
	switch n.Op {
	case "Conv", "ConvInteger", "QLinearConv", "FusedConv", "MaxPool", "AveragePool", "LpPool", "QLinearAveragePool":
		after /= product(n.Ints("strides"))
	case "ConvTranspose":
		after *= product(n.Ints("strides"))
	case "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "QLinearGlobalAveragePool", "Gemm", "FusedGemm", "QGemm":
		return 1
	case "Flatten":
		if a := n.Attrs["axis"]; a == nil || a.I == 1 {
			return 1
		}
	case "ReduceMean", "ReduceMax", "ReduceSum", "ReduceL2":
		if len(n.Ints("axes")) >= 2 || len(s.integers(n, 1)) >= 2 {
			return 1
		}
	case "Slice":
		after /= product(s.integers(n, 4))
	case "SpaceToDepth", "DepthToSpace":
		if a := n.Attrs["blocksize"]; a != nil && a.I > 0 {
			square := float64(a.I) * float64(a.I)
			if n.Op == "SpaceToDepth" {
				square = 1 / square
			}
			after *= square
		}
	case "Resize", "Upsample":
		if t := s.input(n, len(n.Inputs)-1); t != nil {
			for _, scale := range t.Floats {
				if scale > 0 && scale < 1000 {
					after *= float64(scale)
				}
			}
		}
	}
	return min(max(1, after), mostPlaces)
}

func (s scope) input(n *Node, i int) *Tensor {
	if i < 0 || i >= len(n.Inputs) {
		return nil
	}
	return s.constants[n.Inputs[i]]
}

func (s scope) integers(n *Node, i int) []int64 {
	if t := s.input(n, i); t != nil {
		return t.Ints
	}
	return nil
}

// product is of the sizes of steps, 1 where there are none.
func product(steps []int64) float64 {
	p := 1.0
	for _, n := range steps {
		if n < 0 {
			n = -n
		}
		p *= float64(max(1, n))
	}
	return p
}
