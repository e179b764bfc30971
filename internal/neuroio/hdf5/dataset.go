package hdf5

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/raw"
)

// Class is what a dataset's or attribute's elements are.
type Class byte

// The classes that are told apart. Other covers all that can't be read: compounds, strings of varying
// length, and so on.
const (
	Numbers    Class = iota
	Strings          // of one fixed length
	References       // to objects of the file
	Other
)

// Type is the type of elements.
type Type struct {
	Class  Class
	Number raw.Type // of Numbers; an enumeration (h5py's bool) is the integers below it
	Size   int      // bytes of an element
	name   string   // of Other, for faults
}

// maxRank is HDF5's own bound of dimensions.
const maxRank = 32

// space is a dataspace: the dimensions, and how far they may grow.
type space struct{ dims, most []uint64 }

// unlimited is a dimension that may grow without end.
const unlimited = ^uint64(0)

// Dataset is an array in a file. The last index is fastest.
type Dataset struct {
	Shape      []int // empty: a single element
	Type       Type
	Chunk      []int // nil: not chunked
	Attributes []Attribute

	f       *File
	path    string
	space   space
	layout  layout
	filters []filter
	fill    []byte // one element; nil: zeros

	once  sync.Once
	index index
	err   error // of the index
}

// Len is the number of elements.
func (d *Dataset) Len() int {
	n := 1
	for _, k := range d.Shape {
		n *= k
	}
	return n
}

// Dataset opens the dataset of a path, "betas" or "g/betas".
func (f *File) Dataset(path string) (*Dataset, error) {
	o, err := f.Object(path)
	if err != nil {
		return nil, err
	}
	if o.Dataset == nil {
		return nil, f.named(fault.Inputf("%q of the HDF5 file is a group, not a dataset", path))
	}
	return o.Dataset, nil
}

func (f *File) dataset(all []message, path string) (*Dataset, error) {
	d := &Dataset{f: f, path: path}
	err := d.describe(all)
	var e *fault.Error
	if errors.As(err, &e) {
		return nil, fault.Inputf("%q: %w", path, e)
	}
	return d, err
}

// describe reads the header's messages.
func (d *Dataset) describe(all []message) error {
	for _, m := range []struct {
		kind  int
		what  string
		read  func(*cursor)
		needs bool
	}{
		{msgDataspace, "dataspace", func(c *cursor) { d.space = readSpace(c) }, true},
		{msgDatatype, "datatype", func(c *cursor) { d.Type = readType(c) }, true},
		{msgLayout, "layout", func(c *cursor) { d.layout = readLayout(c) }, true},
		{msgFilters, "filter", func(c *cursor) { d.filters = readFilters(c) }, false},
		{msgOldFill, "fill value", func(c *cursor) { d.fill = c.take(c.int(4)) }, false},
		{msgFill, "fill value", func(c *cursor) { d.fill = readFill(c) }, false},
		{msgExternal, "external files", func(c *cursor) { c.fail("the numbers are in other files, which are not read") }, false},
	} {
		c, err := find(all, m.kind, m.what)
		switch {
		case err != nil:
			return err
		case c != nil:
			m.read(c)
			if err := inMessage(m.what, c.err); err != nil {
				return err
			}
		case m.needs:
			return fault.Inputf("the HDF5 file has no dataset there: a %s is missing", m.what)
		}
	}
	var err error
	if d.Attributes, err = d.f.attributes(all); err != nil {
		return err
	}
	return d.check()
}

// check compares what the messages say with each other and with the file.
func (d *Dataset) check() error {
	if d.Type.Class == Other {
		return fault.Inputf("the HDF5 dataset holds %s; numbers, fixed strings and references are read", d.Type.name).
			Remedy("write numbers: f.create_dataset(name, data=array.astype('f4'))")
	}
	total := uint64(d.Type.Size)
	for _, n := range d.space.dims {
		if n > math.MaxInt64 || n != 0 && total > math.MaxInt64/n {
			return fault.Inputf("the HDF5 dataset's shape %v is larger than any memory", d.space.dims)
		}
		total *= n
		d.Shape = append(d.Shape, int(n))
	}
	if len(d.fill) != d.Type.Size {
		d.fill = nil
	}
	for _, x := range d.fill {
		if x != 0 {
			return d.layout.check(d, int64(total))
		}
	}
	d.fill = nil // zeros
	return d.layout.check(d, int64(total))
}

