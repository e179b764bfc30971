package extract

import (
	"maps"
	"slices"
	"strings"

	"cortexmap/internal/onnx"
)

// inner starts the names of tensors inside calls of a file's own functions. They exist only here: nothing outside a call
// can read them. To read one, the nodes that lead to it from the call's inputs are written again behind the model;
// ONNX Runtime inlines functions first and then drops nodes that compute the same twice.
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
	own := map[string]bool{} // domains of the file's functions: no node of them is left
	for _, f := range m.Functions {
		own[f.Domain] = true
	}
	for k := range m.Functions {
		f := &m.Functions[k]
		i.functions[[2]string{f.Domain, f.Name}] = f
		for _, domain := range slices.Sorted(maps.Keys(f.Opsets)) {
			if f.Opsets[domain] != m.Opsets[domain] && !own[domain] {
				i.foreign = append(i.foreign, f)
			}
		}
	}
	for _, n := range m.Graph.Nodes {
		i.add(n, 0)
	}
	return i.nodes
}

type inliner struct {
	functions map[[2]string]*onnx.Function
	foreign   []*onnx.Function // whose operators have other versions than the model's
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
		b.Bound = b.Bound || slices.Contains(i.foreign, f)
		i.add(&b, depth+1)
	}
}

// insides finds the nodes inside calls by their outputs.
func insides(m *onnx.Model) map[string]*onnx.Node {
	producers := map[string]*onnx.Node{}
	if len(m.Functions) == 0 {
		return producers
	}
	for _, n := range inlined(m) {
		for _, o := range n.Outputs {
			if strings.HasPrefix(o, inner) {
				producers[o] = n
			}
		}
	}
	return producers
}

// leadingTo lists the nodes inside calls that a tensor is computed by, in an order in which they can be; ok is false where
// one of them can't be written elsewhere.
func (n *Network) leadingTo(tensor string) (nodes []*onnx.Node, ok bool) {
	seen := map[*onnx.Node]bool{}
	var all []*onnx.Node
	stack := []string{tensor}
	for len(stack) > 0 {
		name := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		node := n.inside[name]
		switch {
		case node == nil && strings.HasPrefix(name, inner):
			return nil, false // a nested call that was not inlined
		case node == nil || seen[node]:
			continue
		case node.Bound:
			return nil, false
		}
		seen[node] = true
		all, stack = append(all, node), append(stack, node.Inputs...)
	}
	return sortNodes(all), true
}
