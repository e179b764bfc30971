package onnx

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"
)

// Relocate rewrites the places of external weights in a model's bytes: rename gets each location as it is and gives
// the one to write. Everything else is kept byte for byte. The model must have been read by [Parse] before, so that
// it is known to be whole; what can't be walked is kept as it is.
//
// ModelProto: 7 graph, 25 functions. GraphProto: 1 nodes, 5 initializers. FunctionProto: 7 nodes. NodeProto: 5
// attributes. AttributeProto: 5 tensor, 6 graph, 10 tensors, 11 graphs. TensorProto: 13 external_data, of which one
// entry is {1: "location", 2: the place}.
func Relocate(model []byte, rename func(location string) string) []byte {
	tensor := rule{13: {entry: rename}}
	graph := rule{}
	attribute := rule{5: {in: tensor}, 10: {in: tensor}, 6: {in: graph}, 11: {in: graph}}
	node := rule{5: {in: attribute}}
	graph[1], graph[5] = step{in: node}, step{in: tensor}
	return rewrite(model, rule{7: {in: graph}, 25: {in: rule{7: {in: node}}}}, 0)
}

// rule says what to do with a message's fields; those without a step are kept.
type rule map[protowire.Number]step

// step goes into a message, changes an entry of external_data, or replaces a message.
type step struct {
	in     rule
	entry  func(string) string
	change func([]byte) []byte
}

func rewrite(b []byte, r rule, depth int) []byte {
	out := make([]byte, 0, len(b)+64)
	for len(b) > 0 {
		id, kind, head := protowire.ConsumeTag(b)
		size := -1
		if head >= 0 {
			size = protowire.ConsumeFieldValue(id, kind, b[head:])
		}
		if size < 0 || depth > 8*maxDepth {
			return append(out, b...)
		}
		field := b[:head+size]
		b = b[head+size:]
		s, wanted := r[id]
		if !wanted || kind != protowire.BytesType {
			out = append(out, field...)
			continue
		}
		content, _ := protowire.ConsumeBytes(field[head:])
		switch {
		case s.entry != nil:
			content = renamed(content, s.entry)
		case s.change != nil:
			content = s.change(content)
		default:
			content = rewrite(content, s.in, depth+1)
		}
		out = protowire.AppendBytes(protowire.AppendTag(out, id, kind), content)
	}
	return out
}

// renamed rewrites one entry of external_data if it is the location.
func renamed(entry []byte, rename func(string) string) []byte {
	var key, value []byte
	for b := entry; len(b) > 0; {
		id, kind, head := protowire.ConsumeTag(b)
		if head < 0 || kind != protowire.BytesType {
			return entry
		}
		v, size := protowire.ConsumeBytes(b[head:])
		if size < 0 {
			return entry
		}
		switch id {
		case 1:
			key = v
		case 2:
			value = v
		}
		b = b[head+size:]
	}
	if !bytes.Equal(key, []byte("location")) {
		return entry
	}
	out := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), key)
	return protowire.AppendBytes(protowire.AppendTag(out, 2, protowire.BytesType), []byte(rename(string(value))))
}
