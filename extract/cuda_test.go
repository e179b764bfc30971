package extract

import (
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
)

// cudaTolerance bounds how far tokens on CUDA may lie from those on the CPU, of a layer's largest: float32 sums in other
// orders, cuDNN's algorithms among them (Winograd's loses two decimal digits), through a network's depth, then binary16's
// rounding on both sides, 2^-10. TF32, which would round every factor to 10 bits, is off.
const cudaTolerance = 3e-3

// The CPU and CUDA give the same tokens, and the manifest says what ran where.
func TestCUDAAgrees(t *testing.T) {
	rt := orttest.Runtime(t)
	if _, _, err := rt.Device(ort.CUDA); err != nil {
		t.Skip("no CUDA here: ", err)
	}
	set := pictureSet(t, pictureFiles(t, 6))
	for _, name := range []string{"onnx/vit.ts.onnx", "onnx/resnet.ts.onnx", "onnx/swin.ts.onnx", "demo/lite0.onnx"} {
		dirs := map[string]string{ort.CPU: t.TempDir(), ort.CUDA: t.TempDir()}
		for device, dir := range dirs {
			net := openNetwork(t, filepath.Join(testdata, name), NetworkOptions{Threads: 1, Device: device})
			m, err := Run(t.Context(), rt, net, set, dir, RunOptions{Key: "k", Batch: 4, Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(strings.ToLower(m.Provider), device) || m.Nodes[m.Provider] == 0 || !strings.HasPrefix(m.Precision, "float32") {
				t.Errorf("%s on %s: %s, nodes %v, %s", name, device, m.Provider, m.Nodes, m.Precision)
			}
		}
		a, b := openStore(t, dirs[ort.CPU]), openStore(t, dirs[ort.CUDA])
		for l := range a.Layers {
			for row := range set.Len() {
				if d := relative(tokensOf(t, b, l, row), tokensOf(t, a, l, row)); d > cudaTolerance {
					t.Errorf("%s %s, picture %d: tokens differ by %.1e of the largest", name, a.Layers[l].Name, row, d)
				}
			}
		}
	}
}
