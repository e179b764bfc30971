package onnx

import "google.golang.org/protobuf/encoding/protowire"

// Cut gives a model's bytes without what the tensors in keep don't need: other nodes and weights, all
// declared outputs, and what is declared of tensors that are gone. What stays is copied byte for byte, in
// the same order; local functions, inputs that a caller must give and metadata stay. m is [Parse] of model.
//
// The result has no outputs, so it is no model yet: append a patch that reads the tensors and declares some.
func Cut(model []byte, m *Model, keep []string) []byte {
	c := cutter{graph: &m.Graph, needed: map[string]bool{}, wanted: make([]bool, len(m.Graph.Nodes))}
	c.trace(keep)
	out := make([]byte, 0, len(model))
	fields(model, func(id protowire.Number, field, content []byte) {
		if id == 7 && content != nil {
			field = appendMessage(nil, 7, c.cut(content))
		}
		out = append(out, field...)
	})
	return out
}

// cutter knows what is needed of a graph.
type cutter struct {
	graph  *Graph
	needed map[string]bool // tensors
	wanted []bool          // nodes
	node   int             // the next one's index in the file, over all occurrences of the graph
}

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

// cut is one occurrence of the graph without what isn't needed.
//
// GraphProto: 1 node · 5 initializer (name 8) · 11 input (name 1) · 12 output · 13 value_info (name 1) ·
// 14 quantization_annotation (name 1).
func (c *cutter) cut(graph []byte) []byte {
	out := make([]byte, 0, len(graph))
	fields(graph, func(id protowire.Number, field, content []byte) {
		stays := true
		switch id {
		case 1:
			stays = c.wanted[c.node]
			c.node++
		case 5:
			stays = c.needed[textField(content, 8)]
		case 11:
			name := textField(content, 1)
			stays = c.graph.Initializers[name] == nil || c.needed[name]
		case 12:
			stays = false
		case 13, 14:
			stays = c.needed[textField(content, 1)]
		}
		if stays {
			out = append(out, field...)
		}
	})
	return out
}

// fields calls f with each field of a message that is known to be whole: its number, its bytes with the tag,
// and its content where that is bytes, else nil.
func fields(b []byte, f func(id protowire.Number, field, content []byte)) {
	for len(b) > 0 {
		id, kind, head := protowire.ConsumeTag(b)
		size := protowire.ConsumeFieldValue(id, kind, b[head:])
		if head < 0 || size < 0 {
			panic("onnx: the message was not parsed before")
		}
		var content []byte
		if kind == protowire.BytesType {
			content, _ = protowire.ConsumeBytes(b[head:])
			if content == nil {
				content = []byte{}
			}
		}
		f(id, b[:head+size], content)
		b = b[head+size:]
	}
}

// textField is the text in field id of a message, "" where there is none.
func textField(b []byte, id protowire.Number) string {
	var s string
	fields(b, func(at protowire.Number, _, content []byte) {
		if at == id {
			s = string(content)
		}
	})
	return s
}

// Metadata is what to append to a model's bytes to set one entry of its metadata.
func Metadata(key, value string) []byte {
	return appendMessage(nil, 14, appendString(appendString(nil, 1, key), 2, value))
}
