package extract

import (
	"slices"

	"cortexmap/internal/onnx"
)

// inner starts the names of tensors inside calls of a file's own functions. They exist only here, to show the
// structure: nothing outside a call can read them.
const inner = onnx.Prefix + "inside/"

// Bounds on inlining, against functions that call themselves or each other without end.
const (
	deepestCall   = 16
	mostInlinings = 1 << 18 // nodes
)

// inlined replaces each call of one of the model's functions by the function's nodes, so that what they
// compute is seen. Outputs of a call keep their names.
func inlined(m *onnx.Model) []*onnx.Node {
	if len(m.Functions) == 0 {
		return m.Graph.Nodes
	}
	i := inliner{functions: map[[2]string]*onnx.Function{}}
	for k := range m.Functions {
		f := &m.Functions[k]
		i.functions[[2]string{f.Domain, f.Name}] = f
	}
	for _, n := range m.Graph.Nodes {
		i.add(n, 0)
	}
	return i.nodes
}

type inliner struct {
	functions map[[2]string]*onnx.Function
	nodes     []*onnx.Node
	calls     int
}

func (i *inliner) add(n *onnx.Node, depth int) {
	f := i.functions[[2]string{n.Domain, n.Op}]
	if f == nil || len(f.Nodes) == 0 || depth > deepestCall || len(i.nodes)+len(f.Nodes) > mostInlinings {
		i.nodes = append(i.nodes, n)
		return
	}
	i.calls++
	names := map[string]string{"": ""}
	give := func(formal, actual []string) {
		for k, name := range formal {
			if k < len(actual) {
				names[name] = actual[k]
			} else {
				names[name] = ""
			}
		}
	}
	call := inner + itoa(i.calls) + "/"
	give(f.Inputs, n.Inputs)
	for k, name := range f.Outputs {
		if k < len(n.Outputs) && n.Outputs[k] != "" {
			names[name] = n.Outputs[k]
		}
	}
	rename := func(old []string) []string {
		out := slices.Clone(old)
		for k, name := range out {
			if _, known := names[name]; !known {
				names[name] = call + name
			}
			out[k] = names[name]
		}
		return out
	}
	for _, body := range f.Nodes {
		b := *body
		b.Inputs, b.Outputs = rename(body.Inputs), rename(body.Outputs)
		b.Name, b.Scope = n.Name, n.Scope
		i.add(&b, depth+1)
	}
}
