package onnx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"cortexmap/internal/fault"
)

// ReadFile is [Parse] of a file; the weights' own files, where there are any, must lie beside it.
func ReadFile(path string) (*Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unopened(err, path)
	}
	defer f.Close()
	st, err := f.Stat()
	if err == nil && st.IsDir() {
		return nil, fault.Inputf("%s is a folder, not an .onnx file", path).Remedy("name the file in it")
	}
	if err != nil {
		return nil, unopened(err, path)
	}
	m, err := Parse(f, st.Size())
	if err == nil {
		err = m.checkExternal(filepath.Dir(path))
	}
	if err != nil {
		return nil, place(err, path)
	}
	return m, nil
}

func unopened(err error, path string) error {
	var e *fault.Error
	switch {
	case errors.Is(err, os.ErrNotExist):
		e = fault.Inputf("%s does not exist", path).Remedy("check the path")
	case errors.Is(err, os.ErrPermission):
		e = fault.Machinef("no permission for %s", path).Remedy("check the file's owner and mode")
	default:
		return fault.Inputf("%s can't be read: %w", path, err)
	}
	e.Err = err // the path stands in the text already
	return e
}

func place(err error, path string) error {
	var f *fault.Error
	if errors.As(err, &f) && f.At == "" {
		return f.In("%s", path)
	}
	return err
}

// Parse reads the structure of the model in the first size bytes of r. It reads no weights, keeps nothing of
// r, and allocates at most 256 MB whatever the bytes are. Everything that is wrong with the contents is a
// fault of class Input that says what was seen and at which byte.
func Parse(r io.ReaderAt, size int64) (*Model, error) {
	rd := &reader{file: r, size: size}
	if size <= 0 {
		return nil, fault.Inputf("the file is empty").Remedy("copy or export it again")
	}
	m := &Model{Opsets: map[string]int64{}, Meta: map[string]string{}, Graph: newGraph(), Size: size}
	err := rd.walk(0, size, func(f field) error { return rd.modelField(m, f) })
	if err == nil && len(m.Graph.Nodes) == 0 {
		err = fault.Inputf("there is no graph inside: no ONNX model, or an empty one")
	}
	if err != nil {
		if other := rd.sniff(); other != nil && rd.read == nil {
			return nil, other
		}
		return nil, err
	}
	m.count()
	return m, nil
}

func newGraph() Graph {
	return Graph{Initializers: map[string]*Tensor{}, Values: map[string]Value{}}
}

// sniff names what a file that is no model looks like; nil where it doesn't look like anything.
func (r *reader) sniff() error {
	head, err := r.bytes(0, min(512, r.size))
	if err != nil {
		return nil
	}
	is := func(s string) bool { return bytes.HasPrefix(head, []byte(s)) }
	switch {
	case is("version https://git-lfs"):
		return fault.Inputf("this is a Git LFS pointer, not the model itself").Remedy("run `git lfs pull` in its folder")
	case is("PK\x03\x04"), is("\x80\x02"):
		return fault.Inputf("this is a zip archive or pickle (a PyTorch checkpoint?), not an ONNX model").
			Remedy("export the network with torch.onnx.export")
	case is("\x89HDF\r\n"):
		return fault.Inputf("this is an HDF5 file (Keras?), not an ONNX model").Remedy("export the network to ONNX")
	case is("<!DOCTYPE"), is("<html"):
		return fault.Inputf("this is a web page, not an ONNX model").Remedy("download the file itself")
	case isText(head):
		return fault.Inputf("this is a text file, not an ONNX model").Remedy("give the network's .onnx file itself")
	}
	return nil
}

// isText says whether the bytes, which may end inside a character, are printable UTF-8.
func isText(b []byte) bool {
	for len(b) > 0 {
		c, n := utf8.DecodeRune(b)
		if c == utf8.RuneError && n == 1 && utf8.FullRune(b) || unicode.IsControl(c) && !unicode.IsSpace(c) {
			return false
		}
		b = b[n:]
	}
	return true
}

func (r *reader) modelField(m *Model, f field) (err error) {
	switch f.id {
	case 1:
		m.IR = int64(f.number)
	case 2:
		m.Producer, err = r.text(f)
	case 3:
		m.ProducerVersion, err = r.text(f)
	case 7: // a second one is merged into the first, as protobuf does
		err = r.graphFields(&m.Graph, f)
	case 8:
		err = r.opset(m.Opsets, f)
	case 14:
		var k, v string
		k, v, err = r.pair(f)
		m.Meta[k] = v
	case 25:
		err = r.function(m, f)
	}
	return err
}

func (r *reader) opset(into map[string]int64, f field) error {
	var domain string
	var version int64
	err := r.inside(f, func(f field) (err error) {
		switch f.id {
		case 1:
			domain, err = r.text(f)
		case 2:
			version = int64(f.number)
		}
		return err
	})
	into[domain] = version
	return err
}

