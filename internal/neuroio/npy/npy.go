// Package npy reads and writes NumPy's .npy files.
//
// # The format
//
// Source: numpy/lib/format.py, "NPY format" (NEP 1), versions 1.0, 2.0 and 3.0.
//
//	offset  bytes  what
//	0       6      93 4E 55 4D 50 59 (\x93NUMPY)
//	6       1      major version: 1, 2 or 3
//	7       1      minor version: 0
//	8       2 | 4  length of the header, little-endian; uint16 in version 1, uint32 in 2 and 3
//	10|12   n      a Python dict literal, padded with blanks and ended by 0A; UTF-8 in version 3, else Latin-1:
//	               {'descr': '<f4', 'fortran_order': False, 'shape': (9841, 19004), }
//	then           the elements, nothing after them
//
// descr is byte order (< little, > big, | of one byte), kind and bytes: f2 f4 f8, i1 i2 i4 i8,
// u1 u2 u4 u8, b1. Records (a list) are refused; so are objects (|O, a pickle), but for the few that package
// pickle reads. The shape of one dimension
// is (5,), of none (). In C order the last index is fastest, in Fortran order (transposed arrays, MATLAB's
// users) the first. numpy pads so that the elements begin at a multiple of 64 bytes; older versions
// aligned to 16.
//
// # What comes out
//
// Everything that an Array gives is in C order, whatever the file has, and converted to what was asked
// for. NaN and infinities stay. A float32 file in C order isn't copied where the system can map files:
// Float32 returns the file's pages, which must not be written to, and which end with Close.
//
// A file whose size isn't exactly what its header says is refused: it was cut short, or holds something
// that the header doesn't tell.
package npy

import (
	"encoding/binary"
	"io"
	"math"
	"math/bits"
	"os"
	"unsafe"

	"cortexmap/internal/fault"
)

// Array is an open .npy file. Its methods may be used from several goroutines.
type Array struct {
	Header
	Mapped bool // the elements are read from the file's pages

	r      io.ReaderAt
	offset int64  // of the first element
	pages  []byte // the elements where they are mapped, else nil
	close  func() error
}

// Open opens a file, mapped into memory where the system can. Errors of the operating system come back
// as they are, for durable.Explain; a file that can't be read as .npy is a fault that names it.
func Open(path string) (*Array, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return OpenFile(f, path)
}

// OpenFile is Open for a file that is open already, which now belongs to the array: Close closes it, and so
// does a failure. path is what faults call it.
func OpenFile(f *os.File, path string) (*Array, error) {
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	a, err := Parse(f, info.Size())
	if err != nil {
		f.Close()
		if e, ok := err.(*fault.Error); ok {
			return nil, e.In("%s", path)
		}
		return nil, err
	}
	a.close = f.Close
	a.mapFile(f, info.Size())
	return a, nil
}

// mapFile maps the file if that works; if not, the array is read through the file instead.
func (a *Array) mapFile(f *os.File, size int64) {
	whole, unmap, err := mapPages(f, size)
	if err != nil {
		return
	}
	a.pages, a.Mapped = whole[a.offset:], true
	a.close = func() error {
		a.pages = nil
		err := unmap()
		if e := f.Close(); err == nil {
			err = e
		}
		return err
	}
}

// Parse reads the header of a .npy file of size bytes and checks that all its elements are there.
func Parse(r io.ReaderAt, size int64) (*Array, error) {
	h, offset, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	if h.Type == "O" {
		return nil, fault.Inputf("the .npy file holds Python objects (a pickle), not numbers").
			Remedy("save it as an array of numbers: numpy.save(name, numpy.asarray(x, 'f4'))")
	}
	want := int64(h.Len()) * int64(h.width)
	if got := size - offset; got < want {
		return nil, fault.Inputf("the .npy file is cut short: shape %s of %s needs %d bytes of data, it has %d", h.shapeText(), h.Type, want, got).
			Remedy("copy or write the file again")
	} else if got > want {
		return nil, fault.Inputf("the .npy file is longer than it says: shape %s of %s needs %d bytes of data, it has %d", h.shapeText(), h.Type, want, got).
			Remedy("save one array a file with numpy.save")
	}
	return &Array{Header: h, r: r, offset: offset, close: func() error { return nil }}, nil
}

// Object gives the shape of an array of Python objects, and the pickle that holds it, which package pickle
// reads. An array of numbers is a fault.
func Object(r io.ReaderAt, size int64) (shape []int, pickle *io.SectionReader, err error) {
	h, offset, err := readHeader(r, size)
	if err != nil {
		return nil, nil, err
	}
	if h.Type != "O" {
		return nil, nil, fault.Inputf("the .npy file holds an array of %s, not Python objects", h.Type)
	}
	return h.Shape, io.NewSectionReader(r, offset, size-offset), nil
}

// Close lets go of the file and its pages. Slices that Float32 returned must not be used afterwards if
// Mapped is set.
func (a *Array) Close() error { return a.close() }

// Read converts len(dst) elements into dst, beginning with element at, counted in the file's own order
// (Header.Fortran says which). It panics if they reach past the end.
func (a *Array) Read(dst []float64, at int) error { return readInto(a, dst, at) }

// ReadFloat32 is Read into float32.
func (a *Array) ReadFloat32(dst []float32, at int) error { return readInto(a, dst, at) }

// Float32 is the whole array in C order. It is the file's pages, not a copy, if the file is mapped and
// holds little-endian float32 in C order.
func (a *Array) Float32() ([]float32, error) {
	if v := a.direct(); v != nil {
		return v, nil
	}
	return all[float32](a)
}

// Float64 is a copy of the whole array in C order.
func (a *Array) Float64() ([]float64, error) { return all[float64](a) }

