package gifti

import (
	"bufio"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
)

const (
	maxValues  = 1 << 26 // of one array
	maxText    = 1 << 30 // characters of one Data element
	otherText  = 1 << 20 // characters of anything else: tags, names, comments
	valueText  = 32      // characters of one value in ASCII, with its blank
	maxBytes   = 1 << 30 // of everything that is kept of one file
	entryBytes = 128     // what a label, an array or an entry of metadata costs beside its text
	maxDepth   = 16      // of elements that are not known
)

// Read reads a GIFTI file, gzipped or not.
func Read(r io.Reader) (*File, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	if head, _ := b.Peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, damaged(err)
		}
		b = bufio.NewReaderSize(z, 1<<16)
	}
	limit := &limited{r: b, left: otherText}
	p := &parser{xml: xml.NewDecoder(limit), limit: limit}
	f, err := p.file()
	if err != nil {
		return nil, damaged(err)
	}
	return f, nil
}

// damaged makes a fault of what the decompressor or the XML reader says, and leaves faults as they are.
// An error that came from the file system below stays recognisable through Unwrap.
func damaged(err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.Inputf("the GIFTI file is cut short: %w", err).Remedy("copy or write the file again")
	}
	return fault.Inputf("this can't be read as GIFTI: %w", err)
}

// limited counts the bytes that the XML reader takes for one token, so that a compressed file can't make
// it collect text without end.
type limited struct {
	r    *bufio.Reader
	left int
}

func (l *limited) ReadByte() (byte, error) {
	if l.left--; l.left < 0 {
		return 0, fault.Inputf("a text in the GIFTI file is longer than its array can need")
	}
	return l.r.ReadByte()
}

// Read is here because xml.NewDecoder asks for a Reader; it takes the bytes one by one by ReadByte.
func (l *limited) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := l.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}

type parser struct {
	xml   *xml.Decoder
	limit *limited
	kept  int
}

// keep counts what stays in memory.
func (p *parser) keep(bytes int) error {
	if p.kept += bytes; p.kept > maxBytes {
		return fault.Inputf("the GIFTI file holds more than %d MiB of data", maxBytes>>20)
	}
	return nil
}

// next is the next token that isn't a comment, a directive or a processing instruction.
func (p *parser) next(chars int) (xml.Token, error) {
	for {
		p.limit.left = chars
		t, err := p.xml.Token()
		if err != nil {
			return nil, err
		}
		switch t.(type) {
		case xml.StartElement, xml.EndElement, xml.CharData:
			return t, nil
		}
	}
}

// each calls child for every element inside the current one.
func (p *parser) each(child func(xml.StartElement) error) error {
	for {
		t, err := p.next(otherText)
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := child(t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

// skip passes over the current element and all that is in it.
func (p *parser) skip() error {
	for depth := 1; depth > 0; {
		t, err := p.next(otherText)
		if err != nil {
			return err
		}
		switch t.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return fault.Inputf("the GIFTI file nests more than %d unknown elements", maxDepth)
			}
		case xml.EndElement:
			depth--
		}
	}
	return nil
}

// text collects the current element's text, at most chars characters of it at once.
func (p *parser) text(chars int) ([]byte, error) {
	var all []byte
	for {
		t, err := p.next(chars)
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.CharData:
			if chars -= len(t); chars < 0 {
				return nil, fault.Inputf("a text in the GIFTI file is longer than its array can need")
			}
			all = append(all, t...)
		case xml.StartElement:
			return nil, fault.Inputf("<%s> stands where the GIFTI file should have text", t.Name.Local)
		case xml.EndElement:
			return all, nil
		}
	}
}

func (p *parser) string() (string, error) {
	b, err := p.text(otherText)
	if err == nil {
		err = p.keep(len(b))
	}
	return strings.TrimSpace(string(b)), err
}

