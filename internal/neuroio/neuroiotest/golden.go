package neuroiotest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Root is the repository's folder.
func Root(t testing.TB) string {
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("the test's own place is unknown")
	}
	return filepath.Join(filepath.Dir(here), "..", "..", "..")
}

// Path is a file of testdata/brain, made by testdata/reference/brain.py.
func Path(t testing.TB, name string) string {
	return filepath.Join(Root(t), "testdata", "brain", name)
}

// File reads a file of testdata/brain.
func File(t testing.TB, name string) []byte {
	b, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Golden decodes a part of golden.json: what nibabel and numpy read in the same files.
func Golden(t testing.TB, key string, into any) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(File(t, "golden.json"), &all); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(all[key], into); err != nil {
		t.Fatalf("golden.json, %q: %v", key, err)
	}
}

// Number is a number of golden.json, where null stands for NaN and the infinities.
type Number = *float64
