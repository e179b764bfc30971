package tasks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// SlurmFolder is where submissions lie, below the output folder.
const SlurmFolder = "slurm"

// maxArray is how many elements one array has at most, even where the site takes larger ones: Slurm's own default.
const maxArray = 1000

// Slurm hands tasks to Slurm: an array job for every kind of task, each after those that it needs. It writes
// and submits them and ends; elements find out by themselves what they are to do (ExecuteOne).
//
//	OUT/slurm/SUBMISSION/mapping-0.tasks    a line an element: its task's key, and what Describe says
//	                     mapping-0.sh       the script: one command
//	                     mapping-0.json     Job: id, keys, sbatch's arguments
//	                     mapping-0-17.log   what element 17 printed
//
// What was submitted and is neither finished, nor in the queue, nor failed is lost (a node died, somebody
// cancelled it, its time was up); Execute submits again what is lost, failed or missing, and nothing else.
//
// A site bounds arrays (MaxArraySize) and what one user may have in the queue (MaxSubmitJobs of an association or a
// quality of service). Arrays are made no larger than the first; where the second is reached, what fits is submitted,
// and Execute ends with a fault that says how much: called again later, it submits the rest.
type Slurm struct {
	Options
	// Arguments are sbatch's for an array of these tasks, of one kind; AtOnce how many of its elements may run at a
	// time, 0 for as many as the site gives.
	Arguments func(ts []*Task) []string
	AtOnce    func(ts []*Task) int
	// Describe is what an element must know of its task besides the key, one line of JSON.
	Describe func(t *Task) ([]byte, error)
	// Command is the program and arguments of an array's elements; list is the path of the .tasks file. The
	// element's index is in SLURM_ARRAY_TASK_ID.
	Command func(ts []*Task, list string) ([]string, error)
}

// Job is an array that was submitted.
type Job struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Keys      []string  `json:"keys"` // by element
	Arguments []string  `json:"sbatch"`
	Time      time.Time `json:"time"`

	stem string // of its files, where it was read
}

// Element is a line of a .tasks file.
type Element struct {
	Key  string          `json:"key"`
	Name string          `json:"name"`
	What json.RawMessage `json:"what"`
}

// Execute submits what is unfinished and neither queued nor claimed by a living process. One submitter is at
// work at a time: a second one waits, and finds everything in the queue.
func (s *Slurm) Execute(ctx context.Context, g *Graph) error {
	release, err := s.alone(ctx, g)
	if err != nil {
		return err
	}
	defer release()
	if err := g.Look(); err != nil {
		return err
	}
	jobs, err := g.lookInQueue(ctx)
	if err != nil {
		return err
	}
	byKind := map[string][]*Task{}
	all := 0
	for _, t := range g.Tasks {
		if t.State == Lost && t.Err != nil {
			s.Log.Warn(fmt.Sprintf("submitted again: %s %s: %v", t.Kind, t.Name, t.Err))
		}
		if !t.State.Finished() && t.State != Queued && t.State != Running {
			byKind[t.Kind] = append(byKind[t.Kind], t)
			all++
		}
	}
	if all == 0 {
		return nil
	}
	sub := &submission{Slurm: s, g: g, jobs: jobs, size: maxArraySize(ctx),
		dir: filepath.Join(g.Root, SlurmFolder, fmt.Sprintf("%s-%d", time.Now().UTC().Format("20060102T150405.000000"), os.Getpid()))}
	if err := os.MkdirAll(sub.dir, 0o777); err != nil { // logs need it before the first element starts: Slurm fails in silence
		return durable.Explain(err, sub.dir)
	}
	for _, kind := range g.Kinds() {
		if err := sub.kind(ctx, kind, byKind[kind]); err != nil {
			var no *refused
			if errors.As(err, &no) && no.limit() && sub.submitted > 0 {
				return fault.Machinef("Slurm takes no more: %d of %d tasks are submitted: %s", sub.submitted, all, no.why).
					Remedy("the same command submits the rest when some of these are done")
			}
			return err
		}
	}
	return nil
}

// submission is one Execute on its way.
type submission struct {
	*Slurm
	g         *Graph
	dir       string            // of its files
	jobs      map[string]string // the job of every task that is in the queue
	size      int               // elements of an array, at most
	submitted int
}

