// Package bench holds the project's own comparisons, the numbers that README and contract promise, as
// functions that return tables (analyze.Table): one file a comparison, named as `cortexmap bench NAME` is.
//
// A comparison measures on the machine it runs on. A speed stands beside a baseline of the same run and is
// reported as a ratio; nothing here decides what is fast enough, and no test asserts a time.
package bench

import (
	"context"
	"io/fs"
	"log/slog"

	"cortexmap/internal/ort"
)

// Options are common to all comparisons.
type Options struct {
	Demo     fs.FS // the embedded demo folder
	Threads  int   // 0: the cores this process may use
	Log      *slog.Logger
	Progress func(stage string, done, total int) // may be called from any goroutine
	// Start loads ONNX Runtime; whoever calls it closes what it returns.
	Start func(context.Context) (*ort.Runtime, error)
}
