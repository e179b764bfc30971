package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/internal/fault"

	"github.com/google/go-cmp/cmp"
)

// Stores of each version stay readable. UPDATE_GOLDEN=1 writes those of the present version: only when it was
// raised, never to make this test pass.
func TestVersions(t *testing.T) {
	const now = "testdata/v1"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.RemoveAll(now); err != nil {
			t.Fatal(err)
		}
		newTestStore().write(t, filepath.Join(now, "features"))
		if err := testMapping().Write(filepath.Join(now, "mapping")); err != nil {
			t.Fatal(err)
		}
		if err := WriteMatrix(filepath.Join(now, "matrix.npy"), 2, 3, []float32{1, 2, 3, 4, 5, 6}); err != nil {
			t.Fatal(err)
		}
	}
	f, err := OpenFeatures(filepath.Join(now, "features"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	newTestStore().check(t, f)
	if w := f.Manifest.Warnings; len(w) != 1 || w[0].ID != "guess-preprocessing" || f.Manifest.Protocol != "sound" {
		t.Errorf("manifest: %+v", f.Manifest)
	}
	m, err := ReadMapping(filepath.Join(now, "mapping"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(testMapping(), m, sameMapping); diff != "" {
		t.Errorf("mapping, -want +got:\n%s", diff)
	}
	rows, cols, x, err := ReadMatrix(filepath.Join(now, "matrix.npy"))
	if err != nil || rows != 2 || cols != 3 || x[5] != 6 {
		t.Errorf("matrix %d x %d %v: %v", rows, cols, x, err)
	}
}

// The damaged stores under testdata/damaged are each named as what they are.
func TestDamagedStores(t *testing.T) {
	for name, want := range map[string]string{
		"cut-part":      "part-00001.parquet",
		"missing-layer": "part-00000.parquet",
		"other-key":     "cortexmap.key",
		"later-format":  "reads up to",
	} {
		t.Run(name, func(t *testing.T) {
			f, err := OpenFeatures(filepath.Join("testdata/damaged", name))
			if err == nil {
				f.Close()
			}
			if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
				t.Errorf("%v; want %q and the path", err, want)
			}
		})
	}
}

// FuzzReadRows: whatever the bytes of a table are, there is an answer or a fault, never a panic.
func FuzzReadRows(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "m")
	if err := predicting().Write(dir); err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{MappingName, WeightsName, SharesName, PredictionsName} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)-9])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "t.parquet")
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{second(readRows[vertexRow](path)), second(readRows[tensorRow](path)), second(readRows[shareRow](path)), second(readRows[predictionRow](path))} {
			if err != nil && fault.ClassOf(err) != fault.Input {
				t.Errorf("class %v: %v", fault.ClassOf(err), err)
			}
		}
	})
}

func second[A, B any](_ A, _ B, err error) error { return err }
