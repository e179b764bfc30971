package encoder

import (
	"compress/gzip"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/extract"
	"cortexmap/fit"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/npy"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
)

const nets = "../../testdata/onnx"

// photographs writes pictures of coloured blocks, small and not square, and opens them.
func photographs(t *testing.T, dir string, n int) *stimuli.Set {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 6))
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 60, 48))
		var block [6][6]color.RGBA
		for y := range block {
			for x := range block[y] {
				block[y][x] = color.RGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}
			}
		}
		for y := range 48 {
			for x := range 60 {
				img.Set(x, y, block[y/8][x/10])
			}
		}
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("p%03d.png", i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	set, err := stimuli.Folder(t.Context(), os.DirFS(dir), ".", stimuli.Options{Name: "blocks"})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// mapped runs the stages by hand: tokens of a network, a fit to random responses of placed units, both
// where a run puts them. It returns the mapping's folder.
func mapped(t *testing.T, rt *ort.Runtime, run, model string, set *stimuli.Set, protocol string, components int) string {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	net, err := extract.OpenNetwork(t.Context(), rt, model, extract.NetworkOptions{Threads: 1})
	check(err)
	features := filepath.Join(run, "features", "net-blocks-0123456789ab")
	check(os.MkdirAll(features, 0o777))
	var train, test []int
	for i := range set.Len() {
		if i%5 == 0 {
			test = append(test, i)
		} else {
			train = append(train, i)
		}
	}
	_, err = extract.Run(t.Context(), rt, net, set, features, extract.RunOptions{Key: "0123456789ab", Protocol: protocol, Components: components, Train: train, Threads: 1})
	check(err)
	f, err := store.OpenFeatures(features)
	check(err)
	defer f.Close()
	in := fit.Input{Features: f, Subject: units(set, 12), Train: train, Test: test}
	settings, err := fit.Defaults(protocol)
	check(err)
	settings.Epochs, settings.SelectorSteps, settings.Channels = 1, 20, 8
	m, err := fit.Run(t.Context(), rt, in, fit.Options{Settings: &settings, Threads: 1})
	check(err)
	m.Info.Network, m.Info.FeaturesKey, m.Info.Key = f.Manifest.Model, "0123456789ab", "ba9876543210"
	dir := filepath.Join(run, "mappings", "net", "twelve", protocol+"-seed0-ba9876543210")
	check(m.Write(dir))
	return dir
}

// units is a subject of n units on a sphere that answer at random; the last has no data.
func units(set *stimuli.Set, n int) *subject.Subject {
	r := rand.New(rand.NewPCG(7, 8))
	s := &subject.Subject{Name: "twelve", Images: set, Units: n, StimulusDegrees: math.NaN()}
	for range n {
		x, y, z := r.NormFloat64(), r.NormFloat64(), r.NormFloat64()
		by := 100 / math.Sqrt(x*x+y*y+z*z)
		s.Positions = append(s.Positions, [3]float32{float32(x * by), float32(y * by), float32(z * by)})
	}
	for range set.Len() {
		for v := range n {
			y := float32(r.NormFloat64())
			if v == n-1 {
				y = float32(math.NaN())
			}
			s.Responses = append(s.Responses, y)
		}
	}
	return s
}

// TestExportAndPredict maps networks of each kind of layout, exports the encoders and predicts the same
// pictures from their files. What comes out is what plain loops make of the tokens in the store. The
// networks' tokens may differ in the last bit of binary16 between batches, hence 1e-2 SD, not 1e-4; a wrong
// picture, layer or unit is off by about 1.
func TestExportAndPredict(t *testing.T) {
	rt := orttest.Runtime(t)
	photos := t.TempDir()
	set := photographs(t, photos, 60)
	for _, c := range []struct {
		model, protocol string
		components      int
	}{
		{"vit.ts.onnx", "sound", 0},                     // sequence with a class token
		{"vit.ts.onnx", "sound", 12},                    // and with principal components of every layer
		{"swin.stripped.onnx", "paper", 0},              // channels last
		{"clip.ts.onnx", "sound", 0},                    // batch second
		{"resnet.ts.onnx", "paper", 12},                 // components of the wide layers, the narrow ones whole
		{"zoo/hiera.ts.onnx.gz", "sound", 0},            // tokens window by window
		{"variants/resnet.inputs.onnx.gz", "paper", 0},  // weights among the inputs
		{"variants/resnet.half.onnx.gz", "sound", 0},    // binary16 inside
		{"variants/registers.qdq.onnx.gz", "sound", 0},  // quantised
		{"variants/resnet.dynamic.onnx.gz", "sound", 0}, // quantised by the batch
	} {
		run := t.TempDir()
		path := unpacked(t, filepath.Join(nets, c.model))
		dir := mapped(t, rt, run, path, set, c.protocol, c.components)
		to := filepath.Join(run, "encoder.onnx")
		x, err := Export(t.Context(), rt, ExportOptions{Run: run, Choice: Choice{Seed: -1}, To: to, Threads: 1, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Errorf("%s: %v", c.model, err)
			continue
		}
		if x.Columns != 12 || x.Images != 12 || !(x.WorstSD < tolerance) {
			t.Errorf("%s: exported %+v", c.model, x)
		}
		out := filepath.Join(run, "predicted")
		p, err := Predict(t.Context(), rt, PredictOptions{Encoder: to, Images: []string{photos}, Out: out, Threads: 1,
			Log: slog.New(slog.DiscardHandler), Progress: func(string, int, int) {}})
		if err != nil {
			t.Errorf("%s: %v", c.model, err)
			continue
		}
		got := responses(t, p.Responses)
		want := loops(t, dir, filepath.Join(run, "features", "net-blocks-0123456789ab"))
		if d := worst(got, want, 12); !(d < 1e-2) {
			t.Errorf("%s: predicted from pictures, responses are up to %.1e SD off", c.model, d)
		}
		checkCut(t, path, to)
	}
}

// unpacked is the path of a network, which may be compressed.
func unpacked(t *testing.T, path string) string {
	t.Helper()
	name, packed := strings.CutSuffix(filepath.Base(path), ".gz")
	if !packed {
		return path
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(out, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return out
}

func responses(t *testing.T, path string) []float32 {
	t.Helper()
	a, err := npy.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	x, err := a.Float32()
	if err != nil {
		t.Fatal(err)
	}
	return append([]float32(nil), x...)
}

// loops is fit.Predict of all the store's rows.
func loops(t *testing.T, mapping, features string) []float64 {
	t.Helper()
	m, err := store.ReadMapping(mapping)
	if err != nil {
		t.Fatal(err)
	}
	f, err := store.OpenFeatures(features)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows := make([]int, f.Len())
	for i := range rows {
		rows[i] = i
	}
	tokens := make([][]uint16, len(f.Layers))
	for l := range tokens {
		tokens[l] = make([]uint16, len(rows)*f.RowLen(l))
		if err := f.Read(context.Background(), l, rows, tokens[l]); err != nil {
			t.Fatal(err)
		}
	}
	y, err := fit.Predict(m, tokens, len(rows))
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// checkCut: the encoder has one output, and nothing of the network's head.
func checkCut(t *testing.T, network, encoder string) {
	t.Helper()
	n, err := onnx.ReadFile(network)
	if err != nil {
		t.Fatal(err)
	}
	e, err := onnx.ReadFile(encoder)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Graph.Outputs) != 1 || e.Opset() != n.Opset() || e.IR != n.IR {
		t.Errorf("%s: outputs %v, opset %d, IR %d", network, e.Graph.Outputs, e.Opset(), e.IR)
	}
	made := map[string]bool{}
	for _, node := range e.Graph.Nodes {
		for _, o := range node.Outputs {
			made[o] = true
		}
	}
	for _, o := range n.Graph.Outputs {
		if made[o.Name] {
			t.Errorf("%s: the encoder still computes the network's output %s", network, o.Name)
		}
	}
}

// TestExportRefuses: what can't be exported is said before a file is written.
func TestExportRefuses(t *testing.T) {
	rt := orttest.Runtime(t)
	photos, run := t.TempDir(), t.TempDir()
	set := photographs(t, photos, 40)
	dir := mapped(t, rt, run, filepath.Join(nets, "resnet.dyn.onnx"), set, "sound", 0)
	o := ExportOptions{Run: run, Choice: Choice{Seed: -1}, To: filepath.Join(t.TempDir(), "e.onnx"), Threads: 1, Log: slog.New(slog.DiscardHandler)}
	// A half-sample is nothing that is exported by a run's name; a mapping with an ablation is.
	twice := t.TempDir()
	for name, change := range map[string]func(*store.FitInfo){"a": func(i *store.FitInfo) {}, "b": func(i *store.FitInfo) { i.Ablation = fit.Centre },
		"half": func(i *store.FitInfo) { i.Refit = "half-sample 1" }} {
		m, err := store.ReadMapping(dir)
		if err != nil {
			t.Fatal(err)
		}
		change(&m.Info)
		if err := m.Write(filepath.Join(twice, "mappings", "net", "blocks", name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, want string
		change     func(*ExportOptions)
	}{
		{"no run", "holds no mapping", func(o *ExportOptions) { o.Run = photos }},
		{"other seed", "none of the mappings is meant; there are:", func(o *ExportOptions) { o.Choice.Seed = 3 }},
		{"two ablations", "2 mappings may be meant: resnet", func(o *ExportOptions) { o.Run = twice }},
		{"ending", "must end in .onnx", func(o *ExportOptions) { o.To += ".bin" }},
		{"other network", "is not the network that was mapped", func(o *ExportOptions) { o.Network = filepath.Join(nets, "resnet.ts.onnx") }},
		{"no network", "is no longer at", func(o *ExportOptions) { o.Network = "nowhere.onnx" }},
	} {
		opts := o
		c.change(&opts)
		_, err := Export(t.Context(), rt, opts)
		if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := os.Stat(o.To); err == nil {
		t.Error("something was written")
	}
	if err := os.RemoveAll(filepath.Join(run, "features")); err != nil {
		t.Fatal(err)
	}
	opts := o
	opts.Run = dir
	if _, err := Export(t.Context(), rt, opts); err == nil || !strings.Contains(err.Error(), "are not in its run's folder") {
		t.Errorf("without tokens: %v", err)
	}
	_, err := Predict(t.Context(), rt, PredictOptions{Encoder: filepath.Join(nets, "resnet.dyn.onnx"), Images: []string{photos}, Out: t.TempDir(), Threads: 1})
	if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "not an encoder") {
		t.Errorf("a network as encoder: %v", err)
	}
}