// function reads a FunctionProto: 1 name, 4 inputs, 5 outputs, 7 nodes, 9 operator sets, 10 domain.
func (r *reader) function(m *Model, f field) error {
	fn := Function{Opsets: map[string]int64{}}
	r.keepAttributes = true
	defer func() { r.keepAttributes = false }()
	err := r.inside(f, func(f field) (err error) {
		var s string
		switch f.id {
		case 1:
			fn.Name, err = r.text(f)
		case 4:
			s, err = r.text(f)
			fn.Inputs = append(fn.Inputs, s)
		case 5:
			s, err = r.text(f)
			fn.Outputs = append(fn.Outputs, s)
		case 7:
			var n *Node
			n, err = r.node(f)
			fn.Nodes = append(fn.Nodes, n)
		case 9:
			err = r.opset(fn.Opsets, f)
		case 10:
			fn.Domain, err = r.text(f)
		}
		return err
	})
	m.Functions = append(m.Functions, fn)
	return err
}

func (r *reader) graphFields(g *Graph, f field) error {
	if r.depth++; r.depth > maxDepth {
		return damaged(f.at, "graphs lie more than %d deep in each other", maxDepth)
	}
	defer func() { r.depth-- }()
	return r.inside(f, func(f field) error { return r.graphField(g, f) })
}

func (r *reader) graphField(g *Graph, f field) (err error) {
	switch f.id {
	case 1:
		var n *Node
		n, err = r.node(f)
		g.Nodes = append(g.Nodes, n)
	case 2:
		g.Name, err = r.text(f)
	case 5:
		var t *Tensor
		if t, err = r.tensor(f); err == nil {
			g.Initializers[t.Name] = t
		}
	case 11, 12, 13:
		var v Value
		if v, err = r.value(f); err != nil {
			return err
		}
		g.Values[v.Name] = v
		switch f.id {
		case 11:
			g.Inputs = append(g.Inputs, v)
		case 12:
			g.Outputs = append(g.Outputs, v)
		}
	}
	return err
}

func (r *reader) node(f field) (*Node, error) {
	n := &Node{Attrs: map[string]*Attribute{}}
	if err := r.spend(f.at, 256); err != nil {
		return nil, err
	}
	err := r.inside(f, func(f field) (err error) {
		var s string
		switch f.id {
		case 1:
			s, err = r.text(f)
			n.Inputs = append(n.Inputs, s)
		case 2:
			s, err = r.text(f)
			n.Outputs = append(n.Outputs, s)
		case 3:
			n.Name, err = r.text(f)
		case 4:
			n.Op, err = r.text(f)
		case 5:
			var a *Attribute
			if a, err = r.attribute(f); err == nil {
				n.Attrs[a.Name] = a
				err = r.keep(n, a, f)
			}
		case 7:
			n.Domain, err = r.text(f)
		case 9:
			var k, v string
			if k, v, err = r.pair(f); k == "namespace" || k == "pkg.torch.onnx.name_scopes" {
				n.Scope = v
			}
		}
		return err
	})
	if n.Domain == "ai.onnx" {
		n.Domain = ""
	}
	return n, err
}

// keep copies an attribute's bytes for a node of a function, so that the node can be written again elsewhere.
func (r *reader) keep(n *Node, a *Attribute, f field) error {
	switch {
	case !r.keepAttributes || n.Bound:
		return nil
	case a.refers || len(a.Graphs) > 0 || f.to-f.at > maxText:
		n.Bound, n.attributes = true, nil
		return nil
	}
	if err := r.spend(f.at, f.to-f.at); err != nil {
		return err
	}
	b, err := r.bytes(f.at, f.to-f.at)
	n.attributes = append(n.attributes, b...)
	return err
}

func (r *reader) attribute(f field) (*Attribute, error) {
	a := &Attribute{}
	if err := r.spend(f.at, 200); err != nil {
		return nil, err
	}
	err := r.inside(f, func(f field) (err error) {
		switch f.id {
		case 1:
			a.Name, err = r.text(f)
		case 2:
			a.F = math.Float32frombits(uint32(f.number))
		case 3:
			a.I = int64(f.number)
		case 4:
			if f.length() <= maxText { // longer ones are data, not settings
				a.S, err = r.text(f)
			}
		case 5:
			a.T, err = r.tensor(f)
		case 6, 11:
			g := newGraph()
			err = r.graphFields(&g, f)
			a.Graphs = append(a.Graphs, &g)
		case 8:
			a.Ints, err = r.integers(a.Ints, f)
		case 21:
			a.refers = f.length() > 0
		}
		return err
	})
	return a, err
}

