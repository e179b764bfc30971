package onnx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cortexmap/internal/fault"
)

const testdata = "../../testdata"

// A model of our own, read back.
func TestParseReadsWhatBuilderWrites(t *testing.T) {
	b := addOne()
	b.Ops("com.microsoft:FusedThing", []string{"y", ""}, []string{"z"}, Float("alpha", 0.5), String("mode", "fast"), Ints("axes", -1, 2))
	raw := b.Model()
	m, err := Parse(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if m.IR != 8 || m.Opset() != 17 || m.Producer != "cortexmap" || m.Parameters != 7 || len(m.External) != 0 {
		t.Errorf("head is %+v", m)
	}
	want := []Value{{Name: "x", Type: Float32, Dims: []int64{-1, 2}, Symbols: []string{"N", ""}, Known: true}}
	if d := cmp.Diff(want, m.Graph.RuntimeInputs()); d != "" {
		t.Error(d)
	}
	last := m.Graph.Nodes[len(m.Graph.Nodes)-1]
	if last.Domain != "com.microsoft" || last.Op != "FusedThing" || last.Inputs[1] != "" || last.Outputs[0] != "z" {
		t.Errorf("last node is %+v", last)
	}
	if last.Attrs["alpha"].F != 0.5 || last.Attrs["mode"].S != "fast" || !cmp.Equal(last.Ints("axes"), []int64{-1, 2}) {
		t.Errorf("its attributes are %+v", last.Attrs)
	}
	if m.Opsets["com.microsoft"] != 1 || len(m.ForeignOperators()) != 0 {
		t.Errorf("domains are %v, foreign %v", m.Opsets, m.ForeignOperators())
	}
}

// A patch must look like the end of the model it is appended to.
func TestPatchIsMerged(t *testing.T) {
	raw := addOne().Model()
	p := NewBuilder(17)
	p.OpTo("twice", "Add", []string{"y", "y"})
	p.Output("twice", Undefined)
	raw = append(raw, p.Patch()...)
	m, err := Parse(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	g := &m.Graph
	if len(g.Nodes) != 5 || g.Nodes[4].Outputs[0] != "twice" || len(g.Outputs) != 2 || g.Outputs[1].Name != "twice" {
		t.Errorf("got %d nodes, outputs %v", len(g.Nodes), g.Outputs)
	}
	if !g.HasPrefix(Prefix) || g.HasPrefix("else/") {
		t.Error("HasPrefix is wrong")
	}
}

// structure.json holds what Python's onnx package reads (testdata/onnx/build.py).
func TestParseAgreesWithPython(t *testing.T) {
	type value struct {
		Name string
		Type DType
		Dims []int64
	}
	type structure struct {
		IR                              int64
		Opsets                          map[string]int64
		Producer                        string
		Nodes                           []string
		Count, Initializers, Parameters int64
		Inputs, Outputs                 []value
		Meta                            map[string]string
	}
	values := func(vs []Value) (out []value) {
		for _, v := range vs {
			out = append(out, value{v.Name, v.Type, v.Dims})
		}
		return out
	}
	raw, err := os.ReadFile(filepath.Join(testdata, "onnx", "structure.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]structure
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	for name, want := range all {
		t.Run(name, func(t *testing.T) {
			dir := "onnx"
			if name == "lite0.onnx" {
				dir = "demo"
			}
			m, err := ReadFile(filepath.Join(testdata, dir, name))
			if err != nil {
				t.Fatal(err)
			}
			g := &m.Graph
			got := structure{IR: m.IR, Opsets: m.Opsets, Producer: m.Producer, Count: int64(len(g.Nodes)), Initializers: int64(len(g.Initializers)),
				Parameters: m.Parameters, Inputs: values(g.Inputs), Outputs: values(g.Outputs), Meta: m.Meta}
			for i := 0; i < len(g.Nodes); i += 7 { // as the script does
				n := g.Nodes[i]
				got.Nodes = append(got.Nodes, fmt.Sprintf("%s(%s)->%s", n.Op, strings.Join(n.Inputs, ","), strings.Join(n.Outputs, ",")))
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// Each damage ends in a fault of class Input that says what was seen.
func TestDamage(t *testing.T) {
	whole := addOne().Model()
	cases := []struct{ name, data, want string }{
		{"empty", "", "the file is empty"},
		{"text", "this is not a model\n", "this is a text file"},
		{"utf-8 text", "Größe: 3 §\n", "this is a text file"},
		{"git lfs pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"},
		{"web page", "<!DOCTYPE html><html>", "web page"},
		{"checkpoint", "PK\x03\x04\x00\x00", "PyTorch checkpoint"},
		{"keras", "\x89HDF\r\n\x1a\n", "HDF5"},
		{"truncated", string(whole[:len(whole)-9]), "runs past the end"},
		{"no graph", string(appendInt(nil, 1, 8)), "no graph inside"},
		{"wrong wire type", "\x0b\x01", "at byte 0 a field has a kind that ONNX doesn't use"},
		{"message as number", "\x38\x01", "a number stands where a message is expected"},
		{"endless varint", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "a number is cut short"},
		{"deep", deep(100), "graphs lie more than 32 deep"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(strings.NewReader(c.data), int64(len(c.data)))
			var f *fault.Error
			if !errors.As(err, &f) || f.Class != fault.Input || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an input fault with %q", err, c.want)
			}
		})
	}
}

// deep nests graphs in attributes of nodes.
func deep(levels int) string {
	var g []byte
	for range levels {
		g = appendMessage(nil, 1, appendMessage(nil, 5, appendMessage(nil, 6, g)))
	}
	return string(appendMessage(nil, 7, g))
}

// Cut anywhere, a model is either refused with a fault or (where the cut falls between two fields of the
// model) read as the shorter model that it then is; it never panics.
func TestTruncatedEverywhere(t *testing.T) {
	whole := addOne().Model()
	for n := range whole {
		_, err := Parse(bytes.NewReader(whole[:n]), int64(n))
		var f *fault.Error
		if err != nil && !errors.As(err, &f) {
			t.Fatalf("%d bytes: %v is no fault", n, err)
		}
	}
}

func TestReadFilePlaces(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, data, 0o666); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if _, err := ReadFile(write("a.onnx", []byte("hello"))); err == nil || !strings.Contains(err.Error(), "a.onnx") {
		t.Errorf("the file is not named: %v", err)
	}
	if _, err := ReadFile(filepath.Join(dir, "none.onnx")); !errors.Is(err, fs.ErrNotExist) || fault.ClassOf(err) != fault.Input {
		t.Errorf("missing file: %v", err)
	}
	if _, err := ReadFile(dir); fault.ClassOf(err) != fault.Input {
		t.Errorf("folder: %v", err)
	}
	far := write("far.onnx", external("../w.bin"))
	if _, err := ReadFile(far); err == nil || !strings.Contains(err.Error(), "outside its own folder") {
		t.Errorf("escaping weights: %v", err)
	}
	near := write("near.onnx", external("w.bin"))
	if _, err := ReadFile(near); err == nil || !strings.Contains(err.Error(), "w.bin") {
		t.Errorf("missing weights: %v", err)
	}
	write("w.bin", nil)
	if m, err := ReadFile(near); err != nil || !cmp.Equal(m.External, []string{"w.bin"}) {
		t.Errorf("present weights: %v", err)
	}
}

// external is a model whose one weight lies in another file.
func external(location string) []byte {
	t := appendString(appendInt(appendInt(nil, 1, 4), 2, int64(Float32)), 8, "w")
	t = appendMessage(t, 13, appendString(appendString(nil, 1, "location"), 2, location))
	return append(addOne().Model(), appendMessage(nil, 7, appendMessage(nil, 5, t))...)
}

func FuzzParse(f *testing.F) {
	f.Add(addOne().Model())
	f.Add(external("w.bin"))
	f.Add([]byte(deep(40)))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(bytes.NewReader(data), int64(len(data)))
		if (m == nil) == (err == nil) {
			t.Error("neither or both of model and error")
		}
		var known *fault.Error
		if err != nil && !errors.As(err, &known) {
			t.Errorf("%v is no fault", err)
		}
		if err == nil {
			if p := m.Products(224); !(p >= 0) || math.IsInf(p, 1) {
				t.Errorf("%v products", p)
			}
		}
	})
}
