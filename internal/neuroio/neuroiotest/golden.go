package neuroiotest

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"cortexmap/internal/fault"
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

// GoldenIn is Golden for a folder of testdata/brain with a golden.json of its own, made by
// testdata/reference/containers.py.
func GoldenIn(t testing.TB, folder, key string, into any) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(File(t, folder+"/golden.json"), &all); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(all[key], into); err != nil {
		t.Fatalf("%s/golden.json, %q: %v", folder, key, err)
	}
}

// Same says whether a number that was read is the golden one, exactly: a reader only converts.
func Same(got float64, want Number) bool {
	if want == nil {
		return math.IsNaN(got) || math.IsInf(got, 0)
	}
	return got == *want
}

// Refused fails unless err is a fault that says a given text.
func Refused(t testing.TB, err error, says string) {
	t.Helper()
	var e *fault.Error
	if !errors.As(err, &e) || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want a fault with %q", err, says)
	}
}

// Number is a number of golden.json, where null stands for NaN and the infinities.
type Number = *float64
