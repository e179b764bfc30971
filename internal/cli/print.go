package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"text/tabwriter"

	"cortexmap/internal/fault"
)

// report prints an error as the terminal's rules say and gives the exit code.
func report(err error, w io.Writer) int {
	if err == nil {
		return 0
	}
	class := fault.ClassOf(err)
	if class == fault.Interrupted {
		fmt.Fprintln(w, "cortexmap: interrupted; what was finished is kept, the same command goes on from there")
		return 130
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		fmt.Fprintf(w, "cortexmap: error: %s\n  this is a bug in cortexmap: please report it with this text, the command and `cortexmap version`\n", oneLine(err.Error()))
		return 1
	}
	what, at, fix := f.What, f.At, f.Fix
	if !errors.Is(err, error(f)) || err != error(f) {
		// context that was wrapped around the fault comes first
		what = strings.Replace(err.Error(), f.Error(), f.What, 1)
	}
	fmt.Fprintf(w, "cortexmap: error: %s\n", oneLine(what))
	if at != "" {
		fmt.Fprintf(w, "  at:  %s\n", strings.ReplaceAll(strings.TrimRight(at, "\n"), "\n", "\n       "))
	}
	if fix != "" {
		fmt.Fprintf(w, "  fix: %s\n", oneLine(fix))
	}
	return map[fault.Class]int{fault.Bug: 1, fault.Input: 2, fault.Machine: 3, fault.Partial: 4}[class]
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// printJSON writes v indented.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table prints rows in columns; the first row is the heading.
func table(w io.Writer, rows [][]string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(tw, "  "+strings.Join(r, "\t"))
	}
	tw.Flush()
}

// handler prints log records as plain lines: notes bare, warnings and errors with their level.
type handler struct {
	mu    *sync.Mutex
	w     io.Writer
	level slog.Level
	attrs []slog.Attr
}

func newHandler(w io.Writer, quiet bool) slog.Handler {
	level := slog.LevelInfo
	if quiet {
		level = slog.LevelWarn
	}
	return &handler{mu: &sync.Mutex{}, w: w, level: level}
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append(append([]slog.Attr{}, h.attrs...), attrs...)
	return &c
}

func (h *handler) WithGroup(string) slog.Handler { return h }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString("error: ")
	case r.Level >= slog.LevelWarn:
		b.WriteString("warning: ")
	}
	b.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		if a.Value.Kind() == slog.KindFloat64 {
			fmt.Fprintf(&b, " %s=%.4g", a.Key, a.Value.Float64())
		} else {
			fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		}
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := fmt.Fprintln(h.w, b.String())
	return err
}

// commit is the revision this binary was built from, as far as the build recorded it.
func commit(info *debug.BuildInfo) string {
	rev, dirty := "unknown", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			rev = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = " (modified)"
			}
		}
	}
	return rev + dirty
}
