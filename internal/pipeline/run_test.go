package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cortexmap/fit"
	"cortexmap/internal/config"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/ort"
)

// options are those of a run of the desk's pipeline file; the test is skipped without a library.
func (d *desk) options() Options {
	d.t.Helper()
	if _, err := ort.Find(d.t.Context(), ort.FromEnvironment()); err != nil {
		d.t.Skipf("ONNX Runtime can't be had here: %v", err)
	}
	d.t.Chdir(d.dir)
	c, err := config.Load("pipeline.yaml", []byte(d.yaml), d.overrides)
	d.check(err)
	return Options{Config: c, Demo: os.DirFS(filepath.Join(testdata, "demo")), Until: Analyze, Version: "test", Log: slog.New(slog.DiscardHandler)}
}

// states are those of the tasks that were worked at or are there.
func states(r *Result) string {
	var words []string
	for _, t := range r.Tasks {
		if t.State != "missing" && t.State != "skipped" {
			words = append(words, t.Kind+" "+t.State)
		}
	}
	return strings.Join(words, ", ")
}

// record reads run.json.
func (d *desk) record(out string) (f runFile) {
	d.t.Helper()
	data, err := os.ReadFile(filepath.Join(d.dir, out, "run.json"))
	d.check(err)
	d.check(json.Unmarshal(data, &f))
	return f
}

// TestRunInPieces cancels a run in each of its stages, and takes it up again in the same process.
func TestRunInPieces(t *testing.T) {
	d := newDesk(t)
	o := d.options()
	for _, c := range []struct {
		during string // what the progress that cancels begins with; "" for a context that is cancelled before
		want   string
	}{
		{"", "features interrupted"},
		{"extract", "features interrupted"},
		{"fit", "features done, mapping interrupted"},
		{"fit resnet: last readout", "features kept, mapping interrupted"},
		{"analyze", "features kept, mapping done, results interrupted"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if c.during == "" {
			cancel()
		}
		o.Progress = func(stage string, _, _ int) {
			if strings.HasPrefix(stage, c.during) {
				cancel()
			}
		}
		res, err := Run(ctx, o)
		cancel()
		if fault.ClassOf(err) != fault.Interrupted {
			t.Fatalf("cancelled during %q: %v", c.during, err)
		}
		if res == nil { // so early that nothing was begun
			continue
		}
		if got := states(res); got != c.want {
			t.Errorf("cancelled during %q: %s, want %s", c.during, got, c.want)
		}
		if kept, _ := filepath.Glob("out/mappings/*/*/*.partial/" + fit.CheckpointName); strings.HasPrefix(c.during, "fit resnet") && len(kept) != 1 {
			t.Errorf("cancelled during %q: checkpoints %v", c.during, kept)
		}
		if f := d.record("out"); f.State != "interrupted" || f.Error == "" {
			t.Errorf("cancelled during %q: run.json says %s, %q", c.during, f.State, f.Error)
		}
	}
	if left, _ := filepath.Glob("out/mappings/*/*/*"); len(left) != 1 || strings.HasSuffix(left[0], durable.PartialSuffix) {
		t.Errorf("of the mappings there are %v", left)
	}
	if left, _ := filepath.Glob("out/mappings/*/*/*/" + fit.CheckpointName); len(left) > 0 {
		t.Errorf("the checkpoint stays: %v", left)
	}
	var mu sync.Mutex
	stages := map[string]bool{}
	o.Progress = func(stage string, done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if stages[strings.Fields(stage)[0]] = true; d.record("out").State != "running" {
			t.Errorf("%s: run.json says %s", stage, d.record("out").State)
		}
		if done < 0 || done > total {
			t.Errorf("%s: %d of %d", stage, done, total)
		}
	}
	res, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := states(res); got != "features kept, mapping kept, results done" || !stages["analyze"] {
		t.Errorf("in the end: %s; progress of %v", got, stages)
	}
	if f := d.record("out"); f.State != "done" || f.Error != "" || f.Version != "test" || len(f.Tasks) != 3 || f.Report != res.Report {
		t.Errorf("run.json: %+v", f)
	}
	for _, path := range append(res.Tables, res.Report) {
		if !durable.Exists(path) {
			t.Errorf("%s is named and not there", path)
		}
	}
}

// TestFailureKeepsWhatWasFinished: a fit that can't be done leaves the tokens, and says so in run.json.
func TestFailureKeepsWhatWasFinished(t *testing.T) {
	d := newDesk(t)
	d.yaml += "  images: 1\n" // nothing can be fitted to one
	res, err := Run(t.Context(), d.options())
	if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "1 training") {
		t.Fatalf("%v", err)
	}
	if got := states(res); got != "features done, mapping failed" {
		t.Error(got)
	}
	f := d.record("out")
	if f.State != "failed" || f.Error != err.Error() || f.Tasks[1].Error != err.Error() {
		t.Errorf("run.json: %+v", f)
	}
	if !durable.Exists(filepath.Join("out", f.Tasks[0].Folder)) {
		t.Error("the tokens are gone")
	}
	if left, _ := filepath.Glob("out/mappings/*/*/*/*"); len(left) != 1 || !strings.HasSuffix(left[0], ".partial/log.jsonl") {
		t.Errorf("of the mapping is left: %v, want its log alone", left)
	}
}

