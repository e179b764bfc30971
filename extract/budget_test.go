package extract

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
)

// What can't be held is refused with both numbers and what to do, before a file is written.
func TestRefusesWhatCantBeHeld(t *testing.T) {
	rt, net := orttest.Runtime(t), fixture(t, "resnet.ts.onnx")
	set := pictureSet(t, pictureFiles(t, 3))
	dir := t.TempDir()
	_, err := Run(context.Background(), rt, net, set, dir, RunOptions{Key: "k", Threads: 1, Memory: 1 << 20})
	if fault.ClassOf(err) != fault.Machine || !strings.Contains(err.Error(), "1.0 MiB may be used") || !strings.Contains(err.Error(), "memory:") {
		t.Errorf("a budget of 1 MiB: %v", err)
	}
	free, err := durable.Free(dir)
	if err != nil {
		t.Skip("this system doesn't tell its free disk space: ", err)
	}
	// A layer of 16,384 channels takes 2 MB an image: so few pictures are too many.
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Float32, "N", 3, 8, 8)
	wide := b.Op("Relu", []string{b.Op("Conv", []string{"x", b.ConstF32(make([]float32, 3<<14), 1<<14, 3, 1, 1)})})
	b.OpTo("y", "GlobalAveragePool", []string{wide})
	b.Output("y", onnx.Float32, "N", 1<<14, 1, 1)
	big := buildNetwork(t, b)
	rows := make([]int, 2*free/bytesAnImage(big.Layers, FitGrid)+1) // others may free some meanwhile
	_, err = Run(context.Background(), rt, big, set.Subset(rows), dir, RunOptions{Key: "k", Threads: 1})
	if fault.ClassOf(err) != fault.Machine || !strings.Contains(err.Error(), "are free in") || !strings.Contains(err.Error(), "extract.layers") {
		t.Errorf("%d pictures for %d bytes: %v", len(rows), free, err)
	}
	for name := range contents(t, dir) {
		t.Errorf("%s was written", name)
	}
}

// Sessions are joined, then the batch is halved, until nothing is left to take; a batch that was asked for, or that
// the export fixed, is not changed.
func TestShrinks(t *testing.T) {
	for _, c := range []struct {
		free bool
		want []schedule
	}{
		{true, []schedule{{batch: 4, sessions: 1, threads: 6}, {batch: 2, sessions: 1, threads: 6}, {batch: 1, sessions: 1, threads: 6}}},
		{false, []schedule{{batch: 4, sessions: 1, threads: 6}}},
	} {
		p := schedule{batch: 4, sessions: 3, threads: 2}
		for _, want := range c.want {
			if !p.shrink(6, c.free) || p != want {
				t.Errorf("got %+v, want %+v", p, want)
			}
		}
		if p.shrink(6, c.free) {
			t.Errorf("there is a smaller one: %+v", p)
		}
	}
}

const measuredDir = "CORTEXMAP_TEST_MEASURED_DIR"

