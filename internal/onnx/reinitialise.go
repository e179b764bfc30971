package onnx

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"

	"google.golang.org/protobuf/encoding/protowire"

	"cortexmap/internal/fault"
)

// leastWeights is how many numbers a tensor must have to count as weights rather than as a setting (a mean of three colours,
// an epsilon).
const leastWeights = 8

// Reinitialise is a model of the same graph whose weights say nothing: every number of a tensor is drawn, with
// replacement, from the tensor's own numbers, so that each keeps its distribution (mean, deviation, range, sign) and
// loses all structure. It gives the new model's bytes and how many tensors were drawn; the old bytes are not changed.
//
// Weights are the initialisers, and the tensors of Constant nodes, of 8 numbers and more, of types float32, float64,
// float16 and bfloat16, and of 8-bit integers where they have two axes and more. Tensors with infinities or NaN (masks) are kept.
// Weights outside the model are read by external and lie inside the new one. The same seed gives the same bytes. The
// model must have been read by [Parse] before.
func Reinitialise(model []byte, seed uint64, external func(location string, offset, length int64) ([]byte, error)) ([]byte, int, error) {
	d := &drawer{seed: seed, external: external}
	tensor := step{change: d.tensor}
	graph := rule{}
	attribute := rule{5: tensor, 10: tensor, 6: {in: graph}, 11: {in: graph}}
	node := rule{5: {in: attribute}}
	graph[1], graph[5] = step{in: node}, tensor
	out := rewrite(model, rule{7: {in: graph}, 25: {in: rule{7: {in: node}}}}, 0)
	const limit = 2<<30 - 1 // of a protobuf message
	if d.err == nil && len(out) > limit {
		d.err = fault.Inputf("with its weights inside, the model has %d bytes, more than the 2 GB of an ONNX file", len(out)).
			Remedy("leave random_weights out of analyze.controls")
	}
	return out, d.drawn, d.err
}

// drawer draws tensors anew.
type drawer struct {
	seed     uint64
	external func(location string, offset, length int64) ([]byte, error)
	drawn    int
	err      error
}

// numbers is where a TensorProto holds its numbers.
type numbers struct {
	kind     DType
	dims     []int64
	name     string
	raw      []byte // 9, or read from outside
	floats   []byte // 4, packed or put together
	doubles  []byte // 10
	ints     []uint64
	place    map[string]string // 13
	outside  bool              // 14
	rest     []byte            // fields that are kept as they are
	elements int64
}

// size is the bytes of an element, 0 for what is never drawn.
func (n *numbers) size() int {
	switch n.kind {
	case Float32:
		return 4
	case Float64:
		return 8
	case Float16, BFloat16:
		return 2
	case Int8, Uint8:
		if len(n.dims) > 1 {
			return 1
		}
	}
	return 0
}

// tensor draws one TensorProto, or returns it as it is.
func (d *drawer) tensor(content []byte) []byte {
	if d.err != nil {
		return content
	}
	n, ok := parseNumbers(content)
	if !ok || n.size() == 0 || n.elements < leastWeights {
		return content
	}
	if n.outside {
		if n.raw, d.err = d.read(n); d.err != nil {
			return content
		}
	}
	h := fnv.New64a()
	h.Write([]byte(n.name))
	random := rand.New(rand.NewPCG(d.seed, h.Sum64()^uint64(n.elements)))
	out := n.rest
	switch {
	case len(n.raw) == int(n.elements)*n.size():
		if !finite(n.raw, n.kind) {
			return content
		}
		out = protowire.AppendBytes(protowire.AppendTag(out, 9, protowire.BytesType), resampled(n.raw, n.size(), random))
	case len(n.floats) == int(n.elements)*4:
		if !finite(n.floats, Float32) {
			return content
		}
		out = protowire.AppendBytes(protowire.AppendTag(out, 4, protowire.BytesType), resampled(n.floats, 4, random))
	case len(n.doubles) == int(n.elements)*8:
		if !finite(n.doubles, Float64) {
			return content
		}
		out = protowire.AppendBytes(protowire.AppendTag(out, 10, protowire.BytesType), resampled(n.doubles, 8, random))
	case len(n.ints) == int(n.elements):
		var packed []byte
		for range n.ints {
			packed = protowire.AppendVarint(packed, n.ints[random.IntN(len(n.ints))])
		}
		out = protowire.AppendBytes(protowire.AppendTag(out, 5, protowire.BytesType), packed)
	default:
		return content
	}
	d.drawn++
	return out
}

