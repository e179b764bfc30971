package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
)

// Header says what an array is.
type Header struct {
	Type    string // kind and bytes: f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1
	Fortran bool   // the first index is fastest in the file
	Shape   []int  // empty: a single number

	order binary.ByteOrder
	width int // bytes an element
	count int // elements, product of Shape
}

// Len is the number of elements.
func (h Header) Len() int { return h.count }

func (h Header) shapeText() string { return shapeText(h.Shape) }

// shapeText writes a shape as Python does.
func shapeText(shape []int) string {
	if len(shape) == 1 {
		return fmt.Sprintf("(%d,)", shape[0])
	}
	s := make([]string, len(shape))
	for i, n := range shape {
		s[i] = strconv.Itoa(n)
	}
	return "(" + strings.Join(s, ", ") + ")"
}

const magic = "\x93NUMPY"

// maxHeader bounds the header's length: numpy itself refuses to evaluate more than 10,000 characters.
const maxHeader = 1 << 16

// readHeader gives the header and the offset of the first element.
func readHeader(r io.ReaderAt, size int64) (Header, int64, error) {
	var start [12]byte
	n, err := r.ReadAt(start[:min(12, max(size, 0))], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Header{}, 0, err
	}
	if n < 10 || string(start[:6]) != magic {
		return Header{}, 0, fault.Inputf("this is no .npy file: it begins with % x, not with % x", start[:min(n, 6)], magic).
			Remedy("save the array with numpy.save (not .npz, not text)")
	}
	offset, length := int64(10), int64(binary.LittleEndian.Uint16(start[8:]))
	switch start[6] {
	case 1:
	case 2, 3:
		if n < 12 {
			return Header{}, 0, fault.Inputf("the .npy file ends in its header, after %d bytes", size)
		}
		offset, length = 12, int64(binary.LittleEndian.Uint32(start[8:]))
	default:
		return Header{}, 0, fault.Inputf(".npy version %d.%d is not known; 1, 2 and 3 are read", start[6], start[7])
	}
	if length > maxHeader {
		return Header{}, 0, fault.Inputf("the .npy header claims %d bytes; at most %d are read", length, maxHeader)
	}
	if offset+length > size {
		return Header{}, 0, fault.Inputf("the .npy file ends in its header: %d bytes are needed, it has %d", offset+length, size)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(io.NewSectionReader(r, offset, length), text); err != nil {
		return Header{}, 0, err
	}
	h, err := parseHeader(string(text))
	return h, offset + length, err
}

// parseHeader reads the dict literal. Its three keys must be there, once, and nothing else.
func parseHeader(text string) (Header, error) {
	l := &literal{text: text}
	var h Header
	seen := map[string]bool{}
	l.want("{")
	for l.err == nil && !l.take("}") {
		key := l.str()
		l.want(":")
		if l.err != nil {
			break
		}
		if seen[key] {
			l.fail("the key %q stands twice", key)
		}
		seen[key] = true
		switch key {
		case "descr":
			h.setType(l)
		case "fortran_order":
			h.Fortran = l.bool()
		case "shape":
			h.Shape = l.tuple()
		default:
			l.fail("the key %q is not known", key)
		}
		if !l.take(",") {
			l.want("}")
			break
		}
	}
	if l.err == nil && strings.TrimSpace(l.text) != "" {
		l.fail("%q follows the header", strings.TrimSpace(l.text))
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if !seen[key] {
			l.fail("the key %q is missing", key)
		}
	}
	if l.err != nil {
		return Header{}, l.err
	}
	return h, h.setCount()
}

// setType reads descr and checks that it is a type that can be converted.
func (h *Header) setType(l *literal) {
	if strings.HasPrefix(strings.TrimLeft(l.text, " "), "[") {
		l.refuse(fault.Inputf("the .npy file holds records (fields with names), not a plain array of numbers").
			Remedy("save one array a file"))
		return
	}
	descr := l.str()
	if l.err != nil {
		return
	}
	order, typ := "=", descr
	if len(descr) > 0 && strings.ContainsRune("<>|=", rune(descr[0])) {
		order, typ = descr[:1], descr[1:]
	}
	widths := map[string]int{"f2": 2, "f4": 4, "f8": 8, "i1": 1, "i2": 2, "i4": 4, "i8": 8, "u1": 1, "u2": 2, "u4": 4, "u8": 8, "b1": 1}
	width, known := widths[typ]
	switch {
	case typ == "O": // Parse refuses it, Object wants it
	case !known || width > 1 && order != "<" && order != ">":
		l.refuse(fault.Inputf("the .npy type %q is not read; f2 f4 f8, integers and booleans are", descr).
			Remedy("convert it: numpy.save(name, x.astype('f4'))"))
	}
	h.Type, h.width, h.order = typ, width, binary.LittleEndian
	if order == ">" {
		h.order = binary.BigEndian
	}
}

// setCount multiplies the shape, minding overflow: a hostile one must not wrap to a small number.
func (h *Header) setCount() error {
	h.count = 1
	for _, n := range h.Shape {
		if n != 0 && h.count > math.MaxInt/8/n {
			return fault.Inputf("the .npy shape %s is larger than any memory", h.shapeText())
		}
		h.count *= n
	}
	return nil
}

// literal reads the small part of Python that a header is written in. The first failure stays.
type literal struct {
	text string
	err  error
}

func (l *literal) refuse(err error) {
	if l.err == nil {
		l.err = err
	}
}

func (l *literal) fail(format string, args ...any) {
	l.refuse(fault.Inputf("the .npy header can't be read: "+format, args...))
}

// take skips white space and then token, if it comes next.
func (l *literal) take(token string) bool {
	l.text = strings.TrimLeft(l.text, " \t\r\n")
	rest, ok := strings.CutPrefix(l.text, token)
	if ok {
		l.text = rest
	}
	return ok
}

func (l *literal) want(token string) {
	if l.err == nil && !l.take(token) {
		l.fail("%s is expected before %q", token, l.excerpt())
	}
}

func (l *literal) excerpt() string { return l.text[:min(len(l.text), 20)] }

func (l *literal) str() string {
	for _, quote := range []string{"'", `"`} {
		if l.take(quote) {
			s, rest, ok := strings.Cut(l.text, quote)
			if !ok {
				break
			}
			l.text = rest
			return s
		}
	}
	l.fail("a string is expected before %q", l.excerpt())
	return ""
}

func (l *literal) bool() bool {
	switch {
	case l.take("True"):
		return true
	case l.take("False"):
	default:
		l.fail("True or False is expected before %q", l.excerpt())
	}
	return false
}

// tuple reads (), (5,) or (2, 3). Python 2 wrote long integers with an L.
func (l *literal) tuple() (shape []int) {
	l.want("(")
	for l.err == nil && !l.take(")") {
		l.take("")
		digits := len(l.text) - len(strings.TrimLeft(l.text, "0123456789"))
		n, err := strconv.Atoi(l.text[:digits])
		if err != nil {
			l.fail("a size is expected before %q", l.excerpt())
			return nil
		}
		l.text = l.text[digits:]
		l.take("L")
		shape = append(shape, n)
		if !l.take(",") {
			l.want(")")
			break
		}
	}
	// numpy itself stops at 64 dimensions.
	if len(shape) > 64 {
		l.fail("%d dimensions", len(shape))
	}
	return shape
}
