package onnx

import (
	"bytes"
	"os"
	"slices"
	"testing"
)

// TestCut: what a tensor needs stays, byte for byte and in order; the rest goes, outputs above all.
func TestCut(t *testing.T) {
	data, err := os.ReadFile("../../testdata/onnx/resnet.ts.onnx")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	middle := len(m.Graph.Nodes) / 2
	for _, keep := range []string{m.Graph.Nodes[0].Outputs[0], m.Graph.Nodes[middle].Outputs[0], m.Graph.Outputs[0].Name} {
		var b bytes.Buffer
		if err := Cut(&b, bytes.NewReader(data), int64(len(data)), m, []string{keep}); err != nil {
			t.Fatal(err)
		}
		cut := append(b.Bytes(), NewBuilder(17).Patch()...)
		c, err := Parse(bytes.NewReader(cut), int64(len(cut)))
		if err != nil {
			t.Fatalf("%s: %v", keep, err)
		}
		if len(c.Graph.Outputs) != 0 || c.Opset() != m.Opset() || len(c.Graph.RuntimeInputs()) != len(m.Graph.RuntimeInputs()) {
			t.Errorf("%s: outputs %v, opset %d, inputs %v", keep, c.Graph.Outputs, c.Opset(), c.Graph.RuntimeInputs())
		}
		made := map[string]bool{}
		for _, in := range c.Graph.RuntimeInputs() {
			made[in.Name] = true
		}
		used := map[string]bool{keep: true}
		for _, n := range c.Graph.Nodes {
			for _, in := range n.Inputs {
				if used[in] = true; in != "" && !made[in] && c.Graph.Initializers[in] == nil {
					t.Errorf("%s: %s reads %s, which is gone", keep, n.Name, in)
				}
			}
			for _, o := range n.Outputs {
				made[o] = true
			}
		}
		if !made[keep] {
			t.Errorf("%s is gone", keep)
		}
		for name := range c.Graph.Initializers {
			if !used[name] {
				t.Errorf("%s: the weights %s stay and nobody reads them", keep, name)
			}
		}
		if whole := keep == m.Graph.Outputs[0].Name; whole != (len(c.Graph.Nodes) == len(m.Graph.Nodes)) {
			t.Errorf("%s: %d of %d nodes stay", keep, len(c.Graph.Nodes), len(m.Graph.Nodes))
		}
		if n := m.Graph.Needed([]string{keep}); n != len(c.Graph.Nodes) {
			t.Errorf("%s: %d nodes stay, Needed says %d", keep, len(c.Graph.Nodes), n)
		}
		if !slices.IsSortedFunc(c.Graph.Nodes, func(a, b *Node) int { return placeOf(m, a) - placeOf(m, b) }) {
			t.Errorf("%s: the nodes' order changed", keep)
		}
	}
}

func placeOf(m *Model, n *Node) int {
	return slices.IndexFunc(m.Graph.Nodes, func(o *Node) bool { return o.Name == n.Name })
}

func TestMetadata(t *testing.T) {
	b := NewBuilder(17)
	b.Input("x", Float32, 1)
	b.OpTo("y", "Identity", []string{"x"})
	b.Output("y", Float32, 1)
	data := append(append(b.Model(), Metadata("a", "1")...), Metadata("b", "")...)
	m, err := Parse(bytes.NewReader(data), int64(len(data)))
	if err != nil || m.Meta["a"] != "1" || len(m.Meta) != 2 {
		t.Errorf("metadata %v, %v", m.Meta, err)
	}
}
