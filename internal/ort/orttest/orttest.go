// Package orttest gives tests a running ONNX Runtime.
package orttest

import (
	"context"
	"sync"
	"testing"

	"cortexmap/internal/ort"
)

var start = sync.OnceValues(func() (*ort.Runtime, error) {
	lib, err := ort.Find(context.Background(), ort.FromEnvironment())
	if err != nil {
		return nil, err
	}
	return ort.Start(lib)
})

// Runtime is the process's runtime, found (and fetched, as for users) at the first call and never closed.
// The test is skipped, with the reason, where the library can't be had.
func Runtime(t testing.TB) *ort.Runtime {
	t.Helper()
	rt, err := start()
	if err != nil {
		t.Skipf("ONNX Runtime can't be had here: %v", err)
	}
	return rt
}
