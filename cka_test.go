package main

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"cortexmap/analyze"
	"cortexmap/internal/neuroio/neuroiotest"
	"cortexmap/internal/store"
	"cortexmap/internal/subject/subjecttest"
)

// TestCKAOfNetworks: the similarity of the layers of lite0 and of lite0 as it was fine-tuned to tell which way up a
// picture is, over photographs, is NumPy's from the same stores. (Of small made-up stores: TestCKA of package analyze.)
func TestCKAOfNetworks(t *testing.T) {
	tuned := filepath.Join(os.Getenv("CORTEXMAP_DATA"), "lite0_rot4.onnx")
	if _, err := os.Stat(tuned); err != nil || os.Getenv("CORTEXMAP_DATA") == "" {
		t.Skip("CORTEXMAP_DATA does not name a folder that testdata/get-models.py has made lite0_rot4.onnx in")
	}
	dir := t.TempDir()
	folder, err := filepath.Abs("testdata/reference")
	if err != nil {
		t.Fatal(err)
	}
	if err := (subjecttest.Small{Pictures: 6, Units: 3, Positions: "none"}).Write(filepath.Join(dir, "brain")); err != nil {
		t.Fatal(err)
	}
	photographs(t, filepath.Join(dir, "photos"), 24)
	yaml := fmt.Sprintf("models: ['demo:lite0', {path: '%s', name: tuned}]\nsubjects: [brain]\nextract: {images: photos}\n", tuned)
	if err := os.WriteFile(filepath.Join(dir, "pair.yaml"), []byte(yaml), 0o666); err != nil {
		t.Fatal(err)
	}
	env := libraryEnv(t)
	t.Chdir(dir)
	run(t, env, "extract", "pair.yaml", "--out", "out", "--quiet")
	stores := make([]*store.Features, 2)
	for i, name := range []string{"lite0", "tuned"} {
		found, err := filepath.Glob("out/features/" + name + "-photos-*")
		if err != nil || len(found) != 1 {
			t.Fatalf("stores of %s: %v, %v", name, found, err)
		}
		if stores[i], err = store.OpenFeatures(found[0]); err != nil {
			t.Fatal(err)
		}
		defer stores[i].Close()
	}
	ours, err := analyze.CompareLayers(t.Context(), stores[0], stores[1], 400)
	if err != nil {
		t.Fatal(err)
	}
	var theirs []float64
	neuroiotest.Python(t, "numpy, pyarrow", `
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import cka
print(json.dumps([float(cka.cka(a, b)) for a, b in zip(cka.layers(sys.argv[2]), cka.layers(sys.argv[3]), strict=True)]))
`, &theirs, folder, stores[0].Dir(), stores[1].Dir())
	if len(ours.CKA) != 16 || len(theirs) != 16 || ours.Images != 24 {
		t.Fatalf("%d layers over %d images, NumPy has %d layers", len(ours.CKA), ours.Images, len(theirs))
	}
	for l, want := range theirs {
		if math.Abs(want-ours.CKA[l]) > 1e-6 {
			t.Errorf("layer %d: CKA %.9f, NumPy's %.9f", l, ours.CKA[l], want)
		}
	}
	// Fine-tuning moved the last layers most, and none is the same.
	if first, last := ours.CKA[0], ours.CKA[15]; !(last < first && first < 1-1e-6) {
		t.Errorf("CKA of the first layers is %v, of the last %v", first, last)
	}
}

// photographs copies n of the demo's into a folder, evenly taken.
func photographs(t *testing.T, dir string, n int) {
	t.Helper()
	names, err := fs.Glob(files, "testdata/demo/photos/*.jpg")
	if err != nil || len(names) < n {
		t.Fatalf("%d photographs, %v", len(names), err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for k := range n {
		name := names[k*len(names)/n]
		data, err := fs.ReadFile(files, name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(name)), data, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