func (p *parser) file() (*File, error) {
	root, err := p.root()
	if err != nil {
		return nil, err
	}
	f := &File{}
	if v := attr(root, "Version"); v != "" && v != "1.0" && v != "1" {
		return nil, fault.Inputf("GIFTI version %s is not known; 1.0 is read", v)
	}
	err = p.each(func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "MetaData":
			f.Meta, err = p.meta()
		case "LabelTable":
			f.Labels, err = p.labels()
		case "DataArray":
			var a *Array
			if a, err = p.array(e); err != nil {
				var known *fault.Error
				if errors.As(err, &known) && known.At == "" {
					known.In("array %d", len(f.Arrays))
				}
				return err
			}
			f.Arrays = append(f.Arrays, *a)
		default:
			err = p.skip()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if n, err := strconv.Atoi(attr(root, "NumberOfDataArrays")); err == nil && n != len(f.Arrays) {
		return nil, fault.Inputf("the GIFTI file says that it has %d arrays, it has %d", n, len(f.Arrays))
	}
	return f, p.end()
}

// root finds the GIFTI element.
func (p *parser) root() (xml.StartElement, error) {
	for {
		t, err := p.next(otherText)
		if err != nil {
			return xml.StartElement{}, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local != "GIFTI" {
				return t, fault.Inputf("this is no GIFTI file: it begins with <%s>", t.Name.Local)
			}
			return t, nil
		case xml.CharData:
			if s := strings.TrimSpace(string(t)); s != "" {
				return xml.StartElement{}, fault.Inputf("this is no GIFTI file: it begins with %q", s[:min(len(s), 20)])
			}
		}
	}
}

// end reads to the end, which is what verifies a gzipped file's checksum.
func (p *parser) end() error {
	for {
		t, err := p.next(otherText)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e, ok := t.(xml.StartElement); ok {
			return fault.Inputf("<%s> follows the end of the GIFTI file", e.Name.Local)
		}
	}
}

func (p *parser) meta() (all []MD, err error) {
	err = p.each(func(e xml.StartElement) error {
		if e.Name.Local != "MD" {
			return p.skip()
		}
		var m MD
		err := p.each(func(e xml.StartElement) (err error) {
			switch e.Name.Local {
			case "Name":
				m.Name, err = p.string()
			case "Value":
				m.Value, err = p.string()
			default:
				err = p.skip()
			}
			return err
		})
		all = append(all, m)
		if err == nil {
			err = p.keep(entryBytes)
		}
		return err
	})
	return all, err
}

func (p *parser) labels() (all []Label, err error) {
	err = p.each(func(e xml.StartElement) error {
		if e.Name.Local != "Label" {
			return p.skip()
		}
		key := attr(e, "Key")
		if key == "" {
			key = attr(e, "Index") // the name in drafts of the format, still met
		}
		k, err := strconv.ParseInt(key, 10, 32)
		if err != nil {
			return fault.Inputf("a label of the GIFTI file has the key %q, a whole number is needed", key)
		}
		l := Label{Key: int32(k), Alpha: 1}
		for name, c := range map[string]*float32{"Red": &l.Red, "Green": &l.Green, "Blue": &l.Blue, "Alpha": &l.Alpha} {
			if s := attr(e, name); s != "" {
				v, err := strconv.ParseFloat(s, 32)
				if err != nil {
					return fault.Inputf("label %d of the GIFTI file has %s=%q", k, name, s)
				}
				*c = float32(v)
			}
		}
		if l.Name, err = p.string(); err != nil {
			return err
		}
		all = append(all, l)
		return p.keep(entryBytes)
	})
	return all, err
}

func (p *parser) array(e xml.StartElement) (*Array, error) {
	a := &Array{Intent: attr(e, "Intent")}
	form, err := p.form(e, a)
	if err != nil {
		return nil, err
	}
	seen := false
	err = p.each(func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "MetaData":
			a.Meta, err = p.meta()
		case "CoordinateSystemTransformMatrix":
			var t *Transform
			if t, err = p.transform(); a.Transform == nil { // the first is the one that counts
				a.Transform = t
			}
		case "Data":
			if seen {
				return fault.Inputf("an array of the GIFTI file has two <Data>")
			}
			seen = true
			var text []byte
			if text, err = p.text(form.chars()); err == nil {
				err = form.decode(text, a)
			}
		default:
			err = p.skip()
		}
		return err
	})
	if err == nil && !seen {
		err = fault.Inputf("an array of the GIFTI file has no <Data>")
	}
	return a, err
}

// form reads an array's attributes: its shape into a, the rest into the form.
func (p *parser) form(e xml.StartElement, a *Array) (*form, error) {
	n, err := strconv.Atoi(attr(e, "Dimensionality"))
	if err != nil || n < 1 || n > 6 {
		return nil, fault.Inputf("Dimensionality is %q, 1 to 6 is needed", attr(e, "Dimensionality"))
	}
	count := 1
	for i := range n {
		s := attr(e, fmt.Sprintf("Dim%d", i))
		d, err := strconv.Atoi(s)
		if err != nil || d < 0 {
			return nil, fault.Inputf("Dim%d is %q, a count is needed", i, s)
		}
		if d > maxValues || count*d > maxValues {
			return nil, fault.Inputf("an array of the GIFTI file claims more than %d values", maxValues)
		}
		a.Dims, count = append(a.Dims, d), count*d
	}
	if err := p.keep(entryBytes + 4*count); err != nil {
		return nil, err
	}
	return newForm(e, a.Dims, count)
}

func (p *parser) transform() (*Transform, error) {
	t := &Transform{}
	err := p.each(func(e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "DataSpace":
			t.DataSpace, err = p.string()
		case "TransformedSpace":
			t.TransformedSpace, err = p.string()
		case "MatrixData":
			var s string
			if s, err = p.string(); err != nil {
				return err
			}
			fields := strings.Fields(s)
			if len(fields) != 16 {
				return fault.Inputf("a coordinate matrix of the GIFTI file has %d numbers, not 16", len(fields))
			}
			for i, x := range fields {
				if t.Matrix[i], err = strconv.ParseFloat(x, 64); err != nil {
					return fault.Inputf("a coordinate matrix of the GIFTI file holds %q", x)
				}
			}
		default:
			err = p.skip()
		}
		return err
	})
	return t, err
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}
