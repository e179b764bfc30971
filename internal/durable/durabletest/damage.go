// Package durabletest has what tests of damaged files have in common.
package durabletest

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"cortexmap/internal/fault"
)

// Told checks that an error is one that people can act on: a fault of what they gave, which names the file and says what
// to do.
func Told(t testing.TB, err error, file string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Class != fault.Input || f.Fix == "" || !strings.Contains(f.Error(), file) {
		t.Errorf("%v; want a fault of the input that names %s and what to do", err, file)
	}
}

// Rewritten checks that what was read can be written as JSON, and is read again as it was.
func Rewritten[T any](t testing.TB, v T) {
	t.Helper()
	once, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%+v can't be written: %v", v, err)
	}
	var again T
	if err := json.Unmarshal(once, &again); err != nil {
		t.Fatal(err)
	}
	if twice, err := json.Marshal(again); err != nil || !bytes.Equal(twice, once) {
		t.Errorf("%s is written as %s, %v", once, twice, err)
	}
}
