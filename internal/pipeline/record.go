package pipeline

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
)

// Task is one folder that had to exist.
type Task struct {
	Kind    string  `json:"kind"` // features, responses, mapping, results
	Name    string  `json:"name"`
	Key     string  `json:"key"`
	Folder  string  `json:"folder"` // below out
	State   string  `json:"state"`  // done: made now; kept: was there; failed; interrupted
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

// task makes the folder at rel (below out) unless one with its key is there, and says where it is.
// Whatever build does, the folder appears under its final name whole or not at all.
func (r *run) task(kind, name, key, rel string, build func(final string) error) (folder string, err error) {
	rel = r.folder(rel, key)
	t := Task{Kind: kind, Name: name, Key: key, Folder: filepath.ToSlash(rel), State: "kept"}
	final := filepath.Join(r.out, rel)
	if durable.Exists(final) {
		r.Log.Debug("kept", "kind", kind, "name", name, "key", key)
		r.result.Tasks = append(r.result.Tasks, t)
		return rel, nil
	}
	start := time.Now()
	err = build(final)
	r.ended(t, start, err)
	return rel, err
}

// ended puts a task that was worked on into the result.
func (r *run) ended(t Task, start time.Time, err error) {
	t.State, t.Seconds = state(err), time.Since(start).Seconds()
	if err != nil {
		t.Error = err.Error()
	}
	r.result.Tasks = append(r.result.Tasks, t)
	r.Log.Debug(t.State, "kind", t.Kind, "name", t.Name, "key", t.Key, "seconds", t.Seconds)
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

// filled makes a build of what fill writes into a folder beside the final one; an interrupted fill finds
// there what it had finished.
func filled(fill func(dir string) error) func(final string) error {
	return func(final string) error { return inPartial(final, fill) }
}

func inPartial(final string, fill func(dir string) error) error {
	dir, err := durable.OpenDir(final)
	if err != nil {
		return err
	}
	if err := fill(dir.Path); err != nil {
		dir.DiscardEmpty() // where nothing was finished no trace is left
		return err
	}
	return dir.Commit()
}

// runFile is run.json: what was asked, what was done, with what.
type runFile struct {
	Format   int             `json:"format"`
	Version  string          `json:"version"`
	Command  string          `json:"command"`
	Library  string          `json:"onnxruntime,omitempty"`
	Device   string          `json:"device,omitempty"`
	Config   any             `json:"config"`
	Started  time.Time       `json:"started"`
	Ended    time.Time       `json:"ended"` // while it is running: when this was written
	State    string          `json:"state"` // running; done, interrupted, failed
	Error    string          `json:"error,omitempty"`
	Tasks    []Task          `json:"tasks"`
	Warnings []store.Warning `json:"warnings"`
	Report   string          `json:"report,omitempty"`
}

// record writes run.json: at the beginning with the state running, so that an end that nobody could tell
// of doesn't look like success, and in the end.
func (r *run) record(state string, failure error) error {
	f := runFile{
		Format: 1, Version: r.Version, Command: r.Command, Device: r.device, Config: r.Config,
		Started: r.started, Ended: time.Now(), State: state,
		Tasks: append([]Task{}, r.result.Tasks...), Warnings: append([]store.Warning{}, r.result.Warnings...), Report: r.result.Report,
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
	return durable.WriteFile(filepath.Join(r.out, "run.json"), append(data, '\n'))
}

// replaceDir puts the folder at path+".partial" in the place of the folder at path. A crash between the
// two renames leaves the old one under ".old", which the next run removes.
func replaceDir(dir *durable.Dir, path string) error {
	old := path + ".old"
	if err := os.RemoveAll(old); err != nil {
		return durable.Explain(err, old)
	}
	if err := os.Rename(path, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return durable.Explain(err, path)
	}
	if err := dir.Commit(); err != nil {
		return err
	}
	return durable.Explain(os.RemoveAll(old), old)
}