// read fetches a tensor that lies outside the model.
func (d *drawer) read(n *numbers) ([]byte, error) {
	number := func(key string) int64 {
		var x int64
		for _, c := range n.place[key] {
			if c < '0' || c > '9' {
				return -1
			}
			x = 10*x + int64(c-'0')
		}
		return x
	}
	return d.external(n.place["location"], number("offset"), n.elements*int64(n.size()))
}

// parseNumbers takes a TensorProto apart; false if it can't be walked.
func parseNumbers(b []byte) (*numbers, bool) {
	n := &numbers{place: map[string]string{}, elements: 1}
	for len(b) > 0 {
		id, kind, head := protowire.ConsumeTag(b)
		if head < 0 {
			return nil, false
		}
		size := protowire.ConsumeFieldValue(id, kind, b[head:])
		if size < 0 {
			return nil, false
		}
		field, value := b[:head+size], b[head:head+size]
		b = b[head+size:]
		keep := false
		switch {
		case id == 1 && kind == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(value)
			n.dims, keep = append(n.dims, int64(v)), true
		case id == 1 && kind == protowire.BytesType:
			packed, _ := protowire.ConsumeBytes(value)
			for len(packed) > 0 {
				v, k := protowire.ConsumeVarint(packed)
				if k < 0 {
					return nil, false
				}
				n.dims, packed = append(n.dims, int64(v)), packed[k:]
			}
			keep = true
		case id == 2:
			v, _ := protowire.ConsumeVarint(value)
			n.kind, keep = DType(v), true
		case id == 4:
			n.floats = appendFixed(n.floats, kind, value)
		case id == 5 && kind == protowire.BytesType:
			packed, _ := protowire.ConsumeBytes(value)
			for len(packed) > 0 {
				v, k := protowire.ConsumeVarint(packed)
				if k < 0 {
					return nil, false
				}
				n.ints, packed = append(n.ints, v), packed[k:]
			}
		case id == 5:
			v, _ := protowire.ConsumeVarint(value)
			n.ints = append(n.ints, v)
		case id == 8:
			v, _ := protowire.ConsumeBytes(value)
			n.name, keep = string(v), true
		case id == 9:
			n.raw, _ = protowire.ConsumeBytes(value)
		case id == 10:
			n.doubles = appendFixed(n.doubles, kind, value)
		case id == 13:
			entry, _ := protowire.ConsumeBytes(value)
			key, text := pairOf(entry)
			n.place[key] = text
		case id == 14:
			v, _ := protowire.ConsumeVarint(value)
			n.outside = v == 1
		default:
			keep = true
		}
		if keep {
			n.rest = append(n.rest, field...)
		}
	}
	for _, d := range n.dims {
		if d <= 0 || n.elements > 1<<40/d {
			return n, false
		}
		n.elements *= d
	}
	return n, true
}

// appendFixed puts packed or single fixed-size numbers together.
func appendFixed(to []byte, kind protowire.Type, value []byte) []byte {
	if kind == protowire.BytesType {
		value, _ = protowire.ConsumeBytes(value)
	}
	return append(to, value...)
}

// pairOf reads a StringStringEntryProto.
func pairOf(b []byte) (key, value string) {
	for len(b) > 0 {
		id, kind, head := protowire.ConsumeTag(b)
		if head < 0 || kind != protowire.BytesType {
			return key, value
		}
		v, size := protowire.ConsumeBytes(b[head:])
		if size < 0 {
			return key, value
		}
		switch id {
		case 1:
			key = string(v)
		case 2:
			value = string(v)
		}
		b = b[head+size:]
	}
	return key, value
}

// finite says whether no number is infinite or NaN: whether no exponent has all its bits set.
func finite(b []byte, kind DType) bool {
	for len(b) > 0 {
		switch kind {
		case Float32:
			if binary.LittleEndian.Uint32(b)&0x7f800000 == 0x7f800000 {
				return false
			}
			b = b[4:]
		case Float64:
			if binary.LittleEndian.Uint64(b)&0x7ff0000000000000 == 0x7ff0000000000000 {
				return false
			}
			b = b[8:]
		case Float16:
			if binary.LittleEndian.Uint16(b)&0x7c00 == 0x7c00 {
				return false
			}
			b = b[2:]
		case BFloat16:
			if binary.LittleEndian.Uint16(b)&0x7f80 == 0x7f80 {
				return false
			}
			b = b[2:]
		default:
			return true
		}
	}
	return true
}

// resampled draws as many elements of so many bytes as there are, with replacement.
func resampled(b []byte, size int, random *rand.Rand) []byte {
	out := make([]byte, 0, len(b))
	n := len(b) / size
	for range n {
		at := random.IntN(n) * size
		out = append(out, b[at:at+size]...)
	}
	return out
}