// TestMeasuredProcess is what TestEstimates runs in processes of its own, whose memory nothing else uses.
func TestMeasuredProcess(t *testing.T) {
	dir := os.Getenv(measuredDir)
	if dir == "" {
		t.Skip("only TestEstimates runs this, in a process of its own")
	}
	rt := orttest.Runtime(t)
	net := openNetwork(t, filepath.Join(testdata, "demo", "lite0.onnx"), NetworkOptions{Threads: 2})
	set := pictureSet(t, os.DirFS(filepath.Join(dir, "pictures")))
	var out any
	if os.Getenv("CORTEXMAP_TEST_ESTIMATE") != "" {
		r, err := net.Inspect(context.Background(), rt, set.Len(), 0)
		if err != nil {
			t.Fatal(err)
		}
		out = r.Estimate
	} else {
		if !ort.ForgetPeak() {
			t.Skip("this system doesn't let a process forget its peak of memory")
		}
		if _, err := Run(context.Background(), rt, net, set, filepath.Join(dir, "store"), RunOptions{Key: "k", Threads: 2}); err != nil {
			t.Fatal(err)
		}
		bytes, err := durable.Size(filepath.Join(dir, "store"))
		if err != nil {
			t.Fatal(err)
		}
		out = Estimate{Memory: ort.PeakMemory(), Bytes: bytes}
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("measured %s\n", text)
}

// usualPictures fills a folder with n JPEGs of usual size: a megabyte each when decoded.
func usualPictures(t *testing.T, dir string, n int) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 640, 480))
	for i := range n {
		for k := range img.Pix {
			img.Pix[k] = uint8(k/640 + i*k)
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("p%03d.jpg", i)), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// Disk and memory are within 1.3 times of what inspect said before (contract.md section 6), for pictures of usual size.
// Time is compared by `cortexmap bench extract`: no test measures time.
func TestEstimates(t *testing.T) {
	if ort.Memory() == 0 {
		t.Skip("this system doesn't tell how much memory a process has")
	}
	if racing {
		t.Skip("the race detector's own memory would be measured")
	}
	dir := t.TempDir()
	for _, sub := range []string{"store", "pictures"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	usualPictures(t, filepath.Join(dir, "pictures"), 96)
	run := func(estimate string) (e Estimate) {
		c := exec.Command(os.Args[0], "-test.run=^TestMeasuredProcess$", "-test.v")
		c.Env = append(os.Environ(), measuredDir+"="+dir, "CORTEXMAP_TEST_ESTIMATE="+estimate)
		out, err := c.CombinedOutput()
		_, text, found := strings.Cut(string(out), "measured ")
		if strings.Contains(string(out), "--- SKIP") {
			t.Skipf("%s", out)
		}
		if err != nil || !found {
			t.Fatalf("%v\n%s", err, out)
		}
		if err := json.NewDecoder(strings.NewReader(text)).Decode(&e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	said, was := run("1"), run("")
	for name, pair := range map[string][2]int64{"memory": {said.Memory, was.Memory}, "disk": {said.Bytes, was.Bytes}} {
		ratio := float64(pair[0]) / float64(pair[1])
		t.Logf("%s: %.1f MB estimated, %.1f MB measured", name, float64(pair[0])/1e6, float64(pair[1])/1e6)
		if ratio > 1.3 || ratio < 1/1.3 {
			t.Errorf("%s: %d bytes were estimated, %d measured: %.2f times", name, pair[0], pair[1], ratio)
		}
	}
}

// A store of more pictures copies what an earlier one holds, and its files are, byte for byte, those that computing
// everything gives.
func TestCopiesRows(t *testing.T) {
	rt, net := orttest.Runtime(t), fixture(t, "vit.ts.onnx")
	files := pictureFiles(t, 13)
	o := RunOptions{Key: "k", Batch: 2, PartRows: 4, Threads: 1, Settings: "s"}
	fewer := pictureFiles(t, 13)
	for _, name := range []string{"pa.png", "pd.png", "pk.png"} {
		delete(fewer, name)
	}
	donor, whole := t.TempDir(), t.TempDir()
	if _, err := Run(context.Background(), rt, net, pictureSet(t, fewer), donor, o); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), rt, net, pictureSet(t, files), whole, o); err != nil {
		t.Fatal(err)
	}
	with := o
	with.Donors = []string{filepath.Join(donor, "none"), donor}
	// As it is; with other settings; of another library; and where tokens depend on the batch: whole batches only, of
	// which there is one, pl and pm after the three missing ones moved them on by one.
	for _, c := range []struct {
		name   string
		change func(*store.Manifest)
		copied int
	}{
		{"same", func(*store.Manifest) {}, 10},
		{"other settings", func(m *store.Manifest) { m.Settings = "t" }, 0},
		{"other library", func(m *store.Manifest) { m.Library = "1.2.3" }, 0},
		{"batches matter", func(m *store.Manifest) { m.BatchFree = false }, 6},
	} {
		m, err := store.ReadManifest(donor)
		if err != nil {
			t.Fatal(err)
		}
		if !m.BatchFree {
			t.Fatal("this network's tokens should not depend on the batch")
		}
		c.change(&m)
		from := t.TempDir()
		if err := os.CopyFS(from, os.DirFS(donor)); err != nil {
			t.Fatal(err)
		}
		if err := store.WriteManifest(from, m); err != nil {
			t.Fatal(err)
		}
		with.Donors[1] = from
		dir := t.TempDir()
		got, err := Run(context.Background(), rt, net, pictureSet(t, files), dir, with)
		if err != nil {
			t.Fatal(err)
		}
		if got.Copied != c.copied || (c.copied > 0) != (len(got.CopiedFrom) == 1) {
			t.Errorf("%s: %d rows copied from %v, want %d", c.name, got.Copied, got.CopiedFrom, c.copied)
		}
		want, have := contents(t, whole), contents(t, dir)
		for name := range want {
			if want[name] != have[name] {
				t.Errorf("%s: %s differs from the computed one", c.name, name)
			}
		}
	}
}

// Components against their definition: the stored numbers are the full store's, less the training pictures' mean,
// times orthonormal axes, which keep the share of variance that the manifest says and are uncorrelated.
func TestComponents(t *testing.T) {
	rt, net := orttest.Runtime(t), fixture(t, "vit.ts.onnx")
	set := pictureSet(t, pictureFiles(t, 14))
	train := span(2, 14)
	const k = 5
	full, small := t.TempDir(), t.TempDir()
	o := RunOptions{Key: "k", Batch: 2, Threads: 1}
	if _, err := Run(context.Background(), rt, net, set, full, o); err != nil {
		t.Fatal(err)
	}
	o.Components, o.Train = k, train
	m, err := Run(context.Background(), rt, net, set, small, o)
	if err != nil {
		t.Fatal(err)
	}
	if m.Components == nil || m.Components.Images != len(train) || len(m.Components.Layers) != len(net.Layers) {
		t.Fatalf("the manifest says %+v", m.Components)
	}
	a, b := openStore(t, full), openStore(t, small)
	for l := range net.Layers {
		d := a.Layers[l].Width
		if b.Layers[l].Width != k {
			t.Fatalf("layer %d is %d wide", l, b.Layers[l].Width)
		}
		rows, cols, basis, err := store.ReadMatrix(filepath.Join(small, store.LayerDir(b.Layers[l], len(b.Layers)), basisName))
		if err != nil || rows != 2*(1+k) || cols != d {
			t.Fatalf("basis %d x %d: %v", rows, cols, err)
		}
		for part, tokens := range [][]int{span(0, 64), {64}} {
			at := part * (1 + k) * d
			mean, axes := basis[at:at+d], basis[at+d:at+(1+k)*d]
			x, y := pick(t, a, l, train, tokens), pick(t, b, l, train, tokens)
			checkComponents(t, fmt.Sprintf("layer %d, part %d", l, part), x, y, mean, axes,
				[]float64{m.Components.Layers[l].Local, m.Components.Layers[l].Global}[part])
		}
	}
	// Again from what an interrupted run leaves: the same bytes.
	again := t.TempDir()
	if _, err := Run(context.Background(), rt, net, set, again, o); err != nil {
		t.Fatal(err)
	}
	want, got := contents(t, small), contents(t, again)
	for name := range want {
		if want[name] != got[name] {
			t.Errorf("%s differs the second time", name)
		}
	}
	o.Train = span(0, k)
	if _, err := Run(context.Background(), rt, net, set, t.TempDir(), o); fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "5 training pictures") {
		t.Errorf("as many components as pictures: %v", err)
	}
}

// pick gives some tokens of some rows, each as wide as the layer.
func pick(t *testing.T, f *store.Features, layer int, rows, tokens []int) (out [][]float64) {
	t.Helper()
	w := f.Layers[layer].Width
	for _, row := range rows {
		all := tokensOf(t, f, layer, row)
		for _, token := range tokens {
			x := make([]float64, w)
			for i := range x {
				x[i] = float64(all[token*w+i])
			}
			out = append(out, x)
		}
	}
	return out
}

// checkComponents: y = (x − mean)·axes within binary16's rounding of both, which is 2^-11 of a number, summed over
// channels: 5e-3 of the largest y is far above it and far below any mistake.
func checkComponents(t *testing.T, what string, x, y [][]float64, mean, axes []float32, share float64) {
	t.Helper()
	d, k := len(mean), len(axes)/len(mean)
	largest, worst, variance, kept := 0.0, 0.0, 0.0, make([]float64, k)
	cross := 0.0
	for i := range x {
		for j := range k {
			want := 0.0
			for c := range d {
				want += (x[i][c] - float64(mean[c])) * float64(axes[j*d+c])
			}
			largest, worst = max(largest, math.Abs(want)), max(worst, math.Abs(want-y[i][j]))
			kept[j] += want * want
		}
		for c := range d {
			variance += (x[i][c] - float64(mean[c])) * (x[i][c] - float64(mean[c]))
		}
		cross += y[i][0] * y[i][1]
	}
	sum := 0.0
	for j, v := range kept {
		sum += v
		if j > 0 && v > kept[j-1]*1.001 {
			t.Errorf("%s: component %d has more variance than the one before", what, j)
		}
		for i := range j + 1 {
			dot := 0.0
			for c := range d {
				dot += float64(axes[i*d+c]) * float64(axes[j*d+c])
			}
			if want := map[bool]float64{true: 1}[i == j]; math.Abs(dot-want) > 1e-5 { // float32 axes
				t.Errorf("%s: axes %d and %d have product %g", what, i, j, dot)
			}
		}
	}
	if worst > 5e-3*largest {
		t.Errorf("%s: stored numbers are off by %g of %g", what, worst, largest)
	}
	if math.Abs(sum/variance-share) > 1e-2 { // binary16 tokens here, float32 there
		t.Errorf("%s: %.4f of the variance is kept, the manifest says %.4f", what, sum/variance, share)
	}
	if math.Abs(cross) > 1e-2*math.Sqrt(kept[0]*kept[1]) {
		t.Errorf("%s: the first two components are correlated", what)
	}
}