// kind submits the tasks of one kind, in as few arrays as the site takes: where it refuses one for its limits, half
// of it is tried.
func (s *submission) kind(ctx context.Context, kind string, left []*Task) error {
	for i, n := 0, s.size; len(left) > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		ts := left[:min(n, len(left))]
		id, err := s.submit(ctx, s.g, ts, filepath.Join(s.dir, fmt.Sprintf("%s-%d", kind, i)), s.jobs)
		var no *refused
		switch {
		case errors.As(err, &no) && no.limit() && len(ts) > 1:
			n = len(ts) / 2
			continue
		case err != nil:
			return err
		}
		for _, t := range ts {
			t.State, t.Err, s.jobs[t.Key] = Queued, nil, id
		}
		s.Log.Info(fmt.Sprintf("submitted %d × %s as job %s", len(ts), kind, id))
		s.submitted += len(ts)
		left = left[len(ts):]
		i++
	}
	return nil
}

// maxArraySize is how many elements the site lets an array have.
func maxArraySize(ctx context.Context) int {
	out, err := slurm(ctx, "scontrol", "show", "config")
	if err != nil {
		return maxArray // sbatch will tell
	}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(line, "=")
		if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && strings.TrimSpace(name) == "MaxArraySize" && n > 0 {
			return min(n, maxArray) // indices stay below it
		}
	}
	return maxArray
}

// submitKey is the name under which a submitter claims an output folder.
const submitKey = "submit"

func (s *Slurm) alone(ctx context.Context, g *Graph) (release func(), err error) {
	claims := newClaims(g.Root)
	for said := false; ; {
		c, other, err := claims.take(submitKey)
		if err != nil {
			return nil, err
		}
		if c != nil {
			return c.release, nil
		}
		if other != nil && !said {
			said = true
			s.Log.Info("waiting: " + other.String() + " submits")
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(poll):
		}
	}
}

// submit writes one array's files and hands it to sbatch.
func (s *Slurm) submit(ctx context.Context, g *Graph, ts []*Task, stem string, jobs map[string]string) (string, error) {
	var list bytes.Buffer
	job := Job{Kind: ts[0].Kind, Time: time.Now().UTC().Truncate(time.Second)}
	var after []string
	for _, t := range ts {
		what, err := s.Describe(t)
		if err != nil {
			return "", err
		}
		line, err := json.Marshal(Element{t.Key, t.Kind + " " + t.Name, what})
		if err != nil {
			return "", err
		}
		list.Write(append(line, '\n'))
		job.Keys = append(job.Keys, t.Key)
		for _, n := range t.Needs {
			if id := jobs[n.Key]; id != "" && !n.State.Finished() && !slices.Contains(after, id) {
				after = append(after, id)
			}
		}
		// An element speaks for the task from now on.
		os.Remove(filepath.Join(g.Root, filepath.FromSlash(failedDir), t.Key+".json"))
	}
	if err := durable.WriteFile(stem+".tasks", list.Bytes()); err != nil {
		return "", err
	}
	command, err := s.Command(ts, stem+".tasks")
	if err != nil {
		return "", err
	}
	// exec: the program itself gets the signals.
	script := "#!/bin/sh\nexec " + quoted(command) + "\n"
	if err := durable.WriteFile(stem+".sh", []byte(script)); err != nil {
		return "", err
	}
	array := fmt.Sprintf("--array=0-%d", len(ts)-1)
	if n := s.AtOnce(ts); n > 0 {
		array += fmt.Sprintf("%%%d", n)
	}
	job.Arguments = []string{"--parsable", "--job-name=cortexmap-" + job.Kind, array,
		"--output=" + strings.ReplaceAll(stem, "%", "%%") + "-%a.log", "--open-mode=append", "--requeue"}
	if len(after) > 0 {
		// afterany, not afterok: an element whose own needs are there must not wait for ever for a neighbour's
		// that failed; it looks for itself.
		job.Arguments = append(job.Arguments, "--dependency=afterany:"+strings.Join(after, ":"))
	}
	job.Arguments = append(append(job.Arguments, s.Arguments(ts)...), stem+".sh")
	out, err := slurm(ctx, "sbatch", job.Arguments...)
	if err != nil {
		for _, suffix := range []string{".tasks", ".sh", ".yaml"} { // of an array that there isn't
			os.Remove(stem + suffix)
		}
		return "", err
	}
	job.ID, _, _ = strings.Cut(strings.TrimSpace(out), ";") // ID;CLUSTER on sites of several
	data, err := json.MarshalIndent(job, "", "  ")
	if err != nil {
		return "", err
	}
	return job.ID, durable.WriteFile(stem+".json", append(data, '\n'))
}

