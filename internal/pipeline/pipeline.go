// Package pipeline turns a configuration into work: it opens what the file names, finds out which folders
// must exist, calls a stage for each that doesn't, and writes run.json.
//
// It is the only room that sees all three stages. What a task produces is a folder under a name that ends
// in its key, a digest of everything that determines the content (store.Key); a folder that is there is
// done. Networks and subjects are opened and checked before anything is written below out.
//
//	features     (network, image set)          → OUT/features/…
//	responses    (simulated subject)           → OUT/subjects/…
//	mapping      (features, subject, seed)     → OUT/mappings/…
//	results      (all mappings)                → OUT/results
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cortexmap/internal/config"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
)

// Stage is how far a run goes.
type Stage int

// The stages, in sequence.
const (
	Extract Stage = iota
	Fit
	Analyze
)

// Options of Run.
type Options struct {
	Config  *config.Config
	Demo    fs.FS  // the embedded demo folder
	Until   Stage  // the last stage to do
	OrtLib  string // path of ONNX Runtime's library given on the command line; wins over environment and file
	Offline bool   // never fetch ONNX Runtime's library
	Version string // of cortexmap, recorded beside results
	Command string // what the user typed, recorded in run.json
	// KeepGoing leaves out pictures that can't be decoded, instead of stopping at the first.
	KeepGoing bool
	Log       *slog.Logger
	// Progress is told, from any goroutine, how far a task is.
	Progress func(stage string, done, total int)
}

// Result is what a run made.
type Result struct {
	Out      string          `json:"out"`
	Tasks    []Task          `json:"tasks"`
	Tables   []string        `json:"tables,omitempty"`
	Plates   []string        `json:"plates,omitempty"`
	Report   string          `json:"report,omitempty"`
	Summary  [][]string      `json:"summary,omitempty"` // the table printed at the end; the first row is the heading
	Notes    []string        `json:"notes,omitempty"`   // what must be read with the table
	Warnings []store.Warning `json:"warnings,omitempty"`
}

// pair is a network shown the pictures of a subject.
type pair struct {
	*network
	*brain
}

// run is one Run on its way.
type run struct {
	Options
	ctx      context.Context
	out      string
	networks []*network
	brains   []*brain

	runtime *ort.Runtime
	device  string

	result   Result
	started  time.Time
	tokens   map[pair]tokens
	mappings []*mapped
}

// Run does what the configuration asks for, up to and including stage Until. Finished folders are kept
// whatever happens afterwards, and a later Run goes on from them.
func Run(ctx context.Context, o Options) (*Result, error) {
	r := newRun(ctx, o)
	defer r.close()
	if err := r.open(); err != nil {
		return nil, err
	}
	stop, err := r.begin()
	if err != nil {
		return nil, err
	}
	defer stop()
	err = r.stages()
	if e := r.record(state(err), err); err == nil {
		err = e
	}
	return &r.result, err
}

func newRun(ctx context.Context, o Options) *run {
	r := &run{Options: o, ctx: ctx, out: o.Config.Out, started: time.Now(), tokens: map[pair]tokens{}}
	r.result.Out = r.out
	if r.Progress == nil {
		r.Progress = func(string, int, int) {}
	}
	return r
}

// stages does the work in sequence.
func (r *run) stages() error {
	for _, b := range r.brains {
		for _, n := range r.networks {
			if err := r.features(n, b); err != nil {
				return err
			}
		}
	}
	if r.Until == Extract {
		return nil
	}
	for _, b := range r.brains {
		if err := r.responses(b); err != nil {
			return err
		}
		for _, n := range r.networks {
			if err := r.maps(n, b); err != nil {
				return err
			}
		}
	}
	if r.Until == Fit {
		return nil
	}
	return r.results()
}

// begin makes the output folder, proves that it can be written to, and opens its log.
func (r *run) begin() (stop func(), err error) {
	if err := os.MkdirAll(r.out, 0o777); err != nil {
		return nil, elsewhere(durable.Explain(err, r.out))
	}
	path := filepath.Join(r.out, "log.jsonl")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, elsewhere(durable.Explain(err, path))
	}
	r.Log = slog.New(newTee(r.Log.Handler(), f))
	r.Log.Debug("run", "version", r.Version, "command", r.Command)
	if err := r.record("running", nil); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// elsewhere gives a fault about the output folder the remedy that is always there.
func elsewhere(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Class == fault.Input {
		return f.Remedy("choose another folder with --out")
	}
	return err
}

// start finds and loads ONNX Runtime when the first task needs it, so that a finished run needs no library.
func (r *run) start() (*ort.Runtime, error) {
	if r.runtime != nil {
		return r.runtime, nil
	}
	s := ort.FromEnvironment()
	s.Flag, s.YAML, s.Offline, s.Log = r.OrtLib, r.Config.OrtLib, r.Offline, r.Log
	lib, err := ort.Find(r.ctx, s)
	if err != nil {
		return nil, err
	}
	rt, err := ort.Start(lib)
	if err != nil {
		return nil, err
	}
	r.runtime = rt
	device, note, err := rt.Device(r.Config.Device)
	if err != nil {
		return nil, err
	}
	if note != "" {
		r.Log.Info(note)
	}
	r.device = device
	return rt, nil
}

func (r *run) close() {
	for _, b := range r.brains {
		b.close()
	}
	if r.runtime != nil {
		r.runtime.Close()
	}
}

// warn adds a warning, and says it, once.
func (r *run) warn(w store.Warning) {
	if !slices.Contains(r.result.Warnings, w) {
		r.result.Warnings = append(r.result.Warnings, w)
	}
	r.Log.Warn(w.Text, "id", w.ID)
}

// progress is the callback of one task.
func (r *run) progress(format string, args ...any) func(done, total int) {
	name := fmt.Sprintf(format, args...)
	return func(done, total int) { r.Progress(name, done, total) }
}
