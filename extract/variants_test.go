package extract

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/ort/orttest"
)

func readSpecimen(t *testing.T, base string) specimen {
	t.Helper()
	s := specimen{name: filepath.Base(base), path: base}
	raw, err := os.ReadFile(base + ".json")
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.tokens = readFlat(t, base+".npy")
	return s
}

// The same networks as tools hand them on: quantised, halved, optimised by ONNX Runtime, with weights as constants or
// inputs, with functions. Every block must be found. limit bounds the tokens' distance from those of the float32
// network, of a layer's largest number: rounding to 16 bits leaves 11 of 24 bits at every step, to 8 bits 8, of
// ranges that one picture calibrated.
func TestVariants(t *testing.T) {
	rt := orttest.Runtime(t)
	for _, c := range []struct {
		name, forms string
		limit       float64
	}{
		{"resnet", "extended constants inputs functions free", 1e-4},
		{"registers", "extended all constants inputs functions blocks", 1e-4},
		{"resnet", "half halfio", 1e-2},
		{"registers", "half halfio", 1e-2},
		{"resnet", "qdq qoperator dynamic", 0.25},
		{"registers", "qdq qoperator dynamic", 0.25},
	} {
		s := readSpecimen(t, filepath.Join(testdata, "onnx", "zoo", c.name))
		for _, form := range strings.Fields(c.forms) {
			t.Run(c.name+"."+form, func(t *testing.T) {
				raw, ok := unzipped(t, filepath.Join(testdata, "onnx", "variants", c.name+"."+form+".onnx.gz"))
				if !ok {
					t.Fatal("no such file")
				}
				o := NetworkOptions{Bytes: raw, Threads: 1}
				if form == "free" {
					o.Card = filepath.Join(t.TempDir(), "card.yaml")
					if err := os.WriteFile(o.Card, []byte("size: 96\n"), 0o666); err != nil {
						t.Fatal(err)
					}
				}
				net, err := OpenNetwork(context.Background(), rt, c.name, o)
				if err != nil {
					t.Fatal(err)
				}
				if len(net.Layers) != len(s.Blocks) {
					t.Fatalf("%d layers are found for %d blocks: %v, left out %v", len(net.Layers), len(s.Blocks), net.Layers, net.Warnings)
				}
				full, _ := float32Taps(t, rt, net, s.picture())
				want := s.tokens
				for i, b := range s.Blocks {
					if d := relative(full[i], want[:65*b.Width]); d > c.limit {
						t.Errorf("%s: tokens differ by %.1e of the largest", b.Name, d)
					}
					want = want[65*b.Width:]
				}
				if net.dynamic != (form == "dynamic") {
					t.Errorf("quantised over the batch: %v", net.dynamic)
				}
				precision := map[string]string{"half": "float16", "halfio": "float16", "qdq": "int8", "qoperator": "int8", "dynamic": "int8"}[form]
				if precision == "" {
					precision = "float32"
				}
				if net.precision() != precision {
					t.Errorf("precision is %s, want %s", net.precision(), precision)
				}
			})
		}
	}
}

// ONNX Runtime's highest optimisation gives convolutional networks a layout of its own: tensors of such a file
// can't be read as maps.
func TestBlockedLayoutIsRefused(t *testing.T) {
	raw, _ := unzipped(t, filepath.Join(testdata, "onnx", "variants", "resnet.all.onnx.gz"))
	_, err := OpenNetwork(context.Background(), orttest.Runtime(t), "resnet.all.onnx", NetworkOptions{Bytes: raw})
	if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "blocked layout") {
		t.Errorf("got %v", err)
	}
}
