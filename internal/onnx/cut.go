package onnx

import (
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// Cut writes a model without what the tensors in keep don't need: other nodes and weights, all declared outputs, and
// what is declared of tensors that are gone. What stays is copied byte for byte, in the same order; local functions,
// inputs that a caller must give and metadata stay. The model lies in the first size bytes of r, and m is [Parse] of it.
//
// The result has no outputs, so it is no model yet: append a patch that reads the tensors and declares some.
func Cut(w io.Writer, r io.ReaderAt, size int64, m *Model, keep []string) error {
	c := cutter{reader: reader{file: r, size: size}, graph: &m.Graph, needed: map[string]bool{}, wanted: make([]bool, len(m.Graph.Nodes))}
	c.trace(keep)
	return c.walk(0, size, func(f field) error {
		if f.id != 7 || f.kind != protowire.BytesType {
			return c.copy(w, span{f.at, f.end})
		}
		kept, err := c.cut(f)
		if err != nil {
			return err
		}
		length := int64(0)
		for _, s := range kept {
			length += s.to - s.from
		}
		head := protowire.AppendVarint(protowire.AppendTag(nil, 7, protowire.BytesType), uint64(length))
		if _, err := w.Write(head); err != nil {
			return err
		}
		for _, s := range kept {
			if err := c.copy(w, s); err != nil {
				return err
			}
		}
		return nil
	})
}

// Needed counts the nodes of the graph that some tensors come from.
func (g *Graph) Needed(tensors []string) int {
	c := cutter{graph: g, needed: map[string]bool{}, wanted: make([]bool, len(g.Nodes))}
	c.trace(tensors)
	n := 0
	for _, wanted := range c.wanted {
		if wanted {
			n++
		}
	}
	return n
}

// cutter knows what is needed of a graph.
type cutter struct {
	reader
	graph  *Graph
	needed map[string]bool // tensors
	wanted []bool          // nodes
	node   int             // the next one's index in the file, over all occurrences of the graph
}

// span is bytes [from, to) of the file.
type span struct{ from, to int64 }

// trace marks everything that the tensors come from.
func (c *cutter) trace(tensors []string) {
	maker := map[string]int{}
	for i, n := range c.graph.Nodes {
		for _, o := range n.Outputs {
			maker[o] = i
		}
	}
	for todo := append([]string(nil), tensors...); len(todo) > 0; {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if c.needed[name] {
			continue
		}
		c.needed[name] = true
		if i, made := maker[name]; made && !c.wanted[i] {
			c.wanted[i] = true
			n := c.graph.Nodes[i]
			todo = append(append(append(todo, n.Inputs...), n.Captured()...), n.Outputs...)
		}
	}
}

// cut finds what stays of one occurrence of the graph; neighbours are joined.
//
// GraphProto: 1 node · 5 initializer (name 8) · 11 input (name 1) · 12 output · 13 value_info (name 1) ·
// 14 quantization_annotation (name 1).
func (c *cutter) cut(graph field) (kept []span, err error) {
	err = c.inside(graph, func(f field) error {
		stays, err := c.stays(f)
		if err != nil || !stays {
			return err
		}
		if n := len(kept); n > 0 && kept[n-1].to == f.at {
			kept[n-1].to = f.end
		} else {
			kept = append(kept, span{f.at, f.end})
		}
		return nil
	})
	return kept, err
}

// stays says whether a field of the graph is needed.
func (c *cutter) stays(f field) (bool, error) {
	switch f.id {
	case 1:
		c.node++
		return c.wanted[c.node-1], nil
	case 5:
		name, err := c.named(f, 8)
		return c.needed[name], err
	case 11:
		name, err := c.named(f, 1)
		return c.graph.Initializers[name] == nil || c.needed[name], err
	case 12:
		return false, nil
	case 13, 14:
		name, err := c.named(f, 1)
		return c.needed[name], err
	}
	return true, nil
}

// named is the text in field id of a message, "" where there is none.
func (c *cutter) named(f field, id protowire.Number) (name string, err error) {
	err = c.inside(f, func(f field) (err error) {
		if f.id == id {
			c.memory = 0 // names are let go one by one
			name, err = c.text(f)
		}
		return err
	})
	return name, err
}

func (c *cutter) copy(w io.Writer, s span) error {
	_, err := io.Copy(w, io.NewSectionReader(c.file, s.from, s.to-s.from))
	return err
}

// Metadata is what to append to a model's bytes to set one entry of its metadata.
func Metadata(key, value string) []byte {
	return appendMessage(nil, 14, appendString(appendString(nil, 1, key), 2, value))
}
