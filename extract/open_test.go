package extract

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
)

// The library computes a whole graph at every run. So a session is given what its outputs need, and no more.
func TestSessionsLeaveTheHeadOut(t *testing.T) {
	net := fixture(t, "vit.ts.onnx")
	middle := net.Layers[len(net.Layers)/2]
	for _, whole := range []bool{true, false} {
		b := onnx.NewBuilder(net.Model.Opset())
		net.tap(b, middle).fit(FitGrid, Sound)
		model, err := net.tappedBytes(b.Patch(), whole)
		if err != nil {
			t.Fatal(err)
		}
		m, err := onnx.Parse(bytes.NewReader(model), int64(len(model)))
		if err != nil {
			t.Fatal(err)
		}
		computes := func(tensor string) bool {
			return slices.ContainsFunc(m.Graph.Nodes, func(n *onnx.Node) bool { return slices.Contains(n.Outputs, tensor) })
		}
		if !computes(middle.Tensor) || computes(net.Model.Graph.Outputs[0].Name) != whole || computes(net.Layers[len(net.Layers)-1].Tensor) != whole {
			t.Errorf("whole %v: %d of %d nodes", whole, len(m.Graph.Nodes), len(net.Model.Graph.Nodes))
		}
	}
}

// A large file goes through a temporary one, and the session that was checked becomes the run's, with the batch that it
// has computed: the tokens are those of a small file, and those of a run that was stopped on the way.
func TestLargeFile(t *testing.T) {
	rt := orttest.Runtime(t)
	set := pictureSet(t, pictureFiles(t, 9))
	o := RunOptions{Key: "k", Batch: 2, PartRows: 4, Threads: 2}
	small, large, stopped := t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	net := fixture(t, "vit.ts.onnx")
	run := func(ctx context.Context, dir string, o RunOptions) (store.Manifest, error) {
		return Run(ctx, rt, net, set, dir, o)
	}
	if _, err := run(t.Context(), small, o); err != nil {
		t.Fatal(err)
	}
	net.large = 1
	if !net.headless() {
		t.Fatal("this fixture should have hardly any head")
	}
	m, err := run(t.Context(), large, o)
	if err != nil {
		t.Fatal(err)
	}
	if m.Images != 9 || m.Batch != 2 {
		t.Errorf("manifest is %+v", m)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cut := o
	cut.Progress = func(done, _ int) {
		if done >= 6 {
			cancel()
		}
	}
	if _, err := run(ctx, stopped, cut); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), stopped, o); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(contents(t, large), contents(t, stopped)); d != "" {
		t.Error("a run that was stopped leaves other bytes")
	}
	a, b := openStore(t, small), openStore(t, large)
	for l := range net.Layers {
		for row := range set.Len() {
			if d := relative(tokensOf(t, b, l, row), tokensOf(t, a, l, row)); d > aloneTolerance {
				t.Errorf("layer %d, picture %d: tokens differ by %.1e of the largest", l, row, d)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*.onnx")); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}
