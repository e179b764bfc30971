package pipeline

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
	"cortexmap/internal/tasks"
)

// Task is one folder that had to exist.
type Task struct {
	Kind    string  `json:"kind"` // features, native, responses, mapping, results
	Name    string  `json:"name"`
	Key     string  `json:"key"`
	Folder  string  `json:"folder"` // below out
	State   string  `json:"state"`  // done: made now; kept: was there; failed; interrupted; skipped: needs one that failed; missing
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

// taskOf is a task as the result tells it.
func taskOf(t *tasks.Task) Task {
	out := Task{Kind: t.Kind, Name: t.Name, Key: t.Key, Folder: t.Folder, State: t.State.String(), Seconds: t.Seconds}
	if (t.State == tasks.Failed || t.State == tasks.Lost) && t.Err != nil {
		out.Error = t.Err.Error()
	}
	return out
}

// state is the word for how something ended.
func state(err error) string {
	switch {
	case err == nil:
		return "done"
	case fault.ClassOf(err) == fault.Interrupted:
		return "interrupted"
	}
	return "failed"
}

// runFile is run.json: what was asked, what was done, with what.
type runFile struct {
	Format   int             `json:"format"`
	Version  string          `json:"version"`
	Command  string          `json:"command"`
	Folder   string          `json:"folder"` // in which it was started, where relative paths begin
	Library  string          `json:"onnxruntime,omitempty"`
	Device   string          `json:"device,omitempty"`
	Config   any             `json:"config"`
	Started  time.Time       `json:"started"`
	Ended    time.Time       `json:"ended"` // while it is running: when this was written
	State    string          `json:"state"` // running; done, interrupted, failed
	Error    string          `json:"error,omitempty"`
	Tasks    []Task          `json:"tasks"`
	Warnings []store.Warning `json:"warnings"`
	Mappings []mappingEntry  `json:"mappings"`
	Report   string          `json:"report,omitempty"`
}

// runName is the file, runFormat the number of its form.
const (
	runName   = "run.json"
	runFormat = 1
)

// readRun reads the run.json in a run's folder. One that is damaged, of another format, or names folders that are not
// below the run's is a fault.
func readRun(root string) (f runFile, err error) {
	const remedy = "run the same pipeline file again: it is written anew, and what is done is kept"
	path := filepath.Join(root, runName)
	if err := durable.ReadJSON(path, &f, remedy); err != nil {
		return f, err
	}
	if f.Format != runFormat {
		return f, fault.Inputf("it has format %d, this cortexmap reads %d", f.Format, runFormat).In("%s", path).Remedy(remedy)
	}
	for _, m := range f.Mappings {
		for _, folder := range []string{m.Folder, m.Features} {
			if folder != "" && !filepath.IsLocal(filepath.FromSlash(folder)) {
				return f, fault.Inputf("damaged: %q is no folder of the run", folder).In("%s", path).Remedy(remedy)
			}
		}
	}
	return f, nil
}

// record writes run.json: at the beginning with the state running, so that an end that nobody could tell
// of doesn't look like success, and in the end.
func (r *run) record(state string, failure error) error {
	folder, err := os.Getwd()
	if err != nil {
		return durable.Explain(err, ".")
	}
	f := runFile{
		Format: runFormat, Version: r.Version, Command: r.Command, Folder: folder, Device: r.device, Config: r.Config,
		Started: r.started, Ended: time.Now(), State: state,
		Tasks: append([]Task{}, r.result.Tasks...), Warnings: append([]store.Warning{}, r.result.Warnings...), Report: r.result.Report,
	}
	if f.Mappings, err = r.entries(); err != nil {
		return err
	}
	if r.runtime != nil {
		f.Library = r.runtime.Version()
	}
	if failure != nil {
		f.Error = failure.Error()
	}
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(r.out, runName), append(data, '\n'))
}