// quoted is a command line of sh in which every word is one, whatever its letters.
func quoted(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(out, " ")
}

// theirs are the variables by which people and sites choose where their jobs go.
var theirs = []string{"SLURM_CONF", "SBATCH_ACCOUNT", "SBATCH_PARTITION", "SBATCH_QOS", "SBATCH_RESERVATION", "SBATCH_CONSTRAINT"}

// refused is what a command of Slurm's said when it didn't do what it was asked.
type refused struct{ why string }

func (r *refused) Error() string { return r.why }

// limit says whether less might be taken.
func (r *refused) limit() bool { return strings.Contains(strings.ToLower(r.why), "limit") }

// slurm runs one of Slurm's commands. What a surrounding job has put into the environment is taken out: sbatch
// would take it for options.
func slurm(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		about, _, _ := strings.Cut(name, "_")
		if !slices.Contains([]string{"SLURM", "SBATCH", "SQUEUE"}, about) || slices.Contains(theirs, name) {
			cmd.Env = append(cmd.Env, v)
		}
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case err == nil:
		return string(out), nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return "", fault.Machinef("%s is not installed here: %w", name, err).Remedy("run this where Slurm's commands are, or with --executor local")
	}
	why := &refused{strings.TrimSpace(stderr.String())}
	return "", fault.Machinef("%s: %s: %w", name, err, why).
		Remedy("see `sinfo` for what the site offers, and the key slurm of the pipeline file for what is asked of it")
}

// lookInQueue lays what Slurm knows over the states that Look found, and gives the job of every task that is
// queued or runs.
func (g *Graph) lookInQueue(ctx context.Context) (map[string]string, error) {
	jobs := map[string]string{}
	submitted, err := g.Jobs()
	if err != nil || len(submitted) == 0 {
		return jobs, err
	}
	live, err := queue(ctx)
	if err != nil {
		return nil, err
	}
	for _, job := range submitted {
		for i, key := range job.Keys {
			t := g.byKey[key]
			if t == nil || t.State.Finished() {
				continue
			}
			state, there := live[job.ID+"_"+strconv.Itoa(i)]
			switch {
			case there:
				jobs[key] = job.ID
				if t.State != Running {
					t.State, t.Err = state, nil
				}
			case jobs[key] == "" && (t.State == Missing || t.State == Interrupted || t.State == Lost):
				t.State, t.Err = Lost, nil
				if job.timeUp(i) {
					t.Err = job.tooLong()
				}
			}
		}
	}
	return jobs, nil
}

// LookInQueue sets the states of tasks that were submitted: queued, running, or lost. Without a submission it
// does nothing, and needs no Slurm.
func (g *Graph) LookInQueue(ctx context.Context) error {
	_, err := g.lookInQueue(ctx)
	return err
}

// Jobs are the arrays that were submitted for this output folder, in order.
func (g *Graph) Jobs() ([]Job, error) {
	paths, err := filepath.Glob(filepath.Join(escapeGlob(g.Root), SlurmFolder, "*", "*.json"))
	if err != nil {
		return nil, err
	}
	var jobs []Job
	for _, p := range paths {
		var j Job
		err := durable.ReadJSON(p, &j, forgetJob)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // removed meanwhile
		case err != nil:
			return nil, err
		case j.ID == "":
			return nil, fault.Inputf("damaged: it names no job").In("%s", p).Remedy(forgetJob)
		}
		j.stem = strings.TrimSuffix(p, ".json")
		jobs = append(jobs, j)
	}
	slices.SortStableFunc(jobs, func(a, b Job) int { return a.Time.Compare(b.Time) })
	return jobs, nil
}

// timeUp says whether Slurm ended an element because its time was up. No accounting is needed to know: whoever ends an
// element for Slurm (slurmstepd) writes the reason into what the element printed,
//
//	slurmstepd-node1: error: *** JOB 7 ON node1 CANCELLED AT 2026-01-02T03:04:05 DUE TO TIME LIMIT ***
//
// (older ones leave the node out of the first word), and the last such line counts, since one log has all lives of an
// element that was requeued.
func (j *Job) timeUp(element int) bool {
	data, err := tail(fmt.Sprintf("%s-%d.log", j.stem, element))
	if err != nil {
		return false // it never began
	}
	reason := ""
	for line := range strings.Lines(data) {
		if _, after, ok := strings.Cut(line, " CANCELLED AT "); ok && strings.HasPrefix(line, "slurmstepd") {
			reason = after
		}
	}
	return strings.Contains(reason, " DUE TO TIME LIMIT")
}

