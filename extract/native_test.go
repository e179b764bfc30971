package extract

import (
	"context"
	"math"
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
		a, err := store.OpenFeatures(fit)
		if err != nil {
			t.Fatal(err)
		}
		b, err := store.OpenFeatures(grid)
		if err != nil {
			t.Fatal(err)
		}
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
		a.Close()
		b.Close()
	}
}

func tokensOf(t *testing.T, f *store.Features, layer, row int) []float32 {
	t.Helper()
	half := make([]uint16, f.RowLen(layer))
	if err := f.Read(context.Background(), layer, []int{row}, half); err != nil {
		t.Fatal(err)
	}
	out := make([]float32, len(half))
	store.FloatSlice(out, half)
	return out
}
