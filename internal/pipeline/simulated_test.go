package pipeline

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"cortexmap/internal/config"
)

// TestSimulatedBegins: the embedded subject is made without a pipeline file, and stops when it is told to; .ci/run
// makes it whole and compares it with a run's.
func TestSimulatedBegins(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := config.Defaults()
	var begun sync.Once
	seen := false
	_, err := Simulated(ctx, Options{Config: &c, Demo: os.DirFS(filepath.Join(testdata, "demo")), Log: slog.New(slog.DiscardHandler),
		Progress: func(string, int, int) { begun.Do(func() { seen = true; cancel() }) }})
	if !errors.Is(err, context.Canceled) || !seen {
		t.Errorf("%v, begun: %v", err, seen)
	}
	if left, err := fs.Glob(os.DirFS(os.TempDir()), "cortexmap-simulated-*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
