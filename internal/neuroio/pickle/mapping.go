package pickle

import (
	"encoding/binary"
	"io"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/npy"
	"cortexmap/internal/neuroio/raw"
)

// maxFile bounds a mapping: the challenge's have 300 bytes, an atlas of thousands of names 100 kB.
const maxFile = 1 << 20

// Mapping reads a .npy file of one dict of labels and their names, such as {0: "Unknown", 1: "V1v"}.
func Mapping(r io.ReaderAt, size int64) (map[int64]string, error) {
	if size > maxFile {
		return nil, fault.Inputf("the file has %d bytes; a mapping of labels to names has at most %d", size, maxFile)
	}
	shape, body, err := npy.Object(r, size)
	if err != nil {
		return nil, err
	}
	if len(shape) != 0 {
		return nil, fault.Inputf("the .npy file holds %v Python objects, one dict of labels and names is needed", shape)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	v, err := Decode(b)
	if err != nil {
		return nil, err
	}
	d, err := single(v)
	if err != nil {
		return nil, err
	}
	return names(d)
}

// single finds the dict in an array of one object.
func single(v any) (*Dict, error) {
	array, ok := v.(*Object)
	if !ok || !strings.HasSuffix(string(array.Class), "._reconstruct") {
		return nil, fault.Inputf("the pickle holds %s, not an array with a dict", kind(v))
	}
	state, _ := array.State.(Tuple)
	if len(state) == 5 {
		if items, ok := state[4].(*List); ok && len(items.Items) == 1 {
			if d, ok := items.Items[0].(*Dict); ok {
				return d, nil
			}
			return nil, fault.Inputf("the pickle's array holds %s, not a dict of labels and names", kind(items.Items[0]))
		}
	}
	return nil, fault.Inputf("the pickle's array doesn't hold one object")
}

func names(d *Dict) (map[int64]string, error) {
	out := make(map[int64]string, len(d.Keys))
	for i, k := range d.Keys {
		label, ok := integer(k)
		if !ok {
			return nil, fault.Inputf("key %d of the mapping is %s, a whole number is needed", i, kind(k))
		}
		name, ok := text(d.Values[i])
		if !ok {
			return nil, fault.Inputf("label %d of the mapping is %s, a name is needed", label, kind(d.Values[i]))
		}
		if _, twice := out[label]; twice {
			return nil, fault.Inputf("label %d stands twice in the mapping", label)
		}
		out[label] = name
	}
	return out, nil
}

// integer is a Python int, or a numpy integer.
func integer(v any) (int64, bool) {
	if n, ok := v.(int64); ok {
		return n, true
	}
	typ, order, data, ok := scalar(v)
	widths := map[string]int{"i1": 1, "i2": 2, "i4": 4, "i8": 8, "u1": 1, "u2": 2, "u4": 4}
	if !ok || widths[typ] == 0 || len(data) != widths[typ] {
		return 0, false
	}
	t := raw.Type{Kind: raw.Int, Size: len(data), Order: order}
	if typ[0] == 'u' {
		t.Kind = raw.Uint
	}
	var out [1]int64
	err := raw.Whole(out[:], data, t, 0)
	return out[0], err == nil
}

// text is a Python string, or a numpy one: 4 bytes a character.
func text(v any) (string, bool) {
	if s, ok := v.(string); ok {
		return s, true
	}
	typ, order, data, ok := scalar(v)
	if !ok || !strings.HasPrefix(typ, "U") || len(data)%4 != 0 {
		return "", false
	}
	var s strings.Builder
	for ; len(data) > 0; data = data[4:] {
		if c := order.Uint32(data); c != 0 {
			s.WriteRune(rune(c))
		}
	}
	return s.String(), true
}

// scalar takes a numpy scalar apart: scalar(dtype('i8'), data), where the dtype's state has the byte order.
func scalar(v any) (typ string, order binary.ByteOrder, data []byte, ok bool) {
	o, ok := v.(*Object)
	if !ok || !strings.HasSuffix(string(o.Class), ".scalar") || len(o.Args) != 2 {
		return "", nil, nil, false
	}
	dtype, ok := o.Args[0].(*Object)
	if !ok || dtype.Class != "numpy.dtype" || len(dtype.Args) == 0 {
		return "", nil, nil, false
	}
	typ, _ = dtype.Args[0].(string)
	order = binary.LittleEndian
	if state, _ := dtype.State.(Tuple); len(state) > 1 && state[1] == ">" {
		order = binary.BigEndian
	}
	data, ok = octets(o.Args[1])
	return typ, order, data, ok
}

// octets are Python bytes, which protocol 2 writes as _codecs.encode(text, 'latin1').
func octets(v any) ([]byte, bool) {
	switch v := v.(type) {
	case []byte:
		return v, true
	case string: // Python 2's str
		return []byte(v), true
	case *Object:
		if v.Class != "_codecs.encode" || len(v.Args) != 2 {
			return nil, false
		}
		s, _ := v.Args[0].(string)
		var b []byte
		for _, r := range s {
			if r > 255 {
				return nil, false
			}
			b = append(b, byte(r))
		}
		return b, true
	}
	return nil, false
}
