package extract

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
)

// pictureFiles makes n small PNGs, each another colour ramp.
func pictureFiles(t testing.TB, n int) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 40, 32))
		for y := range 32 {
			for x := range 40 {
				img.Set(x, y, color.RGBA{uint8(6*x + 3*i), uint8(7 * y), uint8(x*y + 40*i), 255})
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		files["p"+string(rune('a'+i))+".png"] = &fstest.MapFile{Data: b.Bytes()}
	}
	return files
}

func pictureSet(t testing.TB, files fs.FS) *stimuli.Set {
	t.Helper()
	set, err := stimuli.Folder(context.Background(), files, ".", stimuli.Options{Name: "ramps"})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func fixture(t testing.TB, name string) *Network {
	t.Helper()
	return openNetwork(t, filepath.Join(testdata, "onnx", name), NetworkOptions{Threads: 1})
}

func openStore(t *testing.T, dir string) *store.Features {
	t.Helper()
	f, err := store.OpenFeatures(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// halfOf is a row's tokens of a layer, as they are stored.
func halfOf(t *testing.T, f *store.Features, layer, row int) []uint16 {
	t.Helper()
	half := make([]uint16, f.RowLen(layer))
	if err := f.Read(context.Background(), layer, []int{row}, half); err != nil {
		t.Fatal(err)
	}
	return half
}

func tokensOf(t *testing.T, f *store.Features, layer, row int) []float32 {
	t.Helper()
	half := halfOf(t, f, layer, row)
	out := make([]float32, len(half))
	store.FloatSlice(out, half)
	return out
}

// contents maps every file below dir but the manifest, whose seconds vary, to its bytes.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == store.ManifestName {
			return err
		}
		b, err := os.ReadFile(p)
		files[strings.TrimPrefix(p, dir)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The store must hold, for every picture, what the tapped graph gives for that picture alone.
func TestRunStoresTokens(t *testing.T) {
	rt, net := orttest.Runtime(t), fixture(t, "vit.ts.onnx")
	set := pictureSet(t, pictureFiles(t, 7))
	dir := t.TempDir()
	var steps []int
	m, err := Run(context.Background(), rt, net, set, dir, RunOptions{Key: "k", Batch: 2, PartRows: 4, Threads: 1,
		Progress: func(done, total int) { steps = append(steps, done) }})
	if err != nil {
		t.Fatal(err)
	}
	if m.Images != 7 || m.Batch != 2 || m.Protocol != Sound || m.Model.SHA256 == "" || m.Library != rt.Version() {
		t.Errorf("manifest is %+v", m)
	}
	if len(m.Nodes) != 1 || m.Nodes["CPUExecutionProvider"] < 6 || m.Precision != "float32" {
		t.Errorf("of %d nodes, on %v, at %s", len(net.Model.Graph.Nodes), m.Nodes, m.Precision)
	}
	if d := cmp.Diff([]int{2, 4, 6, 7}, steps); d != "" {
		t.Error("progress", d)
	}
	f := openStore(t, dir)
	for row := range set.Len() {
		img, err := set.Pixels(row)
		if err != nil {
			t.Fatal(err)
		}
		room := net.feed.room(1)
		room.put(0, img)
		for l, want := range runTaps(t, rt, net, room.f32, 1, Sound) {
			if d := relative(tokensOf(t, f, l, row), want); d > aloneTolerance {
				t.Errorf("picture %d, layer %d: stored tokens differ by %.1e of the largest", row, l, d)
			}
		}
		if f.Images[row] != set.Stimuli[row].Digest || f.Index[row] != int64(row) {
			t.Errorf("row %d is of another picture", row)
		}
	}
}

// A run that was stopped somewhere and taken up again leaves the same bytes as one that was not.
func TestRunResumes(t *testing.T) {
	rt, net := orttest.Runtime(t), fixture(t, "resnet.ts.onnx")
	set := pictureSet(t, pictureFiles(t, 9))
	o := RunOptions{Key: "k", Batch: 2, PartRows: 4, Threads: 1}
	whole := t.TempDir()
	if _, err := Run(context.Background(), rt, net, set, whole, o); err != nil {
		t.Fatal(err)
	}
	for stop := range 5 {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		cut := o
		batches := 0
		cut.Progress = func(int, int) {
			if batches++; batches > stop {
				cancel()
			}
		}
		_, err := Run(ctx, rt, net, set, dir, cut)
		if stop < 4 && !errors.Is(err, context.Canceled) {
			t.Errorf("stopped after %d batches: %v", stop, err)
		}
		if _, err := os.Stat(filepath.Join(dir, store.ManifestName)); err == nil && stop < 4 {
			t.Error("a stopped run left a manifest")
		}
		again := o
		first := -1
		again.Progress = func(done, _ int) {
			if first < 0 {
				first = done
			}
		}
		if _, err := Run(context.Background(), rt, net, set, dir, again); err != nil {
			t.Fatal(err)
		}
		if want := 2 + 2*min(1, stop/2); stop < 4 && first < want {
			t.Errorf("stopped after %d batches: the next run began at %d, finished parts were made again", stop, first)
		}
		if d := cmp.Diff(contents(t, whole), contents(t, dir)); d != "" {
			t.Errorf("stopped after %d batches: files differ", stop)
		}
		cancel()
	}
}

// Parts of other pictures, and damaged ones, are made anew.
func TestRunMistrustsParts(t *testing.T) {
	rt, net := orttest.Runtime(t), fixture(t, "resnet.ts.onnx")
	files := pictureFiles(t, 5)
	o := RunOptions{Key: "k", Batch: 2, PartRows: 4, Threads: 1}
	want := t.TempDir()
	if _, err := Run(context.Background(), rt, net, pictureSet(t, files), want, o); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	other := pictureFiles(t, 7)
	delete(other, "pa.png")
	delete(other, "pb.png")
	if _, err := Run(context.Background(), rt, net, pictureSet(t, other), dir, o); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(store.PartPath(dir, net.Layers[3], len(net.Layers), 1), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), rt, net, pictureSet(t, files), dir, o); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(contents(t, want), contents(t, dir)); d != "" {
		t.Error("files differ")
	}
}

func TestCorruptPicture(t *testing.T) {
	rt, net := orttest.Runtime(t), fixture(t, "resnet.ts.onnx")
	files := pictureFiles(t, 6)
	files["pc.png"].Data = files["pc.png"].Data[:90]
	set := pictureSet(t, files)
	o := RunOptions{Key: "k", Batch: 4, PartRows: 4, Threads: 1}
	_, err := Run(context.Background(), rt, net, set, t.TempDir(), o)
	if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "pc.png") {
		t.Errorf("got %v, want an input fault that names pc.png", err)
	}
	o.KeepGoing = true
	dir := t.TempDir()
	for range 2 { // the second finds everything finished and must say the same
		m, err := Run(context.Background(), rt, net, set, dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if m.Images != 5 || !cmp.Equal(m.LeftOut, []string{"pc.png"}) || m.Warnings[len(m.Warnings)-1].ID != "pictures-left-out" {
			t.Errorf("manifest has %d images, left out %v, warnings %v", m.Images, m.LeftOut, m.Warnings)
		}
	}
	f := openStore(t, dir)
	if !cmp.Equal(f.Index, []int64{0, 1, 3, 4, 5}) {
		t.Errorf("index is %v", f.Index)
	}
}

// When its context ends, Run stops within two seconds and leaves no file that looks finished but isn't.
func TestRunCancels(t *testing.T) {
	rt := orttest.Runtime(t)
	net := openNetwork(t, filepath.Join(testdata, "demo", "lite0.onnx"), NetworkOptions{})
	set := pictureSet(t, os.DirFS(filepath.Join(testdata, "demo", "photos")))
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	var stopped time.Time
	_, err := Run(ctx, rt, net, set, dir, RunOptions{Key: "k", Progress: func(done, total int) {
		if stopped.IsZero() {
			stopped = time.Now()
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if d := time.Since(stopped); d > 2*time.Second {
		t.Errorf("stopping took %v", d)
	}
	for name := range contents(t, dir) {
		t.Errorf("%s was left", name)
	}
}

// A layer whose numbers pass binary16's range is named, with the picture.
func TestOverflow(t *testing.T) {
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Float32, "N", 3, 16, 16)
	conv := func(x string, scale float32) string {
		w := make([]float32, 9)
		for i := range w {
			w[i] = scale
		}
		return b.Op("Relu", []string{b.Op("Conv", []string{x, b.ConstF32(w, 3, 3, 1, 1)})})
	}
	small := conv("x", 1)
	b.OpTo("big", "Identity", []string{conv(small, 1e5)})
	b.OpTo("y", "GlobalAveragePool", []string{conv("big", 1e-5)})
	b.Output("y", onnx.Float32, "N", 3, 1, 1)
	net := buildNetwork(t, b)
	rt, set := orttest.Runtime(t), pictureSet(t, pictureFiles(t, 3))
	_, run := Run(context.Background(), rt, net, set, t.TempDir(), RunOptions{Key: "k"})
	_, native := Native(context.Background(), rt, net, set, span(0, 3), t.TempDir(), RunOptions{Key: "k"})
	for _, err := range []error{run, native} {
		var f *fault.Error
		if !errors.As(err, &f) || f.Class != fault.Input || f.At != net.Path || !strings.Contains(f.What, "conv2") || !strings.Contains(f.What, ".png") {
			t.Errorf("got %v", err)
		}
	}
}

// buildNetwork writes a model without our own prefix, as an exporter would.
func buildNetwork(t *testing.T, b *onnx.Builder) *Network {
	t.Helper()
	model := bytes.ReplaceAll(b.Model(), []byte(onnx.Prefix), []byte("different/"))
	path := filepath.Join(t.TempDir(), "net.onnx")
	if err := os.WriteFile(path, model, 0o666); err != nil {
		t.Fatal(err)
	}
	return openNetwork(t, path, NetworkOptions{})
}

// Dropout that was left on is found on the first batch.
func TestRandomNetwork(t *testing.T) {
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Float32, "N", 3, 16, 16)
	w := b.ConstF32(make([]float32, 9), 3, 3, 1, 1)
	c := b.Op("Conv", []string{"x", w})
	noise := b.Op("RandomNormalLike", []string{c})
	r := b.Op("Relu", []string{b.Op("Add", []string{c, noise})})
	r = b.Op("Relu", []string{b.Op("Conv", []string{r, b.ConstF32([]float32{1, 0, 0, 0, 1, 0, 0, 0, 1}, 3, 3, 1, 1)})})
	b.OpTo("y", "Conv", []string{r, w})
	b.Output("y", onnx.Float32, "N", 3, 16, 16)
	net := buildNetwork(t, b)
	_, err := Run(context.Background(), orttest.Runtime(t), net, pictureSet(t, pictureFiles(t, 3)), t.TempDir(), RunOptions{Key: "k"})
	if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "random numbers") {
		t.Errorf("got %v", err)
	}
}

func TestOpenNetworkRefuses(t *testing.T) {
	rt := orttest.Runtime(t)
	open := func(b *onnx.Builder, change func([]byte) []byte) error {
		model := bytes.ReplaceAll(b.Model(), []byte(onnx.Prefix), []byte("different/"))
		_, err := OpenNetwork(context.Background(), rt, "net.onnx", NetworkOptions{Bytes: change(model)})
		return err
	}
	conv := func(opset int64) *onnx.Builder {
		b := onnx.NewBuilder(opset)
		b.Input("x", onnx.Float32, "N", 3, 16, 16)
		r := b.Op("Relu", []string{b.Op("Conv", []string{"x", b.ConstF32(make([]float32, 9), 3, 3, 1, 1)})})
		b.OpTo("y", "Identity", []string{r})
		b.Output("y", onnx.Float32, "N", 3, 16, 16)
		return b
	}
	same := func(m []byte) []byte { return m }
	custom := conv(17)
	custom.OpTo("z", "mmdeploy:MSDeformAttn", []string{"y"})
	second := conv(17)
	second.Input("text", onnx.Float32, "N", 77)
	second.OpTo("z", "Identity", []string{"text"})
	double := onnx.NewBuilder(17)
	double.Input("x", onnx.Float64, "N", 3, 16, 16)
	double.OpTo("y", "Relu", []string{"x"})
	double.Output("y", onnx.Float64, "N", 3, 16, 16)
	cases := []struct {
		name, want string
		err        error
	}{
		{"opset", "uses opset 99", open(conv(99), same)},
		{"operator", "mmdeploy:MSDeformAttn", open(custom, same)},
		{"second input", "besides the picture the model wants text[N, 77]", open(second, same)},
		{"truncated", "damaged, cut short", open(conv(17), func(m []byte) []byte { return m[:len(m)-3] })},
		{"text", "text file", open(conv(17), func([]byte) []byte { return []byte("hello") })},
		{"tapped", "tapped already", open(conv(17), func(m []byte) []byte { return bytes.ReplaceAll(m, []byte("different/"), []byte(onnx.Prefix)) })},
	}
	for _, c := range cases {
		if fault.ClassOf(c.err) != fault.Input || !strings.Contains(c.err.Error(), c.want) || !strings.Contains(c.err.Error(), "net.onnx") {
			t.Errorf("%s: got %v, want %q and the file", c.name, c.err, c.want)
		}
	}
	_ = ort.Pinned
}

func TestInspect(t *testing.T) {
	rt := orttest.Runtime(t)
	path := filepath.Join(testdata, "demo", "lite0.onnx")
	net := openNetwork(t, path, NetworkOptions{})
	r, err := net.Inspect(context.Background(), rt, 10000, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Layers) != 16 || r.Model.Opset != 17 || r.Model.Parameters != 4631002 || r.Estimate.Seconds <= 0 {
		t.Errorf("report is %+v", r)
	}
	perImage := int64(0)
	for _, l := range r.Layers {
		perImage += int64(65*2*l.Width + rowOverhead)
	}
	if r.Estimate.BytesAnImage != perImage || r.Estimate.Bytes != 10000*perImage {
		t.Errorf("estimate is %+v", r.Estimate)
	}
	still, err := OpenNetwork(context.Background(), nil, path, NetworkOptions{NoRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(net.Layers, still.Layers); d != "" {
		t.Error("without running:", d) // this file declares all shapes
	}
	if s, err := still.Inspect(context.Background(), nil, 10000, 0); err != nil || s.Estimate.Bytes != r.Estimate.Bytes || s.Estimate.Seconds != 0 {
		t.Errorf("without running: %+v, %v", s.Estimate, err)
	}
}

// Every picture is accounted for, whatever its name is and how often it comes: rows are known by content and place.
func TestOddNamesAndDuplicates(t *testing.T) {
	rt, net := orttest.Runtime(t), fixture(t, "resnet.ts.onnx")
	plain := pictureFiles(t, 3)
	files := fstest.MapFS{}
	for _, name := range []string{"a b.png", `quo"te's.png`, "many.dots.in.it.png", "new\nline.png", "größe 漢字.png", "-rf.png", "sub/twice.png", "%2e.png", "a;b&c.PNG"} {
		files[name] = plain["pa.png"]
	}
	files["z.png"] = plain["pb.png"]
	set := pictureSet(t, files)
	if set.Len() != len(files) {
		t.Fatalf("%d of %d pictures are in the set", set.Len(), len(files))
	}
	dir := t.TempDir()
	m, err := Run(context.Background(), rt, net, set, dir, RunOptions{Key: "k", Batch: 4, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	f := openStore(t, dir)
	if m.Images != len(files) || f.Len() != len(files) || len(m.LeftOut) != 0 {
		t.Fatalf("%d rows and %d left out for %d pictures", f.Len(), len(m.LeftOut), len(files))
	}
	first := halfOf(t, f, 0, 0)
	for row := range f.Len() {
		if f.Index[row] != int64(row) || f.Images[row] != set.Stimuli[row].Digest {
			t.Errorf("row %d is of another picture", row)
		}
		if twin := set.Stimuli[row].Digest == set.Stimuli[0].Digest; twin != cmp.Equal(first, halfOf(t, f, 0, row)) {
			t.Errorf("row %d (%q) has the first one's features: %v", row, set.Stimuli[row].Label(), !twin)
		}
	}
}

// The store takes what inspect said, within 1.3 times (contract.md section 6): rows, and what Parquet adds.
func TestEstimateOfBytes(t *testing.T) {
	rt, net := orttest.Runtime(t), fixture(t, "vit.ts.onnx")
	set := pictureSet(t, pictureFiles(t, 25))
	report, err := net.Inspect(context.Background(), nil, set.Len(), 0)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := Run(context.Background(), rt, net, set, dir, RunOptions{Key: "k", Threads: 1}); err != nil {
		t.Fatal(err)
	}
	written := int64(0)
	for _, content := range contents(t, dir) {
		written += int64(len(content))
	}
	if ratio := float64(written) / float64(report.Estimate.Bytes); ratio > 1.3 || ratio < 1/1.3 {
		t.Errorf("%d bytes were written, %d estimated: %.2f times", written, report.Estimate.Bytes, ratio)
	}
}
