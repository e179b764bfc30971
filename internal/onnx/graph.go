package onnx

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
)

// Model is the structure of an .onnx file, without its weights.
type Model struct {
	IR                        int64            // version of the file format
	Opsets                    map[string]int64 // version of each operator domain; ai.onnx is ""
	Producer, ProducerVersion string           // the exporter
	Meta                      map[string]string
	Graph                     Graph
	Functions                 []Function       // operators defined in the file itself
	Parameters                int64            // numbers in the weights: floating-point and 8-bit tensors, constants included
	External                  []string         // distinct files that hold weights outside the model, sorted
	Size                      int64            // bytes of the file itself
	externalEnds              map[string]int64 // bytes that each file of External must have
}

// Function is a local function: an operator that the file defines by other operators.
type Function struct {
	Domain, Name    string
	Inputs, Outputs []string // names inside
	Nodes           []*Node
	Opsets          map[string]int64 // as in Model
}

// Graph is a list of nodes that read and write named tensors.
type Graph struct {
	Name            string
	Nodes           []*Node // in the file's order, which should be one in which they can be computed
	Inputs, Outputs []Value // Inputs may list initialisers too (file formats before IR 4)
	Initializers    map[string]*Tensor
	Values          map[string]Value // what is declared of any named tensor, inputs and outputs included
}

// Node is one operation.
type Node struct {
	Name, Op, Domain string   // Domain "" is ai.onnx
	Inputs, Outputs  []string // "" where an optional one is left out
	Attrs            map[string]*Attribute
	Scope            string // module path written by torch's dynamo exporter; "" elsewhere
	Bound            bool   // of a function's nodes: it can't be written elsewhere, since it has a body, takes a setting from the call, or holds a large constant

	attributes []byte // of a function's nodes that aren't Bound: their fields as they lie in the file
}

// Attribute is a node's setting; which field counts depends on the operator.
type Attribute struct {
	Name   string
	I      int64
	F      float32
	S      string
	Ints   []int64
	T      *Tensor
	Graphs []*Graph // bodies of If, Loop and Scan

	refers bool // it stands for an attribute of the function's call
}

// Value is a named tensor's declared type. A dimension is −1 where it is free; Symbols holds its name then,
// or "". Known is false where no shape is declared at all.
type Value struct {
	Name    string
	Type    DType
	Dims    []int64
	Symbols []string
	Known   bool
}

// Tensor is a constant of the file. Ints and Floats hold the numbers of small ones only.
type Tensor struct {
	Name     string
	Type     DType
	Dims     []int64
	Ints     []int64
	Floats   []float32
	External string // the file that holds the numbers; "" when they are inside

	externalEnd int64 // byte of that file behind the last number, where it is told
}

// Elements is the number of elements, or 0 where the dimensions make no sense.
func (t *Tensor) Elements() int64 {
	n := int64(1)
	for _, d := range t.Dims {
		if d < 0 || d > 0 && n > (1<<62)/d {
			return 0
		}
		n *= d
	}
	return n
}

// Ints is the attribute's list of integers, nil where it is absent.
func (n *Node) Ints(name string) []int64 {
	if a := n.Attrs[name]; a != nil {
		return a.Ints
	}
	return nil
}

// Captured lists the names that the bodies of an If, Loop or Scan take from outside; own names may be among
// them.
func (n *Node) Captured() []string {
	var names []string
	for _, a := range n.Attrs {
		for _, g := range a.Graphs {
			for _, m := range g.Nodes {
				names = append(append(names, m.Inputs...), m.Captured()...)
			}
			for _, o := range g.Outputs {
				names = append(names, o.Name)
			}
		}
	}
	slices.Sort(names) // attributes come in random order
	return names
}

// RuntimeInputs are those that a caller must give: declared inputs that aren't initialisers.
func (g *Graph) RuntimeInputs() []Value {
	var in []Value
	for _, v := range g.Inputs {
		if g.Initializers[v.Name] == nil {
			in = append(in, v)
		}
	}
	return in
}

// HasPrefix says whether any tensor or node of the graph has a name that starts with prefix.
func (g *Graph) HasPrefix(prefix string) bool {
	starts := func(s string) bool { return strings.HasPrefix(s, prefix) }
	for name := range g.Initializers {
		if starts(name) {
			return true
		}
	}
	for _, n := range g.Nodes {
		if starts(n.Name) || slices.ContainsFunc(n.Inputs, starts) || slices.ContainsFunc(n.Outputs, starts) {
			return true
		}
	}
	return false
}

// Opset is the version of ai.onnx, which may be imported under either of its names.
func (m *Model) Opset() int64 { return max(m.Opsets[""], m.Opsets["ai.onnx"]) }

// ForeignOperators lists DOMAIN:OP for nodes that stock ONNX Runtime doesn't know: neither ai.onnx, nor
// Microsoft's, nor functions of the file itself. Sorted, each once.
func (m *Model) ForeignOperators() []string {
	known := map[string]bool{"": true, "ai.onnx": true, "ai.onnx.ml": true, "ai.onnx.preview.training": true, "com.microsoft": true, "com.microsoft.nchwc": true}
	local := map[string]bool{}
	for _, f := range m.Functions {
		local[f.Domain+":"+f.Name] = true
	}
	var foreign []string
	for _, n := range m.Graph.Nodes {
		if op := n.Domain + ":" + n.Op; !known[n.Domain] && !local[op] {
			foreign = append(foreign, op)
		}
	}
	slices.Sort(foreign)
	return slices.Compact(foreign)
}

// checkExternal makes sure that the files with weights lie where the model says, inside dir.
func (m *Model) checkExternal(dir string) error {
	for _, name := range m.External {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return fault.Inputf("the model names weights outside its own folder: %s", strconv.Quote(name)).
				Remedy("export it again with its external data beside the .onnx file")
		}
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
		if err == nil && info.Size() < m.externalEnds[name] {
			return fault.Inputf("the model's weights are cut short: %s has %d bytes, %d are needed", name, info.Size(), m.externalEnds[name]).
				Remedy("copy or export it again")
		}
		if err != nil {
			return fault.Inputf("the model's weights are in another file, which is missing: %w", err).
				Remedy("put %s beside the .onnx file", name)
		}
	}
	return nil
}