// TestOpenWritesNothing: whatever is wrong with what the file names is found before anything is written.
func TestOpenWritesNothing(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"[resnet.onnx]", "[gone.onnx]", "gone.onnx does not exist"},
		{"by: photo", "by: cluser", `fit.split.by is "cluser", which small has no column for; it can be cluster, given, image, photo`},
		{"[resnet.onnx]", "[resnet.onnx, {path: resnet.onnx}]", "both named resnet"},
		{"[resnet.onnx]", "[demo:alexnet]", "alexnet"},
		{"[resnet.onnx]", "['*.nothing']", "no file matches"},
		{"[resnet.onnx]", "['[']", "not a valid pattern"},
		{"[resnet.onnx]", "[{path: resnet.onnx, card: gone.yaml}]", "gone.yaml does not exist"},
		{"[brain]", "[gone]", "gone does not exist"},
		{"[brain]", "[resnet.onnx]", "is a file"},
		{"[brain]", "[brain, ./brain]", "two are named small"},
		{"[brain]", "[demo:subj01]", "subj01"},
		{"out: out", "out: brain/out", "inside the subject's folder"},
		{"out: out", "out: brain", "inside the subject's folder"},
	} {
		d := newDesk(t)
		d.yaml = strings.Replace(d.yaml, c.old, c.new, 1)
		o := d.options()
		_, err := Run(t.Context(), o)
		if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.new, err)
		}
		if _, err := os.Stat(filepath.Join(o.Config.Out, "run.json")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something was written: %v", c.new, err)
		}
	}
}

// TestControls: the refits are tasks of their own, kept like others; they stand in a table, not among the mappings;
// and the network on disk stays as it is.
func TestControls(t *testing.T) {
	d := newDesk(t)
	d.yaml += "analyze: {controls: all}\n"
	before, err := os.ReadFile(filepath.Join(d.dir, "resnet.onnx"))
	d.check(err)
	o := d.options()
	res, err := Run(t.Context(), o)
	d.check(err)
	if got, want := states(res), "features done, mapping done, features done, mapping done, mapping done, results done"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	after, err := os.ReadFile(filepath.Join(d.dir, "resnet.onnx"))
	d.check(err)
	if !bytes.Equal(before, after) {
		t.Error("the network on disk was changed")
	}
	table, err := os.ReadFile("out/results/tables/controls.csv")
	d.check(err)
	for _, want := range []string{",random_weights,r2,", ",shuffled,r2,", ",shuffled,vertices_q05,"} {
		if !strings.Contains(string(table), want) {
			t.Errorf("controls.csv has no %s:\n%s", want, table)
		}
	}
	rois, err := os.ReadFile("out/results/tables/rois.csv")
	d.check(err)
	if strings.Contains(string(rois), "random") {
		t.Errorf("a control stands among the mappings:\n%s", rois)
	}
	if res, err = Run(t.Context(), o); err != nil || strings.Contains(states(res), "done") {
		t.Errorf("again: %s, %v", states(res), err)
	}
}
