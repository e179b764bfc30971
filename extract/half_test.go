package extract

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
)

// A network that is quantised over the whole batch gives a picture the same features whatever its neighbours
// are: it runs one picture at a time, whatever batch was asked for.
func TestDynamicQuantisationForgetsOrder(t *testing.T) {
	rt := orttest.Runtime(t)
	raw, _ := unzipped(t, filepath.Join(testdata, "onnx", "variants", "registers.dynamic.onnx.gz"))
	net := openNetwork(t, "registers.dynamic.onnx", NetworkOptions{Bytes: raw, Threads: 1})
	if !strings.Contains(warnings(net), "dynamic-quantisation") {
		t.Errorf("warnings are %v", net.Warnings)
	}
	report, err := net.Inspect(t.Context(), rt, 100, 0)
	if err != nil || report.Estimate.Batch != 1 || report.Estimate.OneByOne <= 0 {
		t.Errorf("inspect doesn't say what single pictures cost: %+v, %v", report.Estimate, err)
	}
	files := pictureFiles(t, 6)
	turned := fstest.MapFS{}
	for name, f := range files { // a becomes f, b becomes e: names give the order
		turned["p"+string(rune('a'+'f'-name[1]))+".png"] = f
	}
	var stores []map[store.Digest][]uint16
	for _, fsys := range []fstest.MapFS{files, turned} {
		dir := t.TempDir()
		m, err := Run(context.Background(), rt, net, pictureSet(t, fsys), dir, RunOptions{Key: "k", Batch: 4})
		if err != nil {
			t.Fatal(err)
		}
		if m.Batch != 1 {
			t.Errorf("batch is %d", m.Batch)
		}
		f := openStore(t, dir)
		all := map[store.Digest][]uint16{}
		for i, digest := range f.Images {
			all[digest] = halfOf(t, f, len(net.Layers)-1, i)
		}
		stores = append(stores, all)
	}
	if d := cmp.Diff(stores[0], stores[1]); d != "" {
		t.Error("features differ with the order of pictures")
	}
}

func warnings(n *Network) string {
	var ids []string
	for _, w := range n.Warnings {
		ids = append(ids, w.ID)
	}
	return strings.Join(ids, " ")
}

// A float16 network whose sums pass 65504 for one bright picture: the picture and the layer are named, also
// where the others are well.
func TestHalfPrecisionOverflow(t *testing.T) {
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Float16, "N", 3, 16, 16)
	conv := func(x string, scale float32) string {
		w := b.Op("Cast", []string{b.ConstF32(constant(9, scale), 3, 3, 1, 1)}, onnx.Int("to", int64(onnx.Float16)))
		return b.Op("Relu", []string{b.Op("Conv", []string{x, w})})
	}
	small := conv("x", 1)
	b.OpTo("y", "GlobalAveragePool", []string{conv(conv(small, 5e3), 1e-4)}) // white is 2.2 to 2.6 in three channels
	b.Output("y", onnx.Float16, "N", 3, 1, 1)
	net := buildNetwork(t, b)
	plain := func(grey uint8) *fstest.MapFile {
		img := image.NewRGBA(image.Rect(0, 0, 16, 16))
		draw.Draw(img, img.Bounds(), image.NewUniform(color.Gray{grey}), image.Point{}, draw.Src)
		var buf bytes.Buffer
		if err := png.Encode(&buf, img); err != nil {
			t.Fatal(err)
		}
		return &fstest.MapFile{Data: buf.Bytes()}
	}
	files := fstest.MapFS{"a.png": plain(20), "b.png": plain(120), "snow.png": plain(255), "z.png": plain(90)}
	_, err := Run(context.Background(), orttest.Runtime(t), net, pictureSet(t, files), t.TempDir(), RunOptions{Key: "k", Batch: 2})
	if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "conv2") || !strings.Contains(err.Error(), "snow.png") {
		t.Errorf("got %v", err)
	}
	delete(files, "snow.png")
	if _, err := Run(context.Background(), orttest.Runtime(t), net, pictureSet(t, files), t.TempDir(), RunOptions{Key: "k", Batch: 2}); err != nil {
		t.Error(err)
	}
}