// readSpace reads a dataspace: version, rank, flags; 5 bytes of nothing in version 1, a type in version 2;
// the dimensions and, by the first flag, how far they may grow.
func readSpace(c *cursor) (s space) {
	version, rank, flags := c.uint(1), c.int(1), c.uint(1)
	switch kind := c.uint(1); {
	case version == 1:
		c.take(4)
	case version != 2:
		c.fail("version %d; 1 and 2 are read", version)
	case kind == 2: // null: there is nothing
		s.dims = []uint64{0}
		return s
	}
	if rank > maxRank {
		c.fail("%d dimensions; at most %d are possible", rank, maxRank)
		return s
	}
	for range rank {
		s.dims = append(s.dims, c.uint(8))
	}
	s.most = slices.Clone(s.dims)
	if flags&1 != 0 {
		for i := range s.most {
			s.most[i] = c.uint(8)
			if s.most[i] < s.dims[i] {
				c.fail("dimension %d is %d, and may be %d at most", i, s.dims[i], s.most[i])
			}
		}
	}
	return s
}

// floats are the bit fields of IEEE 754 by size: offset, precision, place and size of the exponent, of the
// fraction, and the exponent's bias.
var floats = map[int][7]int{
	2: {0, 16, 10, 5, 0, 10, 15},
	4: {0, 32, 23, 8, 0, 23, 127},
	8: {0, 64, 52, 11, 0, 52, 1023},
}

// classes names what isn't read.
var classes = map[uint64]string{2: "times", 4: "bit fields", 5: "opaque bytes", 6: "compounds", 9: "elements of varying length", 10: "arrays as elements", 11: "complex numbers"}

// readType reads a datatype: class in the low and version in the high half of a byte, 3 bytes of flags, the
// size, and what belongs to the class.
func readType(c *cursor) Type {
	class := c.uint(1) & 15
	flags := c.take(3)
	t := Type{Size: c.int(4)}
	if t.Size < 1 {
		c.fail("elements of %d bytes", t.Size)
	}
	t.Number = raw.Type{Size: t.Size, Order: le}
	if flags[0]&1 != 0 {
		t.Number.Order = be
	}
	switch class {
	case 0:
		t.Number.Kind = raw.Uint
		if flags[0]&8 != 0 {
			t.Number.Kind = raw.Int
		}
		at, bits := c.int(2), c.int(2)
		if s := t.Size; s != 1 && s != 2 && s != 4 && s != 8 || at != 0 || bits != 8*s {
			return Type{Class: Other, Size: t.Size, name: fmt.Sprintf("integers of %d bits in %d bytes", bits, t.Size)}
		}
	case 1:
		t.Number.Kind = raw.Float
		got := [7]int{c.int(2), c.int(2), c.int(1), c.int(1), c.int(1), c.int(1), c.int(4)}
		if want, known := floats[t.Size]; !known || got != want || flags[0]&0x40 != 0 {
			return Type{Class: Other, Size: t.Size, name: fmt.Sprintf("floats of %d bytes that are none of IEEE 754's", t.Size)}
		}
	case 3:
		return Type{Class: Strings, Size: t.Size}
	case 7:
		if flags[0]&15 != 0 || t.Size != 8 {
			return Type{Class: Other, Size: t.Size, name: "references to regions"}
		}
		return Type{Class: References, Size: 8, Number: raw.Type{Kind: raw.Uint, Size: 8, Order: le}}
	case 8:
		if below := readType(c); below.Class == Numbers && below.Size == t.Size {
			return below
		}
		return Type{Class: Other, Size: t.Size, name: "an enumeration"}
	default:
		name := classes[class]
		if name == "" {
			name = fmt.Sprintf("elements of class %d", class)
		}
		return Type{Class: Other, Size: t.Size, name: name}
	}
	return t
}

// readFill reads a fill value: version; in 1 and 2 when space is allotted, when it is written, and whether
// there is one; in 3 flags; then its size and bytes.
func readFill(c *cursor) []byte {
	version := c.uint(1)
	defined := false
	switch version {
	case 1, 2:
		c.take(2)
		defined = c.uint(1) != 0 || version == 1
	case 3:
		defined = c.uint(1)&0x20 != 0
	default:
		c.fail("version %d; 1 to 3 are read", version)
	}
	if !defined {
		return nil
	}
	if n := int(int32(c.uint(4))); n > 0 {
		return c.take(n)
	}
	return nil
}
