// Package matlab reads MATLAB's .mat files of version 5 (save, save -v6, save -v7) and 7.3: numbers, text,
// cells and structs.
//
// # Version 5
//
// Source: MAT-File Format, The MathWorks (R2019a and others), and SciPy's reader (scipy/io/matlab).
//
//	0    116  text, "MATLAB 5.0 MAT-file, …"
//	116  8    offset of subsystem data
//	124  2    version 0x0100 (0x0200: 7.3)
//	126  2    "IM": little-endian, "MI": big-endian
//	128       elements: 4 type, 4 bytes, data padded to 8 bytes
//
// A small element has its size (1 to 4) in the upper half of the first 4 bytes, and its data in the next 4.
// Types: 1 int8, 2 uint8, 3 int16, 4 uint16, 5 int32, 6 uint32, 7 single, 9 double, 12 int64, 13 uint64, 14
// matrix, 15 compressed (a zlib stream of one element, not padded), 16 to 18 UTF-8, UTF-16, UTF-32.
//
// A matrix holds elements: 8 bytes of flags (class in the lowest byte; in the next, 8 complex and 2 logical),
// dimensions as int32, the name as int8, and then
//
//	class                            elements
//	1 cell                           a matrix a cell
//	2 struct                         int32 length of a field's name, names of that length, a matrix a field, for each element
//	4 char                           uint16, or text of types 16 to 18
//	6 double, 7 single, 8 to 15 int8, uint8, … uint64    the real and, if complex, the imaginary numbers
//	3 object, 5 sparse, 16 function, 17 opaque           not read
//
// Numbers may be stored in a narrower type than their class: doubles that are whole and small often are.
//
// # Version 7.3
//
// HDF5 behind 512 bytes of the text above; package hdf5 reads it. The attribute MATLAB_class of a dataset
// names the class; MATLAB_empty says that the dataset holds the dimensions of an empty array; a cell is a
// dataset of references; a struct is a group of its fields, and an array of structs has a dataset of
// references a field.
//
// # Traps
//
// In both versions the first index is fastest, and even a number has two dimensions, 1 x 1. HDF5's shape is
// MATLAB's turned round: X x Y x 750 is (750, Y, X). Ids are 1-based. Tables, strings in double quotes and
// other objects are refused with their class.
//
// # Bounds
//
// A value may have 2^26 numbers and 2^20 cells and fields; packed data are unpacked on the way and no count
// is believed before what it counts is there. Larger arrays of version 7.3 are read in parts, by HDF5.
package matlab

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/hdf5"
)

// Value is a variable, or a part of one. All arrays have the first index fastest.
type Value struct {
	Class   string // double single int8 … uint64 logical char cell struct
	Dims    []int
	Numbers []float64 // of numeric classes and logical; integers beyond 2^53 are rounded
	Imag    []float64 // nil: real
	Text    []string  // of char: one row each
	Cells   []*Value  // of cell
	Fields  []Field   // of struct, in the file's order (in version 7.3: of the alphabet)
}

// Field is a field of a struct: a value for each of its elements.
type Field struct {
	Name   string
	Values []*Value
}

// Len is the number of elements.
func (v *Value) Len() int { return count(v.Dims) }

func count(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// Field gives a field of a struct of one element; nil if it has none of that name.
func (v *Value) Field(name string) *Value {
	for _, f := range v.Fields {
		if f.Name == name && len(f.Values) == 1 {
			return f.Values[0]
		}
	}
	return nil
}

const (
	maxNumbers = 1 << 26 // of one value, with all that is in it
	maxValues  = 1 << 20 // cells and fields of one value
	maxDepth   = 32      // cells inside cells
)

// File is an open file.
type File struct {
	r     io.ReaderAt
	order binary.ByteOrder
	vars  []variable // version 5
	h5    *hdf5.File // version 7.3
	close func() error
	path  string // for faults; "" if it isn't known
}

// variable is where a matrix of version 5 lies.
type variable struct {
	name   string
	at     int64 // of its data, behind the tag
	size   int64
	packed bool
}

// Open opens a file. Errors of the operating system come back as they are, for durable.Explain; a file that
// can't be read is a fault that names it.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return OpenFile(f, path)
}

