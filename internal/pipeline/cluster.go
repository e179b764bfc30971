package pipeline

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/config"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/ort"
	"cortexmap/internal/tasks"
)

// Submit hands what is unfinished to Slurm, and ends. Everything that compute nodes need besides the subjects'
// folders lies below out/slurm afterwards: this program, ONNX Runtime's library, the networks with their cards.
// Nodes need no internet.
func Submit(ctx context.Context, o Options) (*Result, error) {
	r := newRun(ctx, o)
	defer r.close()
	stop, err := r.ready()
	if err != nil {
		return nil, err
	}
	defer stop()
	s := &tasks.Slurm{Options: tasks.Options{Log: r.Log}, Arguments: r.sbatch, AtOnce: r.atOnce, Describe: r.describeElement, Command: r.carry}
	err = tasks.Eval(ctx, r.graph, s, true)
	for _, t := range r.graph.Tasks {
		r.result.Tasks = append(r.result.Tasks, taskOf(t))
	}
	if e := r.record("submitted", err); err == nil {
		err = e
	}
	return &r.result, err
}

// resources are what the file asks of the cluster for a kind of task: its stage's word, else the common one.
func (r *run) resources(kind string) config.Resources {
	c := r.Config.Slurm
	own := map[string]config.Resources{"mapping": c.Fit, "results": c.Analyze}
	stage, ok := own[kind]
	if !ok {
		stage = c.Extract
	}
	out := c.Resources
	for _, f := range []struct{ to, from *string }{
		{&out.Partition, &stage.Partition}, {&out.Account, &stage.Account}, {&out.Time, &stage.Time}, {&out.Memory, &stage.Memory}, {&out.GRES, &stage.GRES},
	} {
		if *f.from != "" {
			*f.to = *f.from
		}
	}
	if stage.CPUs > 0 {
		out.CPUs = stage.CPUs
	}
	if stage.AtOnce > 0 {
		out.AtOnce = stage.AtOnce
	}
	out.Extra = slices.Concat(out.Extra, stage.Extra)
	return out
}

// atOnce is how many elements of an array of one kind may run at a time; 0: as many as the site gives.
func (r *run) atOnce(ts []*tasks.Task) int { return r.resources(ts[0].Kind).AtOnce }

// elementThreads is how many threads an element has, and cores it asks for. Where the file doesn't say, the cores
// of this machine tell nothing of the nodes'.
func (r *run) elementThreads(kind string) int {
	switch c := r.resources(kind).CPUs; {
	case c > 0:
		return c
	case r.Config.Threads > 0:
		return r.threads
	}
	return min(r.threads, sweepThreads)
}

// sbatch are the options of an array of tasks of one kind.
func (r *run) sbatch(ts []*tasks.Task) []string {
	res := r.resources(ts[0].Kind)
	args := []string{fmt.Sprintf("--cpus-per-task=%d", r.elementThreads(ts[0].Kind))}
	if res.Memory == "" {
		var most int64
		for _, t := range ts {
			most = max(most, t.Cost.Memory)
		}
		res.Memory = fmt.Sprintf("%dM", most*3/2>>20+100) // half as much again: an estimate, and the kernel's buffers count
	}
	for _, o := range []struct{ name, value string }{
		{"mem", res.Memory}, {"partition", res.Partition}, {"account", res.Account}, {"time", res.Time}, {"gres", res.GRES},
	} {
		if o.value != "" {
			args = append(args, "--"+o.name+"="+o.value)
		}
	}
	return append(args, res.Extra...)
}

// element is what an array's element must know of its task: which of the file's networks and subjects it
// needs, so that it opens no others. −1 is all.
type element struct {
	Network int `json:"network"`
	Subject int `json:"subject"`
}

func (r *run) describeElement(t *tasks.Task) ([]byte, error) {
	e := element{-1, -1}
	if w, ok := r.whose[t]; ok && t.Kind != "results" {
		e.Subject = slices.Index(r.brains, w.brain)
		if e.Network = 0; w.network != nil { // responses need none, and a file has one at least
			e.Network = slices.Index(r.models, w.network.asked)
		}
	}
	return json.Marshal(e)
}

// whose is the network and the subject that a task is about.
type whose struct {
	network *network
	brain   *brain
}

// carry puts the program, the library and the networks below out/slurm, once for each content, and gives the
// command of an array's elements.
func (r *run) carry(ts []*tasks.Task, list string) ([]string, error) {
	base := filepath.Join(r.out, tasks.SlurmFolder)
	program, err := os.Executable()
	if err != nil {
		return nil, fault.Machinef("this program can't find itself: %w", err)
	}
	if program, err = bring(program, filepath.Join(base, "program"), "cortexmap"); err != nil {
		return nil, err
	}
	library, err := r.bringLibrary(filepath.Join(base, "library"))
	if err != nil {
		return nil, err
	}
	c := *r.Config
	c.Models = slices.Clone(r.models)
	for i, m := range c.Models {
		if c.Models[i], err = r.bringModel(m, filepath.Join(base, "models")); err != nil {
			return nil, err
		}
	}
	c.Threads = r.elementThreads(ts[0].Kind)
	text, err := json.MarshalIndent(&c, "", "  ")
	if err != nil {
		return nil, err
	}
	conf := strings.TrimSuffix(list, ".tasks") + ".yaml" // JSON is YAML
	if err := durable.WriteFile(conf, append(text, '\n')); err != nil {
		return nil, err
	}
	args := []string{program, "run", conf, "--element", list, "--ort-lib", library, "--offline", "--quiet"}
	if r.KeepGoing {
		args = append(args, "--keep-going")
	}
	return args, nil
}