// tail is the last 64 KiB of a file.
func tail(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	const most = 64 << 10
	if info, err := f.Stat(); err == nil && info.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return "", err
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, most))
	return string(data), err
}

// tooLong is why a task is lost whose element's time was up.
func (j *Job) tooLong() *fault.Error {
	limit := "the site's own time limit (slurm.time is not set)"
	for _, a := range j.Arguments {
		if t, ok := strings.CutPrefix(a, "--time="); ok {
			limit = "its time limit of " + t + " (slurm.time, or its stage's own below slurm)"
		}
	}
	return fault.Machinef("it ran into %s", limit).
		Remedy("allow more time; the same command submits it again, and it goes on from its checkpoint")
}

// forgetJob is the remedy for a damaged record of a submission.
const forgetJob = "cancel its array with scancel if `squeue --me` still shows one, delete the file, and run again: what is missing is submitted"

// escapeGlob makes a path stand for itself in a pattern.
func escapeGlob(p string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(p)
}

// queue is this user's elements in Slurm's queue, by JOB_INDEX.
func queue(ctx context.Context) (map[string]State, error) {
	// --me rather than --jobs: one id that has been forgotten would make squeue refuse them all.
	out, err := slurm(ctx, "squeue", "--me", "--array", "--noheader", "--format=%F|%K|%T")
	if err != nil {
		return nil, err
	}
	live := map[string]State{}
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 3 {
			continue
		}
		live[f[0]+"_"+f[1]] = stateOf(f[2])
	}
	return live, nil
}

// stateOf is our word for one of squeue's. What it lists is to run, runs, or is about to end.
func stateOf(word string) State {
	switch word {
	case "RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "STOPPED", "SUSPENDED":
		return Running
	}
	return Queued
}

// ReadElement reads an element's line of a .tasks file; the index is SLURM_ARRAY_TASK_ID.
func ReadElement(list string) (Element, error) {
	var e Element
	index, err := strconv.Atoi(os.Getenv("SLURM_ARRAY_TASK_ID"))
	if err != nil {
		return e, fault.Inputf("SLURM_ARRAY_TASK_ID is %q, no element's number", os.Getenv("SLURM_ARRAY_TASK_ID")).
			Remedy("elements are started by Slurm; use `cortexmap run`")
	}
	data, err := durable.ReadBounded(list)
	if err != nil {
		return e, err
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if index < 0 || index >= len(lines) {
		return e, fault.Inputf("element %d: %s has %d lines", index, path.Base(list), len(lines))
	}
	if err := json.Unmarshal([]byte(lines[index]), &e); err != nil {
		return e, fault.Inputf("line %d is no element: %w", index+1, err).In("%s", list)
	}
	return e, nil
}

// ExecuteOne does one task of a graph in this process, and none that it needs: those are others' to do.
func (l *Local) ExecuteOne(ctx context.Context, g *Graph, key string) error {
	t := g.Find(key)
	if t == nil {
		return fault.Inputf("the inputs, settings or version have changed since task %s was submitted", key).Remedy("run the sweep again: what is still missing is submitted")
	}
	if err := g.Look(); err != nil {
		return err
	}
	lacking := ""
	for _, n := range t.Needs {
		if !n.State.Finished() {
			n.State = Failed
			lacking = n.Kind + " " + n.Name
		}
	}
	if t.Some && !l.KeepGoing && lacking != "" {
		return l.lacks(g, t, lacking)
	}
	if _, never := t.ready(); never {
		return l.lacks(g, t, lacking)
	}
	one := &Graph{Root: g.Root, Tasks: []*Task{t}, byKey: map[string]*Task{key: t}}
	if t.State.Finished() {
		return nil
	}
	if err := l.Execute(ctx, one); err != nil {
		return err
	}
	return one.failure(false)
}

// lacks writes down that a task can't be done for want of another.
func (l *Local) lacks(g *Graph, t *Task, lacking string) error {
	err := fault.Inputf("%s %s needs %s, which is not there", t.Kind, t.Name, lacking).Remedy("see `cortexmap status` for why; then run the sweep again")
	s := &session{Local: l, g: g, claims: newClaims(g.Root)}
	s.blame(t, err)
	return err
}