// OpenFile is Open for a file that is open already, which now belongs to the result: Close closes it, and
// so does a failure. path is what faults call it.
func OpenFile(f *os.File, path string) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	m, err := Parse(f, info.Size())
	if err != nil {
		f.Close()
		var e *fault.Error
		if errors.As(err, &e) {
			return nil, e.In("%s", path)
		}
		return nil, err
	}
	m.close, m.path = f.Close, path
	return m, nil
}

// Close lets go of the file.
func (f *File) Close() error { return f.close() }

// HDF5 is what a file of version 7.3 is inside; nil for version 5.
func (f *File) HDF5() *hdf5.File { return f.h5 }

// headerSize is where the elements of version 5 begin.
const headerSize = 128

// Parse finds the variables of a file of size bytes.
func Parse(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, close: func() error { return nil }}
	h := make([]byte, headerSize)
	if n, err := r.ReadAt(h, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	} else if n < headerSize {
		return nil, fault.Inputf("the MATLAB file has %d bytes, less than its header of %d", n, headerSize)
	}
	switch mark := string(h[126:128]); {
	case mark == "IM":
		f.order = binary.LittleEndian
	case mark == "MI":
		f.order = binary.BigEndian
	default:
		return nil, fault.Inputf("this is no MATLAB file of version 5 or 7.3: bytes 126 and 127 are %q, not IM or MI", mark).
			Remedy("save it anew in MATLAB: save -v7 NAME")
	}
	var err error
	switch v := f.order.Uint16(h[124:]); v {
	case 0x0100:
		err = f.scan(size)
	case 0x0200:
		f.h5, err = hdf5.Parse(r, size)
	default:
		err = fault.Inputf("the MATLAB file has version %#04x; 0x0100 and 0x0200 (7.3) are read", v)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Names lists the variables, in the file's order, or, in version 7.3, the alphabet's.
func (f *File) Names() ([]string, error) {
	var names []string
	if f.h5 == nil {
		for _, v := range f.vars {
			names = append(names, v.name)
		}
		return names, nil
	}
	all, err := f.h5.Names("")
	for _, n := range all {
		if !strings.HasPrefix(n, "#") { // #refs# and #subsystem# are what cells and objects point to
			names = append(names, n)
		}
	}
	return names, err
}

// Value reads a variable.
func (f *File) Value(name string) (*Value, error) {
	names, err := f.Names()
	if err != nil {
		return nil, err
	}
	for i, n := range names {
		if n != name {
			continue
		}
		var v *Value
		var err error
		if f.h5 != nil {
			v, err = (&reader73{f: f.h5}).path(name)
		} else {
			v, err = f.read(f.vars[i])
		}
		var e *fault.Error
		if errors.As(err, &e) {
			return nil, f.named(fault.Inputf("the MATLAB variable %q: %w", name, e))
		}
		return v, err
	}
	return nil, f.named(fault.Inputf("the MATLAB file has no variable %q; it has %s", name, strings.Join(names, ", ")))
}

// named says in a fault which file it is about.
func (f *File) named(e *fault.Error) error {
	if f.path != "" {
		return e.In("%s", f.path)
	}
	return e
}

// budget counts what a value takes.
type budget struct{ numbers, values int }

func (b *budget) number(n int) error {
	if b.numbers += n; n > maxNumbers || b.numbers > maxNumbers {
		return fault.Inputf("it has more than %d numbers", maxNumbers)
	}
	return nil
}

func (b *budget) value() error {
	if b.values++; b.values > maxValues {
		return fault.Inputf("it has more than %d cells and fields", maxValues)
	}
	return nil
}

// product multiplies dimensions, minding overflow.
func product(dims []int) (int, error) {
	n := 1
	for _, d := range dims {
		if d < 0 || d > 0 && n > (1<<40)/d {
			return 0, fault.Inputf("its dimensions are %v", dims)
		}
		n *= d
	}
	return n, nil
}

// rows cuts column-major characters into rows; more than two dimensions make more rows.
func rows(chars []rune, dims []int) []string {
	if len(dims) == 0 || len(chars) == 0 || len(chars)%dims[0] != 0 {
		return nil // also many rows of nothing
	}
	height := dims[0]
	out := make([]string, height)
	row := make([]rune, 0, len(chars)/height)
	for i := range out {
		row = row[:0]
		for k := i; k < len(chars); k += height {
			row = append(row, chars[k])
		}
		out[i] = string(row)
	}
	return out
}
