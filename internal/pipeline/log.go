package pipeline

import (
	"context"
	"io"
	"log/slog"
	"math"
	"strconv"
	"sync"
)

// tee hands every record to the screen's handler and to the run's log. A warning that a stage has said
// and that comes again, with a result that is read or with the next seed, is passed over.
type tee struct {
	to   [2]slog.Handler
	said *sync.Map
}

func newTee(screen slog.Handler, file io.Writer) tee {
	return tee{[2]slog.Handler{screen, jsonLines(file)}, new(sync.Map)}
}

// also hands every record to a task's own log as well.
func also(h slog.Handler, file io.Writer) slog.Handler {
	return tee{[2]slog.Handler{h, jsonLines(file)}, nil}
}

func jsonLines(file io.Writer) slog.Handler {
	return slog.NewJSONHandler(file, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: finite})
}

// finite writes numbers that JSON has no word for as text.
func finite(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindFloat64 {
		if x := a.Value.Float64(); math.IsNaN(x) || math.IsInf(x, 0) {
			return slog.String(a.Key, strconv.FormatFloat(x, 'g', -1, 64))
		}
	}
	return a
}

func (t tee) Enabled(ctx context.Context, l slog.Level) bool {
	return t.to[0].Enabled(ctx, l) || t.to[1].Enabled(ctx, l)
}

func (t tee) Handle(ctx context.Context, rec slog.Record) error {
	if rec.Level == slog.LevelWarn && t.said != nil {
		if _, again := t.said.LoadOrStore(rec.Message, true); again {
			return nil
		}
	}
	for _, h := range t.to {
		if h.Enabled(ctx, rec.Level) {
			if err := h.Handle(ctx, rec.Clone()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t tee) WithAttrs(a []slog.Attr) slog.Handler {
	return tee{[2]slog.Handler{t.to[0].WithAttrs(a), t.to[1].WithAttrs(a)}, t.said}
}

func (t tee) WithGroup(name string) slog.Handler {
	return tee{[2]slog.Handler{t.to[0].WithGroup(name), t.to[1].WithGroup(name)}, t.said}
}
