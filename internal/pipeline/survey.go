package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
	"cortexmap/internal/tasks"
)

// Survey is what a file asks for and how far it is. Making one writes nothing.
type Survey struct {
	Out     string    `json:"out"`
	Tasks   []Planned `json:"tasks"`
	Workers int       `json:"workers"` // that would work side by side here
	Total   Estimate  `json:"total"`   // of what is left to do
	Slurm   []string  `json:"slurm,omitempty"`
	graph   *tasks.Graph
}

// Planned is a task and its cost.
type Planned struct {
	Task
	Needs    []string      `json:"needs,omitempty"` // keys
	Estimate Estimate      `json:"estimate"`
	Why      *tasks.Reason `json:"why,omitempty"` // with explain, of a task that would run
	Log      string        `json:"log,omitempty"` // below out, of one that failed
}

// Estimate is what something is expected to take; 0 is unknown.
type Estimate struct {
	Seconds  float64 `json:"seconds"`
	Memory   int64   `json:"memory_bytes"`
	Disk     int64   `json:"disk_bytes"`
	Measured bool    `json:"measured"` // the time is from finished tasks of this folder
}

// Look makes a survey. Networks and subjects are opened and read as a run would, and nothing is written.
func Look(ctx context.Context, o Options, explain bool) (*Survey, error) {
	r, err := look(ctx, o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	var why map[*tasks.Task]tasks.Reason
	if explain {
		if why, err = r.graph.Explain(); err != nil {
			return nil, err
		}
	}
	s := &Survey{Out: r.out, Workers: r.workers(), graph: r.graph}
	for _, t := range r.graph.Tasks {
		p := Planned{Task: taskOf(t), Estimate: Estimate{t.Cost.Seconds, t.Cost.Memory, t.Cost.Disk, t.Cost.Measured}}
		for _, n := range t.Needs {
			p.Needs = append(p.Needs, n.Key)
		}
		if reason, ok := why[t]; ok {
			p.Why = &reason
		}
		if t.State == tasks.Failed {
			if f, ok := tasks.ReadFailure(r.out, t.Key); ok {
				p.Error, p.Log = f.Error, f.Log
			}
		}
		if !t.State.Finished() {
			s.Total.Seconds += t.Cost.Seconds
			s.Total.Disk += t.Cost.Disk
			s.Total.Memory = max(s.Total.Memory, t.Cost.Memory)
		}
		s.Tasks = append(s.Tasks, p)
	}
	s.Total.Seconds /= float64(max(1, s.Workers))
	return s, nil
}

// look opens and plans, and sees what is there.
func look(ctx context.Context, o Options) (*run, error) {
	r := newRun(ctx, o)
	if err := r.open(); err != nil {
		r.close()
		return nil, err
	}
	r.plan()
	if err := r.graph.Look(); err != nil {
		r.close()
		return nil, err
	}
	r.estimate()
	if err := r.graph.LookInQueue(ctx); err != nil {
		r.warn(store.Warning{ID: "no-queue", Text: "Slurm can't be asked, so that what is queued can't be told from what is lost: " + err.Error()})
	}
	return r, nil
}

// workers is how many tasks fit beside each other here.
func (r *run) workers() int {
	l := r.local()
	n := max(1, l.Cores/max(1, r.threads))
	var largest int64
	for _, t := range r.graph.Tasks {
		if !t.State.Finished() {
			largest = max(largest, t.Cost.Memory)
		}
	}
	if largest > 0 && l.Memory > 0 {
		n = min(n, int(max(1, l.Memory/largest)))
	}
	return n
}

// Graph is the plan as text: tasks and arrows.
func (s *Survey) Graph() string { return s.graph.Text() }

// Verdict is what Verify says of one task.
type Verdict struct {
	Kind   string        `json:"kind"`
	Name   string        `json:"name"`
	Folder string        `json:"folder"`
	State  string        `json:"state"` // follows, stale, damaged, missing
	Wrong  []string      `json:"wrong,omitempty"`
	Why    *tasks.Reason `json:"why,omitempty"` // stale: what has changed since the nearest folder was made
	Made   string        `json:"made_by,omitempty"`
}

// Verify computes the digests of inputs, settings and files again, and says of every task whether what lies in
// the output folder follows from them. It writes nothing, and ends with a fault of class Input if something
// doesn't.
func Verify(ctx context.Context, o Options) ([]Verdict, error) {
	r, err := look(ctx, o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	why, err := r.graph.Explain()
	if err != nil {
		return nil, err
	}
	var out []Verdict
	bad := map[string]int{}
	for i, t := range r.graph.Tasks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.Progress("verify", i, len(r.graph.Tasks))
		v := Verdict{Kind: t.Kind, Name: t.Name, Folder: t.Folder, State: "follows"}
		if !t.State.Finished() {
			v.State = "missing"
			if reason := why[t]; reason.Nearest != "" {
				v.State, v.Why = "stale", &reason
			}
		} else if err := r.verify(t, &v); err != nil {
			return nil, err
		}
		if v.State != "follows" {
			bad[v.State]++
		}
		out = append(out, v)
	}
	if len(bad) == 0 {
		return out, nil
	}
	var words []string
	for _, w := range []string{"damaged", "stale", "missing"} {
		if bad[w] > 0 {
			words = append(words, fmt.Sprintf("%d %s", bad[w], w))
		}
	}
	return out, fault.Inputf("of %d tasks not all follow from their inputs: %s", len(out), strings.Join(words, ", ")).
		Remedy("`cortexmap run` makes what is missing or stale; delete a damaged folder and it is made again")
}

func (r *run) verify(t *tasks.Task, v *Verdict) error {
	dir := filepath.Join(r.out, filepath.FromSlash(t.Folder))
	wrong, err := tasks.Verify(dir, t.Key, func(kind string, parts []tasks.RawPart) string { return store.Key(kind, parts) })
	if err != nil {
		return err
	}
	if len(wrong) > 0 {
		v.State, v.Wrong = "damaged", wrong
	}
	if record, err := tasks.ReadRecord(dir); err == nil {
		v.Made = record.Version
	}
	return nil
}

// taskFolders are the folders in which tasks' folders lie.
var taskFolders = []string{"features", "subjects", "mappings"}

// Rest is something that nothing refers to.
type Rest = tasks.Rest

// Rests lists what lies in the output folder and nothing of the file refers to. It writes nothing.
func Rests(ctx context.Context, o Options) ([]tasks.Rest, error) {
	r, err := look(ctx, o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	return r.graph.Rests(taskFolders)
}

// Clean removes what Rests listed.
func Clean(out string, rests []tasks.Rest) error {
	g := tasks.NewGraph(out)
	for _, rest := range rests {
		if err := g.Remove(rest); err != nil {
			return err
		}
	}
	return nil
}

// Recorded is the configuration of an earlier run, as its folder keeps it, with paths that lead from here to
// what it read, whatever folder it was started in.
func Recorded(out string) ([]byte, error) {
	f, err := readRun(out)
	if err != nil {
		return nil, err
	}
	recorded, ok := f.Config.(map[string]any)
	if !ok {
		return nil, fault.Inputf("%s holds no configuration", filepath.Join(out, runName)).Remedy("name the pipeline file instead")
	}
	for _, list := range []string{"models", "subjects"} {
		entries, _ := recorded[list].([]any)
		for _, e := range entries {
			entry, _ := e.(map[string]any)
			for k, v := range entry {
				if p, ok := v.(string); ok && pathKeys[k] && p != "" && !strings.HasPrefix(p, demoPrefix) && !filepath.IsAbs(p) {
					entry[k] = filepath.Join(f.Folder, p)
				}
			}
		}
	}
	recorded["out"] = out
	return json.Marshal(recorded)
}

// pathKeys are the keys of networks and subjects that hold paths.
var pathKeys = map[string]bool{"path": true, "card": true, "rois": true, "ceiling": true, "mask": true}

// Holds says whether a folder holds a run.
func Holds(out string) bool { return durable.Exists(filepath.Join(out, runName)) }
