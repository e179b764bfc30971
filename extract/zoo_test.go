package extract

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
)

// specimen is a network of the zoo: what its JSON says, made by testdata/onnx/zoo.py.
type specimen struct {
	name   string
	path   string // without an exporter's ending
	Side   int
	Inputs map[string][]float64
	Blocks []goldenBlock
	tokens []float32
}

// zoo reads the committed specimens, and those in the folder CORTEXMAP_ZOO, where there is one.
func zoo(t *testing.T) []specimen {
	t.Helper()
	var all []specimen
	for _, dir := range []string{filepath.Join(testdata, "onnx", "zoo"), os.Getenv("CORTEXMAP_ZOO")} {
		if dir == "" {
			continue
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			all = append(all, readSpecimen(t, strings.TrimSuffix(f, ".json")))
		}
	}
	return all
}

func unzipped(t *testing.T, path string) (raw []byte, exists bool) {
	t.Helper()
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err == nil {
		raw, err = io.ReadAll(z)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return raw, true
}

// picture is one picture of white noise, the first of picture's for a side of 112.
func (s *specimen) picture() []float32 { return whiteNoise(3 * s.Side * s.Side) }

// card is a card file with the other inputs' constants, "" where there are none.
func (s *specimen) card(t *testing.T) string {
	t.Helper()
	if len(s.Inputs) == 0 {
		return ""
	}
	var text strings.Builder
	text.WriteString("inputs:\n")
	for _, name := range slices.Sorted(maps.Keys(s.Inputs)) {
		fmt.Fprintf(&text, "  %s: %s\n", name, strings.ReplaceAll(fmt.Sprint(s.Inputs[name]), " ", ", "))
	}
	path := filepath.Join(t.TempDir(), "card.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// float32Taps runs one picture and returns each layer's tokens before and after the cast to binary16.
func float32Taps(t *testing.T, rt *ort.Runtime, n *Network, x []float32) (full, half [][]float32) {
	t.Helper()
	b := onnx.NewBuilder(n.Model.Opset())
	var outputs []string
	for _, l := range n.Layers {
		out := n.tap(b, l).fitted(FitGrid, Sound)
		b.Output(out, onnx.Undefined)
		outputs = append(outputs, out)
	}
	s, err := n.session(rt, b, outputs, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	room := n.feed.room(int(max(n.feed.frozen, 1)))
	for i := range max(n.feed.frozen, 1) {
		room.set(int(i), x)
	}
	in, err := room.tensors(int(max(n.feed.frozen, 1)))
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(in)
	out := make([]*ort.Tensor, len(outputs))
	if err := s.Run(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	defer closeAll(out)
	for i, o := range out {
		all := slices.Clone(o.F32()[:65*n.Layers[i].Width])
		bits, rounded := make([]uint16, len(all)), make([]float32, len(all))
		store.HalfSlice(bits, all)
		store.FloatSlice(rounded, bits)
		full, half = append(full, all), append(half, rounded)
	}
	return full, half
}

// verdict is how the layers that were found compare with a specimen's blocks.
type verdict struct{ missing, extra []string }

// match pairs blocks with layers in order: a layer is the block's if its tokens agree to 1e-4 of the largest
// before the cast (float32 sums of a few dozen terms in another order, through a dozen layers) and to 1e-3
// after it (binary16's unit is 2^-11 of a number).
func match(s specimen, layers []store.Layer, full, half [][]float32) verdict {
	var v verdict
	taken := make([]bool, len(layers))
	want := s.tokens
	for _, b := range s.Blocks {
		k := 65 * b.Width
		found := -1
		for i, l := range layers {
			if !taken[i] && l.Width == b.Width && relative(full[i], want[:k]) <= 1e-4 && relative(half[i], want[:k]) <= 1e-3 {
				found = i
				break
			}
		}
		want = want[k:]
		if found < 0 {
			v.missing = append(v.missing, b.Name)
			continue
		}
		taken[found] = true
	}
	for i, l := range layers {
		if !taken[i] {
			v.extra = append(v.extra, l.Name+"("+l.Kind+")")
		}
	}
	return v
}

// Every block that PyTorch's hooks saw must be among the layers, with its tokens, and at most a twentieth as
// many others. A graph without names must give the very same tensors.
func TestZoo(t *testing.T) {
	rt := orttest.Runtime(t)
	architectures := map[string]bool{}
	for _, s := range zoo(t) {
		for _, exporter := range []string{"ts", "dyn", "tf"} {
			raw, ok := unzipped(t, s.path+"."+exporter+".onnx.gz")
			if !ok {
				continue // the exporter can't
			}
			architectures[s.name] = true
			t.Run(s.name+"."+exporter, func(t *testing.T) {
				net, err := OpenNetwork(context.Background(), rt, s.name, NetworkOptions{Bytes: raw, Card: s.card(t), Threads: 1})
				if err != nil {
					t.Fatal(err)
				}
				full, half := float32Taps(t, rt, net, s.picture())
				v := match(s, net.Layers, full, half)
				if len(v.missing) > 0 || 20*len(v.extra) > len(s.Blocks) {
					t.Errorf("of %d blocks missing: %v; extra: %v", len(s.Blocks), v.missing, v.extra)
					for _, w := range net.Warnings {
						t.Log(w.Text)
					}
				}
				stripped, renamed := strip(t, raw)
				bare, err := onnx.Parse(bytes.NewReader(stripped), int64(len(stripped)))
				if err != nil {
					t.Fatal(err)
				}
				found, err := FindLayers(bare)
				if err != nil {
					t.Fatal(err)
				}
				same := len(found) == len(net.Found)
				for i := range min(len(found), len(net.Found)) {
					same = same && found[i].Tensor == renamed(net.Found[i].Tensor) && found[i].Kind == net.Found[i].Kind
				}
				if !same {
					t.Errorf("without names other tensors are found: %v against %v", found, net.Found)
				}
			})
		}
	}
	if len(architectures) < 25 {
		t.Errorf("the zoo holds %d architectures, 25 are wanted", len(architectures))
	}
}

// strip takes every name that isn't an input's or output's, every scope and every declared shape out of a
// model's bytes, on the wire. renamed tells a tensor's new name.
func strip(t *testing.T, model []byte) (stripped []byte, renamed func(string) string) {
	t.Helper()
	m, err := onnx.Parse(bytes.NewReader(model), int64(len(model)))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{"": ""}
	for _, v := range slices.Concat(m.Graph.Inputs, m.Graph.Outputs) {
		names[v.Name] = v.Name
	}
	renamed = func(old string) string {
		if _, ok := names[old]; !ok {
			names[old] = fmt.Sprintf("t%d", len(names)*7919%100003)
		}
		return names[old]
	}
	const rename, drop = "rename", "drop"
	type rules map[protowire.Number]any // field → what to do with it, or the rules of the message in it
	tensor := rules{8: rename, 12: drop}
	node := rules{1: rename, 2: rename, 3: drop, 6: drop, 9: drop}
	graph := rules{1: node, 5: tensor, 10: drop, 13: drop, 16: drop}
	node[5] = rules{6: graph, 11: graph} // bodies of If and Loop
	var walk func(b []byte, r rules) []byte
	walk = func(b []byte, r rules) (out []byte) {
		for len(b) > 0 {
			id, kind, head := protowire.ConsumeTag(b)
			size := protowire.ConsumeFieldValue(id, kind, b[head:])
			if head < 0 || size < 0 {
				t.Fatal("the model can't be walked")
			}
			field := b[:head+size]
			b = b[head+size:]
			if r[id] == nil || kind != protowire.BytesType {
				out = append(out, field...)
				continue
			}
			content, _ := protowire.ConsumeBytes(field[head:])
			switch rule := r[id].(type) {
			case rules:
				content = walk(content, rule)
			default:
				if rule == drop {
					continue
				}
				content = []byte(renamed(string(content)))
			}
			out = protowire.AppendBytes(protowire.AppendTag(out, id, kind), content)
		}
		return out
	}
	return walk(model, rules{7: graph}), renamed
}
