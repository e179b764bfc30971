package extract

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/stimuli"
)

// The demo's extraction: lite0 over windows of photographs, decoding and writing included.
func BenchmarkLite0Windows(b *testing.B) {
	rt := orttest.Runtime(b)
	net := openNetwork(b, filepath.Join(testdata, "demo", "lite0.onnx"), NetworkOptions{})
	photos, err := stimuli.Folder(context.Background(), os.DirFS(filepath.Join(testdata, "demo", "photos")), ".", stimuli.Options{})
	if err != nil {
		b.Fatal(err)
	}
	set, err := stimuli.Windows(photos, 0, 9)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		m, err := Run(context.Background(), rt, net, set, b.TempDir(), RunOptions{Key: "k"})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(m.Images)/m.Seconds["total"], "images/s")
		for _, part := range []string{"decode", "run", "write", "close", "check"} {
			b.ReportMetric(m.Seconds[part], part+"-s")
		}
	}
}
