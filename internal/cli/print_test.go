package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"runtime/debug"
	"testing"
	"time"

	"cortexmap/internal/fault"
)

// TestReport: what people see of an error, and the exit code.
func TestReport(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{errors.New("index out of\nrange"), 1, "cortexmap: error: index out of range\n  this is a bug in cortexmap: please report it with this text, the command and `cortexmap version`\n"},
		{fault.New(fault.Bug, "layers differ"), 1, "cortexmap: error: layers differ\n"},
		{fault.Inputf("no such key"), 2, "cortexmap: error: no such key\n"},
		{fault.Inputf("no such key").In("a.yaml:1:2: gird: 8\n           ^").Remedy("write\ngrid"), 2,
			"cortexmap: error: no such key\n  at:  a.yaml:1:2: gird: 8\n                  ^\n  fix: write grid\n"},
		{fault.Machinef("disk full").Remedy("make room"), 3, "cortexmap: error: disk full\n  fix: make room\n"},
		{fault.New(fault.Partial, "2 of 3 failed"), 4, "cortexmap: error: 2 of 3 failed\n"},
		{fmt.Errorf("layer 3: %w", fault.Inputf("too wide").In("net.onnx")), 2, "cortexmap: error: layer 3: too wide\n  at:  net.onnx\n"},
		{context.Canceled, 130, "cortexmap: interrupted; what was finished is kept, the same command goes on from there\n"},
		{fmt.Errorf("fit: %w", context.Canceled), 130, "cortexmap: interrupted; what was finished is kept, the same command goes on from there\n"},
	} {
		var w bytes.Buffer
		if code := report(c.err, &w); code != c.code || w.String() != c.want {
			t.Errorf("%v: code %d\n%swant %d\n%s", c.err, code, w.String(), c.code, c.want)
		}
	}
}

// TestHandler: notes bare, warnings and errors with their level, short numbers; quiet leaves notes out.
func TestHandler(t *testing.T) {
	say := func(quiet bool) string {
		var w bytes.Buffer
		log := slog.New(newHandler(&w, quiet))
		log.Debug("unseen")
		log.Info("fit", "images", 64, "loss", 0.41135107167065144, "r2", math.NaN())
		log.With("layer", "block1").Warn("odd", "id", "odd-layer")
		log.WithGroup("ignored").Error("broken")
		return w.String()
	}
	const loud = "warning: odd layer=block1 id=odd-layer\nerror: broken\n"
	if got := say(true); got != loud {
		t.Errorf("quiet:\n%s", got)
	}
	if got := say(false); got != "fit images=64 loss=0.4114 r2=NaN\n"+loud {
		t.Errorf("not quiet:\n%s", got)
	}
}

// TestProgressLines: without a terminal a line every few seconds, with rate and time left; quiet: none.
func TestProgressLines(t *testing.T) {
	var w bytes.Buffer
	p := newProgress(&w, false)
	p.update("extract net", 0, 100)
	p.update("extract net", 1, 100) // too soon
	p.started, p.last = p.started.Add(-20*time.Second), p.last.Add(-20*time.Second)
	p.update("extract net", 40, 100)
	p.update("extract net", 41, 100) // too soon again
	p.update("fit net", 0, 0)        // nothing to do is nothing to show
	p.close()
	if got := w.String(); got != "extract net: 40 of 100, 2/s, 30s left\n" {
		t.Errorf("%q", got)
	}
	w.Reset()
	p.heard = p.heard.Add(-20 * time.Second)
	p.update("extract more", 60, 100) // of an earlier run
	p.started, p.last = p.started.Add(-20*time.Second), p.last.Add(-20*time.Second)
	p.update("extract more", 80, 100)
	if got := w.String(); got != "extract more: 80 of 100, 1/s, 20s left\n" {
		t.Errorf("%q", got)
	}
	w.Reset()
	q := newProgress(&w, true)
	q.update("extract net", 0, 100)
	q.last = q.last.Add(-20 * time.Second)
	q.update("extract net", 50, 100)
	if w.Len() > 0 {
		t.Errorf("quiet: %q", w.String())
	}
}

// TestProgressBar: on a terminal a bar, which is gone in the end.
func TestProgressBar(t *testing.T) {
	var w bytes.Buffer
	p := newProgress(&w, false)
	p.tty = true
	p.update("extract net", 0, 100)
	p.bar.RenderBlank()
	p.update("extract net", 60, 100)
	if !bytes.Contains(w.Bytes(), []byte("extract net")) {
		t.Errorf("%q", w.String())
	}
	p.close()
	p.close()
	if p.bar != nil {
		t.Error("the bar stays")
	}
}

func TestTableAndJSON(t *testing.T) {
	var w bytes.Buffer
	table(&w, [][]string{{"network", "R2"}, {"lite0", "0.312"}})
	if got := w.String(); got != "  network  R2\n  lite0    0.312\n" {
		t.Errorf("%q", got)
	}
	if err := printJSON(io.Discard, math.NaN()); err == nil {
		t.Error("NaN has no JSON")
	}
}

func TestCommit(t *testing.T) {
	for want, settings := range map[string][]debug.BuildSetting{
		"unknown":        nil,
		"abc":            {{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}},
		"abc (modified)": {{Key: "vcs.modified", Value: "true"}, {Key: "vcs.revision", Value: "abc"}},
	} {
		if got := commit(&debug.BuildInfo{Settings: settings}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
