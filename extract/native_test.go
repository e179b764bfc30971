package extract

import (
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
)

// TestNative pools what Native stores by the weights of the fit grid: that must be what Run stores, which is held
// against PyTorch elsewhere. One fixture a layout: NCHW, NLC with a class token, NHWC with windows.
func TestNative(t *testing.T) {
	rt := orttest.Runtime(t)
	ctx := context.Background()
	for _, name := range []string{"resnet.ts.onnx", "vit.ts.onnx", "swin.ts.onnx"} {
		net, set := fixture(t, name), pictureSet(t, pictureFiles(t, 5))
		fit, grid := t.TempDir(), t.TempDir()
		if _, err := Run(ctx, rt, net, set, fit, RunOptions{Key: "k", Threads: 1}); err != nil {
			t.Fatal(err)
		}
		rows := []int{0, 2, 3}
		m, err := Native(ctx, rt, net, set, rows, grid, RunOptions{Key: "n", Threads: 1, Batch: 2})
		if err != nil {
			t.Fatal(err)
		}
		if m.Grid != 0 || m.Images != 3 {
			t.Errorf("%s: manifest %+v", name, m)
		}
		a, b := openStore(t, fit), openStore(t, grid)
		for l, layer := range net.Layers {
			h, w, d := layer.Grid[0], layer.Grid[1], layer.Width
			if b.Tokens(l) != h*w+1 {
				t.Fatalf("%s %s: %d tokens on a grid of %d x %d", name, layer.Name, b.Tokens(l), h, w)
			}
			down, across := axisWeights(h, FitGrid, Sound), axisWeights(w, FitGrid, Sound)
			for k, row := range rows {
				want, native := tokensOf(t, a, l, row), tokensOf(t, b, l, k)
				got := make([]float32, len(want))
				for i := range FitGrid * FitGrid {
					for c := range d {
						sum := 0.0
						for y := range h {
							for x := range w {
								sum += down[i/FitGrid*h+y] * across[i%FitGrid*w+x] * float64(native[(y*w+x)*d+c])
							}
						}
						got[i*d+c] = float32(sum)
					}
				}
				copy(got[FitGrid*FitGrid*d:], native[h*w*d:])
				// both sides are rounded to binary16: half of 2^-10 of the largest number each
				if r := relative(got, want); !(r <= math.Ldexp(1, -10)) {
					t.Errorf("%s %s, picture %d: pooled native tokens differ by %.1e of the largest", name, layer.Name, row, r)
				}
			}
		}
		if b.Index[1] != 2 || b.Images[1] != set.Stimuli[2].Digest {
			t.Errorf("%s: row 1 is picture %d", name, b.Index[1])
		}
	}
}

// nativeTruth checks a native store, read as the README says, against the network itself in Python's ONNX Runtime: the
// tapped tensors as they are, laid out by NumPy. Both sides see the same prepared pictures; rounding to binary16 is half
// of 2^-10 of a number.
const nativeTruth = `
import json, os, sys
import onnx, onnxruntime
READ
store, net, pictures = sys.argv[1:]
layers = json.load(open(os.path.join(store, "layers.json")))
model = onnx.load(net)
have = {o.name for o in model.graph.output}
model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in {l["tensor"] for l in layers} - have)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
entry = session.get_inputs()[0]
batch = np.load(pictures).reshape(-1, *entry.shape[1:])
tensors = session.run([l["tensor"] for l in layers], {entry.name: batch})
for l, y in zip(layers, tensors):
    x, h, w = read(os.path.join(store, [d for d in os.listdir(store) if d.startswith("layer=%02d-" % l["index"])][0]))
    n, d = len(batch), l["width"]
    assert x.dtype == np.float16 and x.shape == (n, h * w + 1, d) and [h, w] == l["grid"], (l, x.shape)
    y = {"NCHW": lambda: y.reshape(n, d, h * w).transpose(0, 2, 1), "NHWC": lambda: y.reshape(n, h * w, d),
         "NLC": lambda: y, "LNC": lambda: y.transpose(1, 0, 2)}[l["layout"]]()
    cells = y[:, l["prefix"]:]
    last = y[:, :1] if l["global"] == "cls" else cells.mean(1, keepdims=True, dtype=np.float64)
    off = np.abs(x.astype(np.float64) - np.concatenate([cells, last], 1)).max() / np.abs(y).max()
    assert off <= 2 ** -10, (l["name"], off)
`

// TestNativeAgainstONNXRuntime: shape, type and values of native stores, one fixture a layout.
func TestNativeAgainstONNXRuntime(t *testing.T) {
	python := os.Getenv("CORTEXMAP_PYTHON")
	if python == "" {
		t.Skip("CORTEXMAP_PYTHON names no Python")
	}
	if out, err := exec.Command(python, "-c", "import onnx, onnxruntime, pyarrow.parquet").CombinedOutput(); err != nil {
		t.Skipf("this Python lacks a package: %s", out)
	}
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(readme), "import numpy as np, pyarrow.parquet as pq\n")
	block, _, _ = strings.Cut(block, "```")
	reads := "import numpy as np, pyarrow.parquet as pq\ndef read(layer):\n    " + strings.ReplaceAll(strings.TrimSpace(block), "\n", "\n    ") + "\n    return x, h, w\n"
	rt := orttest.Runtime(t)
	for _, name := range []string{"resnet.ts.onnx", "vit.ts.onnx", "swin.ts.onnx", "clip.ts.onnx"} {
		net, set, dir := fixture(t, name), pictureSet(t, pictureFiles(t, 5)), t.TempDir()
		rows := []int{0, 2, 3}
		if _, err := Native(t.Context(), rt, net, set, rows, dir, RunOptions{Key: "n", Threads: 1, Batch: 2}); err != nil {
			t.Fatal(err)
		}
		room := net.feed.room(len(rows))
		for i, row := range rows {
			img, err := set.Pixels(row)
			if err != nil {
				t.Fatal(err)
			}
			room.put(i, img)
		}
		prepared := filepath.Join(t.TempDir(), "x.npy")
		if err := store.WriteMatrix(prepared, len(rows), net.feed.numbers(), room.f32); err != nil {
			t.Fatal(err)
		}
		program := strings.Replace(nativeTruth, "READ", reads, 1)
		if out, err := exec.Command(python, "-c", program, dir, net.Path, prepared).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
