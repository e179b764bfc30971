package matlab

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/raw"
)

// Types of elements.
const (
	typeMatrix = 14
	typePacked = 15
	typeUTF8   = 16
	typeUTF16  = 17
	typeUTF32  = 18
)

// types are the numeric ones; the byte order is the file's.
var types = map[uint32]raw.Type{
	1: {Kind: raw.Int, Size: 1}, 2: {Kind: raw.Uint, Size: 1}, 3: {Kind: raw.Int, Size: 2}, 4: {Kind: raw.Uint, Size: 2},
	5: {Kind: raw.Int, Size: 4}, 6: {Kind: raw.Uint, Size: 4}, 7: {Kind: raw.Float, Size: 4}, 9: {Kind: raw.Float, Size: 8},
	12: {Kind: raw.Int, Size: 8}, 13: {Kind: raw.Uint, Size: 8},
}

// classes are a matrix's, by number.
var classes = []string{1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 6: "double", 7: "single",
	8: "int8", 9: "uint8", 10: "int16", 11: "uint16", 12: "int32", 13: "uint32", 14: "int64", 15: "uint64", 16: "function", 17: "opaque"}

// scan finds the variables of version 5.
func (f *File) scan(size int64) error {
	for at := int64(headerSize); at < size; {
		if size-at < 8 {
			return fault.Inputf("the MATLAB file is cut short: %d bytes are left at byte %d, an element has 8", size-at, at).Remedy("copy or write the file again")
		}
		var tag [8]byte
		if _, err := f.r.ReadAt(tag[:], at); err != nil {
			return err
		}
		typ, n := f.order.Uint32(tag[:]), int64(f.order.Uint32(tag[4:]))
		if typ>>16 != 0 { // a small element, which is no variable
			at += 8
			continue
		}
		at += 8
		if n > size-at {
			return fault.Inputf("the MATLAB file is cut short: an element at byte %d has %d bytes, %d are left", at-8, n, size-at).Remedy("copy or write the file again")
		}
		if typ == typeMatrix || typ == typePacked {
			v := variable{at: at, size: n, packed: typ == typePacked}
			h, err := f.head(v)
			if err != nil {
				return fault.Inputf("the MATLAB file's element at byte %d: %w", at-8, err)
			}
			if v.name = h.name; h.known && v.name != "" { // what has no name is the subsystem's
				f.vars = append(f.vars, v)
			}
		}
		at += n
		if typ != typePacked {
			at += (8 - n%8) % 8
		}
	}
	return nil
}

// head is what stands before a matrix's contents.
type head struct {
	known          bool // it is a matrix
	class          string
	complex, truth bool
	dims           []int
	name           string
}

// head reads a variable's head only.
func (f *File) head(v variable) (head, error) {
	r, size, err := f.stream(v)
	if err != nil || size < 0 {
		return head{}, err
	}
	h := r.head(&size)
	return h, r.err
}

// read reads a variable.
func (f *File) read(v variable) (*Value, error) {
	r, size, err := f.stream(v)
	if err != nil {
		return nil, err
	}
	value := r.matrix(size, 0)
	if r.err == nil && v.packed { // to the end, which is what verifies the checksum
		if n, err := io.Copy(io.Discard, io.LimitReader(r.r, 9)); err != nil {
			r.fail(err)
		} else if n > 8 {
			r.fault("more follows its matrix")
		}
	}
	return value, r.err
}

// stream begins to read a variable's matrix, and gives its size; -1: what is packed there is no matrix.
func (f *File) stream(v variable) (*reader5, int64, error) {
	part := io.NewSectionReader(f.r, v.at, v.size)
	r := &reader5{r: bufio.NewReader(part), order: f.order}
	if !v.packed {
		return r, v.size, nil
	}
	z, err := zlib.NewReader(r.r)
	if err != nil {
		r.fail(err)
		return nil, 0, r.err
	}
	r.r = bufio.NewReader(z)
	left := int64(1 << 40)
	typ, size, small := r.tag(&left)
	if r.err != nil || small != nil || typ != typeMatrix {
		return r, -1, r.err
	}
	return r, size, nil
}

// reader5 reads elements front to back. The first failure stays, and zeros come after it.
type reader5 struct {
	r      *bufio.Reader
	order  binary.ByteOrder
	at     int64
	budget budget
	err    error
}

func (r *reader5) fault(format string, args ...any) {
	if r.err == nil {
		r.err = fault.Inputf(format, args...)
	}
}

// fail notes a failure; errors of the file system stay as they are.
func (r *reader5) fail(err error) {
	var corrupt flate.CorruptInputError
	switch {
	case r.err != nil:
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		r.fault("it is cut short: it ends after %d bytes", r.at)
	case errors.As(err, &corrupt) || errors.Is(err, zlib.ErrChecksum) || errors.Is(err, zlib.ErrHeader):
		r.fault("it can't be unpacked after %d bytes: %w", r.at, err)
	default:
		r.err = err
	}
}

