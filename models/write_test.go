package models

import (
	"os"
	"path/filepath"
	"testing"
)

// TestYAML: a written card, found again, is the same card, whatever metadata say beside it.
func TestYAML(t *testing.T) {
	presets, err := Presets()
	if err != nil {
		t.Fatal(err)
	}
	odd := Card{Name: `a "quoted" name`, Size: 96, Width: 128, Resize: "pad", CropRatio: 1, Kernel: "lanczos", Scale: 1,
		Mean: [3]float64{103.939, 116.779, 123.68}, Std: [3]float64{1, 1, 1}, Order: "BGR", Layout: "NHWC", Inputs: map[string][]float64{"drop.path": {0, 0.5}}}
	for _, c := range append(presets, odd) {
		if c.Size == 0 {
			c.Size = 64
		}
		if c.Layout == "" {
			c.Layout = "NCHW"
		}
		dir := t.TempDir()
		file := put(t, dir, "net.onnx", "")
		put(t, dir, "net.yaml", string(c.YAML("of a test\nin two lines")))
		h, w := c.Sides()
		dims := []int64{-1, 3, int64(h), int64(w)}
		if c.Layout == "NHWC" {
			dims = []int64{-1, int64(h), int64(w), 3}
		}
		got, err := Find(file, "", map[string]string{"input.mean": "0.1,0.2,0.3"}, Input{Name: "x", Dims: dims, DType: 1})
		if err != nil {
			text, _ := os.ReadFile(filepath.Join(dir, "net.yaml"))
			t.Errorf("%s: %v\n%s", c.Name, err, text)
			continue
		}
		if got.Name != c.Name || got.Family != c.Family || got.Size != c.Size || got.Resize != c.Resize || got.CropRatio != c.CropRatio || got.Kernel != c.Kernel ||
			got.Scale != c.Scale || got.Mean != c.Mean || got.Std != c.Std || got.Order != c.Order || got.Layout != c.Layout || len(got.Inputs) != len(c.Inputs) {
			t.Errorf("written %+v\nfound %+v", c, got)
		}
	}
}
