package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"
)

// Task is one folder that must exist.
type Task struct {
	Kind   string // for people and for resources: features, mapping, …
	Name   string // for people: what it makes, of what
	Key    string // digest of everything that determines the content
	Parts  []Part // what the key was made of
	Folder string // where it lies, or is to lie: below the output folder, with slashes, ending in -KEY unless Fixed
	Fixed  bool   // the folder has this one name whatever the key: it is done if its record has the key
	Needs  []*Task
	// Some: it makes do with those of its needs that could be done, if there are any. Its folder is Fixed, and
	// what was made of some only doesn't count as done later on.
	Some bool
	Cost Cost
	// Run fills w.Dir. It goes on from what an interrupted Run left there, and ends when ctx is cancelled.
	Run func(ctx context.Context, w *Work) error

	State   State
	Seconds float64 // that it took now
	Err     error   // why it failed, or, where Slurm says so, is lost
}

// Part is one thing that a key depends on. The value is what JSON can hold.
type Part struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// Cost is what a task is expected to take. Zero is unknown.
type Cost struct {
	Seconds  float64 // on Threads
	Memory   int64   // bytes
	Disk     int64   // bytes that stay
	Threads  int
	Measured bool // Seconds comes from this folder's own finished tasks
}

// Work is what Run gets.
type Work struct {
	Dir      string // the unfinished folder
	Log      *slog.Logger
	Progress func(phase string, done, total int)
}

// State of a task. Greater is further, so that "finished" is a comparison; Failed and what could not be tried
// for it come last.
type State int

// The states of a task.
const (
	Missing     State = iota
	Queued            // in Slurm's queue
	Running           // claimed by a process that lives
	Interrupted       // unfinished: what it had finished is kept
	Lost              // submitted, but neither queued, nor running, nor done
	Kept              // was there
	Done              // made now
	Failed
	Skipped // something that it needs failed
)

var stateNames = [...]string{"missing", "queued", "running", "interrupted", "lost", "kept", "done", "failed", "skipped"}

func (s State) String() string { return stateNames[s] }

// MarshalText writes the state as its word.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finished says whether the folder is there.
func (s State) Finished() bool { return s == Kept || s == Done }

// Graph is tasks, every one after those that it needs.
type Graph struct {
	Root  string // the output folder
	Tasks []*Task
	byKey map[string]*Task
}

// NewGraph is an empty graph below an output folder.
func NewGraph(root string) *Graph { return &Graph{Root: root, byKey: map[string]*Task{}} }

// Add appends a task and returns it; where one of the key is there already, that one. It panics if a need was
// not added before: the order is the caller's duty.
func (g *Graph) Add(t *Task) *Task {
	if old := g.byKey[t.Key]; old != nil {
		return old
	}
	for _, n := range t.Needs {
		if g.byKey[n.Key] != n {
			panic(fmt.Sprintf("tasks: %s needs %s, which is not in the graph", t.Name, n.Name))
		}
	}
	g.byKey[t.Key] = t
	g.Tasks = append(g.Tasks, t)
	return t
}

// Find is the task of a key, or nil.
func (g *Graph) Find(key string) *Task { return g.byKey[key] }

// Text is the graph for people and for tests: a line a task, in order, then its arrows. Keys are left out, so
// that a plan is compared by what it does.
//
//	features lite0 over photographs
//	mapping lite0 onto simulated, sound, seed 0
//	  <- features lite0 over photographs
func (g *Graph) Text() string {
	var b strings.Builder
	for _, t := range g.Tasks {
		fmt.Fprintf(&b, "%s %s\n", t.Kind, t.Name)
		for _, n := range t.Needs {
			fmt.Fprintf(&b, "  <- %s %s\n", n.Kind, n.Name)
		}
	}
	return b.String()
}

// Kinds are the kinds of tasks in the order of the graph.
func (g *Graph) Kinds() []string {
	var kinds []string
	for _, t := range g.Tasks {
		if !slices.Contains(kinds, t.Kind) {
			kinds = append(kinds, t.Kind)
		}
	}
	return kinds
}

// Count is how many tasks have one of the states.
func (g *Graph) Count(states ...State) int {
	n := 0
	for _, t := range g.Tasks {
		if slices.Contains(states, t.State) {
			n++
		}
	}
	return n
}

// ready says whether a task can be worked at (everything that it needs is there), or never will be.
func (t *Task) ready() (ready, never bool) {
	finished := 0
	for _, n := range t.Needs {
		switch {
		case n.State.Finished():
			finished++
		case n.State != Failed && n.State != Skipped:
			return false, false
		}
	}
	if finished == len(t.Needs) || t.Some && finished > 0 {
		return true, false
	}
	return false, true
}

// log.jsonl and the rest of a task's own files.
const (
	LogName    = "log.jsonl"
	RecordName = "task.json"
	stateDir   = "tasks"
	claimsDir  = stateDir + "/claims"
	failedDir  = stateDir + "/failed"
)

// Log is where the task's log lies, below the output folder: in its folder, or in the unfinished one.
func (t *Task) Log() string {
	if t.State.Finished() {
		return path.Join(t.Folder, LogName)
	}
	return path.Join(t.Folder+".partial", LogName)
}

// Record is task.json: what a finished folder was made of.
type Record struct {
	Format  int                `json:"format"`
	Kind    string             `json:"kind"`
	Name    string             `json:"name"`
	Key     string             `json:"key"`
	Parts   []RawPart          `json:"parts"`
	Version string             `json:"version"` // of the program
	Seconds float64            `json:"seconds"` // that the last process worked at it
	Threads int                `json:"threads"`
	Files   map[string]FileSum `json:"files"` // by name below the folder, with slashes
}

// RawPart is a Part as it is written.
type RawPart struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

// FileSum is a file's size and SHA-256.
type FileSum struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Failure is why a task failed when it was last tried.
type Failure struct {
	Key   string    `json:"key"`
	Kind  string    `json:"kind"`
	Name  string    `json:"name"`
	Error string    `json:"error"`
	Log   string    `json:"log"` // below the output folder
	Time  time.Time `json:"time"`
	Job   string    `json:"job,omitempty"` // Slurm's
}
