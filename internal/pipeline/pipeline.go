// Package pipeline turns a configuration into work: it opens what the file names, finds out which folders
// must exist, calls a stage for each that doesn't, and writes run.json.
//
// It is the only room that sees all three stages. What a task produces is a folder under a name that ends
// in its key, a digest of everything that determines the content (store.Key); a folder that is there is
// done. Networks and subjects are opened and checked before anything is written below out.
//
//	features     (network, image set)          → OUT/features/…
//	native       (network, named pictures)     → OUT/features/…
//	responses    (simulated subject)           → OUT/subjects/…
//	mapping      (features, subject, seed)     → OUT/mappings/…
//	results      (all mappings)                → OUT/results
package pipeline

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"cortexmap/internal/config"
	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
	"cortexmap/internal/tasks"
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
	// Ended is told, from one goroutine at a time, that a task was worked at and has ended, and how many of all
	// are finished. May be nil.
	Ended func(name, state string, seconds float64, finished, all int)
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

// run is one Run on its way.
type run struct {
	Options
	ctx        context.Context
	out        string
	threads    int // of each task
	settings   []*setting
	networks   []*network // of all settings
	brains     []*brain
	spaces     []*cortex.Geometry // that maps are written on as well
	pictures   map[string]shown   // by extract.images, where that is no subject's
	graph      *tasks.Graph
	judge      *judge         // nil: nothing is split by cluster
	models     []config.Model // of the file, patterns replaced by what they match
	whose      map[*tasks.Task]whose
	mappings   []*mapped
	alike      []*likeness
	drawn      []*network // of networks whose weights are drawn anew
	controlled []*control
	halved     []*halved

	mu      sync.Mutex // of what follows, which tasks share
	runtime *ort.Runtime
	device  string
	result  Result
	started time.Time
}

// Run does what the configuration asks for, up to and including stage Until. Finished folders are kept
// whatever happens afterwards, and a later Run goes on from them.
func Run(ctx context.Context, o Options) (*Result, error) {
	r := newRun(ctx, o)
	defer r.close()
	stop, err := r.ready()
	if err != nil {
		return nil, err
	}
	defer stop()
	err = tasks.Eval(ctx, r.graph, r.local(), r.KeepGoing)
	if e := r.gather(); err == nil {
		err = e
	}
	if e := r.record(state(err), err); err == nil {
		err = e
	}
	return &r.result, err
}

// ready opens what the file names, plans the tasks, and begins to write below out; stop ends the log.
func (r *run) ready() (stop func(), err error) {
	if err := r.open(); err != nil {
		return nil, err
	}
	r.plan()
	r.estimate()
	return r.begin()
}

func newRun(ctx context.Context, o Options) *run {
	r := &run{Options: o, ctx: ctx, out: o.Config.Out, started: time.Now(), whose: map[*tasks.Task]whose{}}
	for _, s := range o.Config.Settings() {
		r.settings = append(r.settings, &setting{run: r, Config: s.Config, Label: s.Label})
	}
	r.result.Out = r.out
	if r.Progress == nil {
		r.Progress = func(string, int, int) {}
	}
	return r
}

// memory is how many bytes tasks may use together: what the file says, or 70 % of what this process may have
// (the rest is for what is shared, file buffers above all).
func (r *run) memory() int64 {
	if m := r.Config.Memory; m > 0 {
		return int64(m * (1 << 30))
	}
	return ort.MemoryLimit() / 10 * 7
}

// local is the executor that works in this process.
func (r *run) local() *tasks.Local {
	return &tasks.Local{
		Options: tasks.Options{
			KeepGoing: r.KeepGoing, Version: r.Version, Log: r.Log,
			TaskLog:  func(_ *tasks.Task, w io.Writer) *slog.Logger { return slog.New(also(r.Log.Handler(), w)) },
			Progress: func(_ *tasks.Task, phase string, done, total int) { r.Progress(phase, done, total) },
			Changed: func(t *tasks.Task) {
				r.Log.Debug(t.State.String(), "kind", t.Kind, "name", t.Name, "key", t.Key, "seconds", t.Seconds)
				if r.Ended != nil && (t.State == tasks.Done || t.State == tasks.Failed) {
					r.Ended(t.Kind+" "+t.Name, t.State.String(), t.Seconds, r.graph.Count(tasks.Kept, tasks.Done), len(r.graph.Tasks))
				}
			},
		},
		Cores: ort.Threads(0), Memory: r.memory(),
	}
}

// gather puts the tasks, and what was said in the folders that are there, into the result.
func (r *run) gather() error {
	for _, t := range r.graph.Tasks {
		r.result.Tasks = append(r.result.Tasks, taskOf(t))
	}
	if r.Until == Analyze {
		return r.adopt()
	}
	ws, err := r.warnings(r.mappings)
	for _, w := range ws {
		r.warn(w)
	}
	return err
}

// warnings are those of the stores and mappings that are there.
func (r *run) warnings(mappings []*mapped) (ws []store.Warning, err error) {
	for _, t := range r.graph.Tasks {
		if t.Kind != "features" || !t.State.Finished() {
			continue
		}
		manifest, err := store.ReadManifest(filepath.Join(r.out, filepath.FromSlash(t.Folder)))
		if err != nil {
			return nil, err
		}
		ws = append(ws, manifest.Warnings...)
	}
	for _, m := range mappings {
		if m.Mapping != nil {
			ws = append(ws, m.Info.Warnings...)
			continue
		}
		if !m.task.State.Finished() {
			continue
		}
		info, err := store.ReadFitInfo(filepath.Join(r.out, filepath.FromSlash(m.task.Folder)))
		if err != nil {
			return nil, err
		}
		ws = append(ws, info.Warnings...)
	}
	return ws, nil
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
func (r *run) start(w work) (*ort.Runtime, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runtime != nil {
		return r.runtime, nil
	}
	s := ort.FromEnvironment()
	s.Flag, s.YAML, s.Offline, s.Log = r.OrtLib, r.Config.OrtLib, r.Offline, r.Log
	lib, err := ort.Find(w.ctx, s)
	if err != nil {
		return nil, err
	}
	rt, err := ort.Start(lib)
	if err != nil {
		return nil, err
	}
	device, note, err := rt.Device(r.Config.Device)
	if err != nil {
		rt.Close()
		return nil, err
	}
	if note != "" {
		r.Log.Info(note)
	}
	r.runtime, r.device = rt, device
	return rt, nil
}

// fitDevice is where fits run: on CUDA only where it was asked for by name. Every Run of their graphs carries
// its tensors across the bus (package fit says how much), which auto can't know to be worth it.
func (r *run) fitDevice() string {
	if r.Config.Device == ort.CUDA {
		return ort.CUDA
	}
	return ort.CPU
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
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Contains(r.result.Warnings, w) {
		return
	}
	r.result.Warnings = append(r.result.Warnings, w)
	r.Log.Warn(w.Text, "id", w.ID)
}