// step is how much memory is taken at a time for what may not be there.
const step = 1 << 20

// bytes reads n of the bytes that are left of an element.
func (r *reader5) bytes(n int64, left *int64) []byte {
	if r.err == nil && n > *left {
		r.fault("an element claims %d bytes after %d, %d are left", n, r.at, *left)
	}
	var out []byte
	for r.err == nil && int64(len(out)) < n {
		at := len(out)
		out = append(out, make([]byte, min(step, n-int64(at)))...)
		got, err := io.ReadFull(r.r, out[at:])
		r.at += int64(got)
		if err != nil {
			r.fail(err)
		}
	}
	if r.err != nil {
		return make([]byte, min(n, 64))
	}
	*left -= n
	return out
}

// tag reads an element's type and size; a small one comes with its data.
func (r *reader5) tag(left *int64) (typ uint32, size int64, small []byte) {
	b := r.bytes(8, left)
	typ, size = r.order.Uint32(b), int64(r.order.Uint32(b[4:]))
	if n := typ >> 16; n != 0 {
		if n > 4 {
			r.fault("a small element claims %d bytes after %d", n, r.at)
			n = 0
		}
		return typ & 0xffff, int64(n), b[4 : 4+n : 4+n]
	}
	return typ, size, nil
}

// element reads a whole element that is no matrix and has no more than limit bytes.
func (r *reader5) element(left *int64, limit int64) (typ uint32, data []byte) {
	typ, size, small := r.tag(left)
	if small != nil || r.err != nil {
		return typ, small
	}
	if size > limit {
		r.fault("an element of type %d claims %d bytes after %d, %d at most are needed", typ, size, r.at, limit)
	}
	data = r.bytes(size, left)
	// The last element's padding may be left out.
	r.bytes(min((8-size%8)%8, max(*left, 0)), left)
	return typ, data
}

// short bounds elements that describe a matrix: dimensions, names.
const short = 1 << 20

// whole reads an element of numbers as int64, for dimensions and lengths.
func (r *reader5) whole(left *int64) []int64 {
	typ, b := r.element(left, short)
	t, known := types[typ]
	if !known || len(b)%t.Size != 0 {
		r.fault("numbers are needed after %d bytes, there is an element of type %d", r.at, typ)
	}
	if r.err != nil {
		return nil
	}
	t.Order = r.order
	out := make([]int64, len(b)/t.Size)
	if err := raw.Whole(out, b, t, 0); err != nil {
		r.fault("%w", err)
	}
	return out
}

// head reads flags, dimensions and name.
func (r *reader5) head(left *int64) (h head) {
	_, flags := r.element(left, short)
	if len(flags) < 8 {
		r.fault("its flags have %d bytes, not 8", len(flags))
	}
	if r.err != nil {
		return h
	}
	word := r.order.Uint32(flags)
	class := int(word & 0xff)
	if class < 1 || class >= len(classes) {
		r.fault("its class is %d; 1 to %d are known", class, len(classes)-1)
		return h
	}
	h = head{known: true, class: classes[class], complex: word&0x800 != 0, truth: word&0x200 != 0}
	if class == 17 { // opaque: strings, tables, …: no dimensions, but a name
		_, name := r.element(left, short)
		h.name = string(name)
		return h
	}
	for _, d := range r.whole(left) {
		h.dims = append(h.dims, int(d))
	}
	if len(h.dims) > 32 {
		r.fault("it has %d dimensions", len(h.dims))
	}
	_, name := r.element(left, short)
	h.name = string(bytes.TrimRight(name, "\x00"))
	return h
}

// matrix reads a matrix of size bytes.
func (r *reader5) matrix(size int64, depth int) *Value {
	if size == 0 { // an empty cell, as MATLAB writes it
		return &Value{Class: "double", Dims: []int{0, 0}}
	}
	if depth > maxDepth {
		r.fault("it has cells inside cells, %d deep", depth)
	}
	left := size
	h := r.head(&left)
	n, err := product(h.dims)
	if err != nil {
		r.fault("%w", err)
	}
	if r.err != nil {
		return nil
	}
	v := &Value{Class: h.class, Dims: h.dims}
	switch h.class {
	case "cell":
		v.Cells = r.matrices(n, &left, depth)
	case "struct":
		r.fields(v, n, &left, depth)
	case "char":
		v.Text = rows(r.chars(n, &left), h.dims)
	case "object", "sparse", "function", "opaque":
		r.err = fault.Inputf("it is of class %s, which isn't read", h.class).
			Remedy("save plain numbers or text: full(x), cellstr(x), table2struct(x)")
	default:
		if h.truth {
			v.Class = "logical"
		}
		v.Numbers = r.numbers(n, &left)
		if h.complex {
			v.Imag = r.numbers(n, &left)
		}
	}
	if r.err == nil { // padding
		n, err := io.CopyN(io.Discard, r.r, left)
		if r.at += n; err != nil {
			r.fail(err)
		}
	}
	return v
}