// tensor reads a constant's name, type and dimensions, and its numbers if they are few.
func (r *reader) tensor(f field) (*Tensor, error) {
	t := &Tensor{}
	var raw []byte
	if err := r.spend(f.at, 200); err != nil {
		return nil, err
	}
	err := r.inside(f, func(f field) (err error) {
		switch {
		case f.id == 1:
			t.Dims, err = r.integers(t.Dims, f)
		case f.id == 2:
			t.Type = DType(f.number)
		case f.id == 4 && f.length() <= smallTensor:
			err = r.floats(t, f)
		case (f.id == 5 || f.id == 7) && f.length() <= smallTensor && len(t.Ints) <= smallTensor:
			t.Ints, err = r.integers(t.Ints, f)
		case f.id == 8:
			t.Name, err = r.text(f)
		case f.id == 9 && f.length() <= smallTensor && f.kind == protowire.BytesType:
			var b []byte
			b, err = r.bytes(f.off, f.length())
			raw = slices.Clone(b)
		case f.id == 13:
			var k, v string
			k, v, err = r.pair(f)
			switch n, bad := strconv.ParseInt(v, 10, 64); {
			case k == "location":
				t.External = v
			case k == "offset" && bad == nil, k == "length" && bad == nil:
				t.externalEnd += max(0, min(n, 1<<60))
			}
		}
		return err
	})
	t.decode(raw)
	return t, err
}

// floats appends field 4 of a TensorProto, packed or not.
func (r *reader) floats(t *Tensor, f field) error {
	if f.kind == protowire.Fixed32Type {
		if len(t.Floats) < smallTensor {
			t.Floats = append(t.Floats, math.Float32frombits(uint32(f.number)))
		}
		return nil
	}
	b, err := r.bytes(f.off, f.length())
	for ; err == nil && len(b) >= 4; b = b[4:] {
		t.Floats = append(t.Floats, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return err
}

// decode reads the numbers of a small tensor from raw_data, which is little-endian.
func (t *Tensor) decode(raw []byte) {
	switch t.Type {
	case Int64:
		for ; len(raw) >= 8; raw = raw[8:] {
			t.Ints = append(t.Ints, int64(binary.LittleEndian.Uint64(raw)))
		}
	case Int32:
		for ; len(raw) >= 4; raw = raw[4:] {
			t.Ints = append(t.Ints, int64(int32(binary.LittleEndian.Uint32(raw))))
		}
	case Float32:
		for ; len(raw) >= 4; raw = raw[4:] {
			t.Floats = append(t.Floats, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
		}
	}
}

// value reads a ValueInfoProto. Only tensors have dimensions here; sequences and maps come without.
func (r *reader) value(f field) (Value, error) {
	var v Value
	if err := r.spend(f.at, 200); err != nil {
		return v, err
	}
	err := r.inside(f, func(f field) (err error) {
		switch f.id {
		case 1:
			v.Name, err = r.text(f)
		case 2:
			err = r.inside(f, func(f field) error {
				if f.id != 1 {
					return nil
				}
				return r.inside(f, func(f field) error { return r.tensorType(&v, f) })
			})
		}
		return err
	})
	return v, err
}

func (r *reader) tensorType(v *Value, f field) error {
	switch f.id {
	case 1:
		v.Type = DType(f.number)
	case 2:
		v.Known = true
		return r.inside(f, func(f field) error { return r.dimension(v, f) })
	}
	return nil
}

func (r *reader) dimension(v *Value, f field) error {
	size, symbol := int64(-1), ""
	if err := r.spend(f.at, 32); err != nil {
		return err
	}
	err := r.inside(f, func(f field) (err error) {
		switch {
		case f.id == 1 && f.kind == protowire.VarintType:
			size = int64(f.number)
		case f.id == 2:
			symbol, err = r.text(f)
		}
		return err
	})
	if size < 0 {
		size = -1
	}
	v.Dims, v.Symbols = append(v.Dims, size), append(v.Symbols, symbol)
	return err
}

// count sums the parameters and collects the files of external data.
func (m *Model) count() {
	m.externalEnds = map[string]int64{}
	var graph func(g *Graph)
	tensor := func(t *Tensor) {
		switch t.Type {
		case Float32, Float16, BFloat16, Float64, Int8, Uint8:
			m.Parameters += t.Elements()
		}
		if t.External == "" {
			return
		}
		if _, seen := m.externalEnds[t.External]; !seen {
			m.External = append(m.External, t.External)
		}
		m.externalEnds[t.External] = max(m.externalEnds[t.External], t.externalEnd)
	}
	graph = func(g *Graph) {
		for _, t := range g.Initializers {
			tensor(t)
		}
		for _, n := range g.Nodes {
			for _, a := range n.Attrs {
				if a.T != nil {
					tensor(a.T)
				}
				for _, sub := range a.Graphs {
					graph(sub)
				}
			}
		}
	}
	graph(&m.Graph)
	slices.Sort(m.External) // initialisers come in random order
}
