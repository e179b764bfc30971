package extract

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
)

// The README's lines for pandas, polars and DuckDB, run as they stand there, give the numbers that our own reader gives.
func TestReadmeReads(t *testing.T) {
	python := os.Getenv("CORTEXMAP_PYTHON")
	if python == "" {
		t.Skip("CORTEXMAP_PYTHON names no Python")
	}
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "### Read the tokens")
	section, _, _ = strings.Cut(section, "\n### ")
	blocks := strings.Split(section, "```python\n")[1:]
	if len(blocks) != 4 { // the last is TestNativeAgainstONNXRuntime's
		t.Fatalf("the README has %d blocks that read tokens, not 4", len(blocks))
	}
	dir := t.TempDir()
	net := fixture(t, "vit.ts.onnx")
	if _, err := Run(context.Background(), orttest.Runtime(t), net, pictureSet(t, pictureFiles(t, 9)), dir, RunOptions{Key: "k", Batch: 2, PartRows: 4, Threads: 1}); err != nil {
		t.Fatal(err)
	}
	f := openStore(t, dir)
	layer := len(f.Layers) - 1
	var want []float32
	for row := range f.Len() {
		want = append(want, tokensOf(t, f, layer, row)...)
	}
	numbers := filepath.Join(t.TempDir(), "want.npy")
	if err := store.WriteMatrix(numbers, f.Len(), len(want)/f.Len(), want); err != nil {
		t.Fatal(err)
	}
	for i, library := range []string{"pandas", "polars", "duckdb"} {
		t.Run(library, func(t *testing.T) {
			if out, err := exec.Command(python, "-c", "import numpy, "+library).CombinedOutput(); err != nil {
				t.Skipf("this Python has no %s: %s", library, out)
			}
			code, _, _ := strings.Cut(blocks[i], "```")
			if n := strings.Count(code, "\n"); n > 4 || !strings.Contains(code, library) {
				t.Errorf("block %d is not four lines of %s:\n%s", i, library, code)
			}
			program := "import sys\nlayer, want = sys.argv[1:]\n" + code +
				"want = np.load(want).reshape(x.shape)\nassert x.dtype == np.float16 and x.shape[1] == 65 and (x.astype(np.float32) == want).all(), x\n"
			path := store.LayerDir(f.Layers[layer], len(f.Layers))
			if out, err := exec.Command(python, "-c", program, filepath.Join(dir, path), numbers).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