// numbers reads n numbers of whatever type they are stored in.
func (r *reader5) numbers(n int, left *int64) []float64 {
	if err := r.budget.number(n); err != nil {
		r.fault("%w", err)
	}
	typ, b := r.element(left, 8*int64(n))
	t, known := types[typ]
	switch {
	case r.err != nil:
		return nil
	case n == 0 && len(b) == 0:
		return []float64{}
	case !known:
		r.fault("its numbers are stored as type %d, which isn't known", typ)
		return nil
	case int64(n)*int64(t.Size) != int64(len(b)):
		r.fault("%d numbers of %d bytes are needed, there are %d bytes", n, t.Size, len(b))
		return nil
	}
	t.Order = r.order
	out := make([]float64, n)
	raw.Convert(out, b, t)
	return out
}

// chars reads n characters. Those of UTF-8 may have more bytes; of UTF-16, a pair may stand for one.
func (r *reader5) chars(n int, left *int64) []rune {
	if err := r.budget.number(n); err != nil {
		r.fault("%w", err)
		return nil
	}
	typ, b := r.element(left, 4*int64(n))
	if r.err != nil || n == 0 {
		return nil
	}
	var out []rune
	switch typ {
	case typeUTF8:
		out = []rune(string(b))
	default:
		t := types[typ]
		if typ == typeUTF16 {
			t = types[4]
		}
		if typ == typeUTF32 {
			t = types[6]
		}
		if t.Size == 0 || t.Kind == raw.Float || len(b)%t.Size != 0 {
			r.fault("its text is stored as type %d", typ)
			return nil
		}
		t.Order = r.order
		codes := make([]int64, len(b)/t.Size)
		if err := raw.Whole(codes, b, t, 0); err != nil {
			r.fault("%w", err)
			return nil
		}
		for _, c := range codes {
			out = append(out, rune(c))
		}
	}
	joined := pairs(out)
	if len(out) != n && len(utf16.Encode(out)) != n {
		r.fault("%d characters are needed, there are %d", n, len(out))
	}
	return joined
}

// pairs joins UTF-16's surrogates where there are some, which only text of one row can have.
func pairs(in []rune) []rune {
	out := make([]rune, 0, len(in))
	for i := 0; i < len(in); i++ {
		c := in[i]
		if i+1 < len(in) && utf16.IsSurrogate(c) {
			if joined := utf16.DecodeRune(c, in[i+1]); joined != utf8.RuneError {
				c = joined
				i++
			}
		}
		out = append(out, c)
	}
	return out
}

// matrices reads n matrices, one behind the other.
func (r *reader5) matrices(n int, left *int64, depth int) []*Value {
	var out []*Value
	for i := 0; i < n && r.err == nil; i++ {
		if err := r.budget.value(); err != nil {
			r.fault("%w", err)
			break
		}
		typ, size, small := r.tag(left)
		if r.err == nil && (typ != typeMatrix || small != nil) {
			r.fault("a matrix is needed after %d bytes, there is an element of type %d", r.at, typ)
		}
		if r.err == nil && size > *left {
			r.fault("a matrix claims %d bytes after %d, %d are left", size, r.at, *left)
		}
		if r.err != nil {
			break
		}
		*left -= size
		out = append(out, r.matrix(size, depth+1))
	}
	return out
}

// fields reads the fields of n structs.
func (r *reader5) fields(v *Value, n int, left *int64, depth int) {
	length := r.whole(left)
	_, names := r.element(left, short)
	if r.err == nil && (len(length) != 1 || length[0] < 1 || int64(len(names))%length[0] != 0) {
		r.fault("the names of its fields have %d bytes, %v each", len(names), length)
	}
	if r.err != nil {
		return
	}
	for ; len(names) > 0; names = names[length[0]:] {
		name, _, _ := bytes.Cut(names[:length[0]], []byte{0})
		v.Fields = append(v.Fields, Field{Name: string(name)})
	}
	count := len(v.Fields)
	if count > 0 && n > maxValues/count {
		r.fault("it has %d elements of %d fields; at most %d values are read", n, count, maxValues)
		return
	}
	for i, x := range r.matrices(n*count, left, depth) {
		f := &v.Fields[i%count]
		f.Values = append(f.Values, x)
	}
}
