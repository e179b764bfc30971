package onnx

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// TestProducts: close to what shapes give that ONNX Runtime really makes (testdata/reference/products.py).
func TestProducts(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(testdata, "reference", "products.json"))
	if err != nil {
		t.Fatal(err)
	}
	var truth map[string]struct {
		Side     int
		Products float64
	}
	if err := json.Unmarshal(data, &truth); err != nil {
		t.Fatal(err)
	}
	for name, want := range truth {
		m, err := ReadFile(filepath.Join(testdata, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		// A Gemm counts once, as behind a pool: torch's attention ends in one for every token, a twelfth of a block. The
		// class token isn't seen either.
		if got := m.Products(want.Side); math.Abs(got/want.Products-1) > 0.15 {
			t.Errorf("%s: %.4g products, ONNX Runtime makes %.4g: ratio %.3f", name, got, want.Products, got/want.Products)
		}
	}
}
