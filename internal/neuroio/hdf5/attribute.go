package hdf5

import (
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/raw"
)

// Attribute is a small value beside an object. Only numbers and strings of fixed length are read; others
// are as if they weren't there.
type Attribute struct {
	Name  string
	Shape []int
	Type  Type
	data  []byte
}

// Text is an attribute of one fixed string; "" if it is something else.
func (a *Attribute) Text() string {
	if a.Type.Class != Strings || len(a.data) != a.Type.Size {
		return ""
	}
	return text(a.data)
}

// Numbers are the numbers of an attribute; nil if it holds something else.
func (a *Attribute) Numbers() []float64 {
	if a.Type.Class != Numbers {
		return nil
	}
	out := make([]float64, len(a.data)/a.Type.Size)
	raw.Convert(out, a.data, a.Type.Number)
	return out
}

// attributes reads those in the header and, where there are many, in a heap: the attribute info message
// has a version, flags, by the first flag the largest order of creation, and the addresses of the heap and
// of a tree of names, whose records begin with an identifier.
func (f *File) attributes(all []message) (out []Attribute, err error) {
	var bodies [][]byte
	for _, m := range all {
		switch {
		case m.kind == msgAttribute && !m.shared:
			bodies = append(bodies, m.body)
		case m.kind == msgAttributes:
			c := &cursor{b: m.body}
			c.take(1)
			if flags := c.uint(1); flags&1 != 0 {
				c.take(2)
			}
			heap, tree := c.uint(8), c.uint(8)
			if c.err != nil || heap == none {
				continue
			}
			many, err := f.dense(heap, tree, 8, 0, "heap of attributes")
			if err != nil {
				return nil, err
			}
			bodies = append(bodies, many...)
		}
	}
	for _, b := range bodies {
		c := &cursor{b: b}
		a, known := readAttribute(c)
		if c.err != nil {
			return nil, inMessage("attribute", c.err)
		}
		if known {
			out = append(out, a)
		}
	}
	return out, nil
}

// readAttribute reads version, flags, the sizes of name, datatype and dataspace, in version 3 a character
// set, and then these three, in version 1 padded to 8 bytes, and the value. What shares its type with
// another object, or is of class Other, is passed over.
func readAttribute(c *cursor) (a Attribute, known bool) {
	version, flags := c.uint(1), c.uint(1)
	if version < 1 || version > 3 {
		c.fail("version %d; 1 to 3 are read", version)
	}
	sizes := [3]int{c.int(2), c.int(2), c.int(2)}
	if version == 3 {
		c.take(1)
	}
	part := func(n int) *cursor {
		b := c.take(n)
		if version == 1 {
			c.take((8 - n%8) % 8)
		}
		return &cursor{b: b, err: c.err}
	}
	a.Name = text(part(sizes[0]).b)
	typ, dims := part(sizes[1]), part(sizes[2])
	if c.err != nil || version > 1 && flags&3 != 0 {
		return a, false
	}
	a.Type = readType(typ)
	s := readSpace(dims)
	for _, err := range []error{typ.err, dims.err} {
		if err != nil {
			c.err = err
		}
	}
	if c.err != nil || a.Type.Class == Other {
		return a, false
	}
	n := uint64(a.Type.Size)
	for _, d := range s.dims {
		if n *= d; d > uint64(len(c.b)) || n > uint64(len(c.b)) {
			c.err = fault.Inputf("%q of shape %v has %d bytes", a.Name, s.dims, len(c.b))
			return a, false
		}
		a.Shape = append(a.Shape, int(d))
	}
	a.data = c.take(int(n))
	return a, c.err == nil
}