// Int64 is a copy of the whole array in C order. Floats are accepted if each is a whole number (masks are
// saved so); anything else is a fault that names the element.
func (a *Array) Int64() ([]int64, error) {
	v, err := all[float64](a)
	if err != nil {
		return nil, err
	}
	out := make([]int64, len(v))
	for i, x := range v {
		// 2^53: beyond it a float64 no longer tells whole numbers apart, and no id or mask is so large.
		if x != math.Trunc(x) || math.Abs(x) >= 1<<53 {
			return nil, fault.Inputf("element %d is %v, a whole number is needed", i, x)
		}
		out[i] = int64(x)
	}
	return out, nil
}

// direct is the mapped elements as they lie, or nil.
func (a *Array) direct() []float32 {
	if a.pages == nil || a.Type != "f4" || a.Fortran || len(a.pages) == 0 || !hostIs(a.order) {
		return nil
	}
	p := unsafe.Pointer(unsafe.SliceData(a.pages))
	if uintptr(p)%unsafe.Alignof(float32(0)) != 0 {
		return nil
	}
	return unsafe.Slice((*float32)(p), a.Len())
}

func hostIs(order binary.ByteOrder) bool {
	probe := uint16(1)
	little := *(*byte)(unsafe.Pointer(&probe)) == 1
	return little == (order == binary.LittleEndian)
}

type float interface{ ~float32 | ~float64 }

// block is how many elements are converted at a time: 64 Ki of 8 bytes stay in the cache.
const block = 1 << 16

func readInto[T float](a *Array, dst []T, at int) error {
	if at < 0 || at+len(dst) > a.Len() {
		panic("npy: Read past the end of the array")
	}
	var buf []byte
	for len(dst) > 0 {
		n := min(block, len(dst))
		raw := a.pages
		from := at * a.width
		if raw != nil {
			raw = raw[from : from+n*a.width]
		} else {
			if buf == nil {
				buf = make([]byte, n*a.width)
			}
			raw = buf[:n*a.width]
			if _, err := io.ReadFull(io.NewSectionReader(a.r, a.offset+int64(from), int64(len(raw))), raw); err != nil {
				return err
			}
		}
		convert(dst[:n], raw, a.Type, a.order)
		dst, at = dst[n:], at+n
	}
	return nil
}

// all reads everything and turns Fortran order into C order.
func all[T float](a *Array) ([]T, error) {
	out := make([]T, a.Len())
	if !a.Fortran || len(a.Shape) < 2 {
		return out, readInto(a, out, 0)
	}
	buf := make([]T, min(block, len(out)))
	walk := newWalk(a.Shape)
	for at := 0; at < len(out); at += len(buf) {
		buf = buf[:min(len(buf), len(out)-at)]
		if err := readInto(a, buf, at); err != nil {
			return nil, err
		}
		for _, x := range buf {
			out[walk.next()] = x
		}
	}
	return out, nil
}

// walk visits an array with the first index fastest and gives each element's place in C order.
type walk struct {
	shape, index, stride []int
	place                int
}

func newWalk(shape []int) *walk {
	w := &walk{shape: shape, index: make([]int, len(shape)), stride: make([]int, len(shape))}
	s := 1
	for i := len(shape) - 1; i >= 0; i-- {
		w.stride[i], s = s, s*shape[i]
	}
	return w
}

func (w *walk) next() int {
	at := w.place
	for i := range w.index {
		w.index[i]++
		w.place += w.stride[i]
		if w.index[i] < w.shape[i] {
			break
		}
		w.place -= w.stride[i] * w.shape[i]
		w.index[i] = 0
	}
	return at
}

// convert turns raw elements of a type into floats; len(raw) is len(dst) times the type's width.
func convert[T float](dst []T, raw []byte, typ string, order binary.ByteOrder) {
	switch typ {
	case "f4":
		for i := range dst {
			dst[i] = T(math.Float32frombits(order.Uint32(raw[4*i:])))
		}
	case "f8":
		for i := range dst {
			dst[i] = T(math.Float64frombits(order.Uint64(raw[8*i:])))
		}
	case "f2":
		for i := range dst {
			dst[i] = T(half(order.Uint16(raw[2*i:])))
		}
	case "u1", "b1":
		for i := range dst {
			dst[i] = T(raw[i])
		}
	case "i1":
		for i := range dst {
			dst[i] = T(int8(raw[i]))
		}
	case "u2":
		for i := range dst {
			dst[i] = T(order.Uint16(raw[2*i:]))
		}
	case "i2":
		for i := range dst {
			dst[i] = T(int16(order.Uint16(raw[2*i:])))
		}
	case "u4":
		for i := range dst {
			dst[i] = T(order.Uint32(raw[4*i:]))
		}
	case "i4":
		for i := range dst {
			dst[i] = T(int32(order.Uint32(raw[4*i:])))
		}
	case "u8":
		for i := range dst {
			dst[i] = T(order.Uint64(raw[8*i:]))
		}
	case "i8":
		for i := range dst {
			dst[i] = T(int64(order.Uint64(raw[8*i:])))
		}
	default:
		panic("npy: no conversion for " + typ) // readHeader lets no other type through
	}
}

// half is the value of IEEE half-precision bits: sign, 5 bits of exponent (bias 15), 10 of fraction.
func half(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch {
	case exp == 31: // infinity or NaN
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	case exp != 0:
		return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
	case frac == 0:
		return math.Float32frombits(sign)
	}
	// Subnormal, frac times 2^-24: shift the leading one out to make it a normal float32.
	shift := uint32(bits.LeadingZeros16(uint16(frac))) - 5
	return math.Float32frombits(sign | (127-14-shift)<<23 | (frac<<shift&1023)<<13)
}