// bring copies a file to dir/DIGEST/name unless it is there.
func bring(file, dir, name string) (string, error) {
	sum, err := durable.Digest(file)
	if err != nil {
		return "", err
	}
	to := filepath.Join(dir, hex.EncodeToString(sum[:])[:12], name)
	return to, copyFile(file, to)
}

func copyFile(from, to string) error {
	if durable.Exists(to) {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return durable.Explain(err, from)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return durable.Explain(err, from)
	}
	out, err := durable.Create(to)
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := io.Copy(out, in); err != nil {
		return durable.Explain(err, to)
	}
	if err := out.Commit(); err != nil {
		return err
	}
	return durable.Explain(os.Chmod(to, info.Mode().Perm()), to)
}

// bringLibrary copies ONNX Runtime's library with the providers that lie beside it.
func (r *run) bringLibrary(dir string) (string, error) {
	s := ort.FromEnvironment()
	s.Flag, s.YAML, s.Offline, s.Log = r.OrtLib, r.Config.OrtLib, r.Offline, r.Log
	lib, err := ort.Find(r.ctx, s)
	if err != nil {
		return "", err
	}
	to, err := bring(lib.Path, dir, filepath.Base(lib.Path))
	if err != nil {
		return "", err
	}
	providers, err := filepath.Glob(filepath.Join(filepath.Dir(lib.Path), "libonnxruntime_providers_*.so"))
	if err != nil {
		return to, nil // a path with brackets: no pattern, and no providers
	}
	for _, p := range providers {
		if err := copyFile(p, filepath.Join(filepath.Dir(to), filepath.Base(p))); err != nil {
			return "", err
		}
	}
	return to, nil
}

// bringModel copies a network with everything beside it that says how it is read: external weights and cards.
// It keeps its name.
func (r *run) bringModel(m config.Model, dir string) (config.Model, error) {
	if strings.HasPrefix(m.Path, demoPrefix) {
		return m, nil
	}
	var n *network
	for _, other := range r.networks {
		if other.asked == m {
			n = other
		}
	}
	m.Name, m.At = n.Name, ""
	from, to := filepath.Dir(m.Path), filepath.Join(dir, n.weights[:12])
	stem := strings.TrimSuffix(filepath.Base(m.Path), filepath.Ext(m.Path))
	files := append([]string{filepath.Base(m.Path)}, n.file.Model.External...)
	for _, beside := range []string{stem + ".yaml", "preprocessor_config.json", "config.json"} {
		if durable.Exists(filepath.Join(from, beside)) {
			files = append(files, beside)
		}
	}
	for _, f := range files {
		f = filepath.FromSlash(f)
		if err := copyFile(filepath.Join(from, f), filepath.Join(to, f)); err != nil {
			return m, err
		}
	}
	m.Path = filepath.Join(to, filepath.Base(m.Path))
	if m.Card != "" {
		card, err := bring(m.Card, filepath.Join(dir, "cards"), filepath.Base(m.Card))
		if err != nil {
			return m, err
		}
		m.Card = card
	}
	return m, nil
}

// RunElement does one task: that of this process's element of a Slurm array. It opens just the network and the
// subject that the task is about.
func RunElement(ctx context.Context, o Options, list string) error {
	e, err := tasks.ReadElement(list)
	if err != nil {
		return err
	}
	var what element
	if err := json.Unmarshal(e.What, &what); err != nil {
		return fault.Inputf("%s: task %s has no description: %w", list, e.Key, err)
	}
	c := *o.Config
	c.Sweep.Groups = nil // they may name networks that are not opened
	if what.Network >= 0 && what.Network < len(c.Models) {
		c.Models = slices.Clone(c.Models[what.Network : what.Network+1])
		c.Models[0].FinetunedFrom = "" // it names a network that is not opened
	}
	if what.Subject >= 0 && what.Subject < len(c.Subjects) {
		c.Subjects = c.Subjects[what.Subject : what.Subject+1]
	}
	o.Config = &c
	r := newRun(ctx, o)
	defer r.close()
	if err := r.open(); err != nil {
		return err
	}
	r.plan()
	r.estimate()
	r.Log.Info("element", "task", e.Name, "key", e.Key, "job", os.Getenv("SLURM_JOB_ID"), "node", os.Getenv("SLURMD_NODENAME"),
		"start", strconv.Quote(os.Getenv("SLURM_RESTART_COUNT")))
	return r.local().ExecuteOne(ctx, r.graph, e.Key)
}
