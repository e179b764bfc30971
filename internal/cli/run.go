package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"cortexmap/internal/config"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/pipeline"
)

// stageCmd is what run, extract, fit and analyze share.
type stageCmd struct {
	What      []string `arg:"" optional:"" name:"file" placeholder:"FILE.yaml|MODEL.onnx" help:"A pipeline file; or networks, which take the place of pipeline.yaml's. Default: pipeline.yaml here, else the built-in one."`
	KeepGoing bool     `help:"Go on with the other tasks when one fails (exit code 4), and leave out pictures that can't be decoded; they are named in the manifest."`
	DryRun    bool     `help:"Show what would be done, what is done, and the time, memory and disk that each task takes. Writes nothing."`
	Executor  string   `placeholder:"local|slurm" default:"local" enum:"local,slurm" help:"Where tasks run: in this process, or as array jobs of Slurm, which are submitted and not waited for."`
	Element   string   `hidden:"" placeholder:"FILE" help:"Do the one task of FILE that SLURM_ARRAY_TASK_ID counts to: what an element of an array calls."`
	Explain   bool     `help:"Show why each task would run: what has changed since the nearest folder was made. Writes nothing."`
}

type (
	runCmd     struct{ stageCmd }
	extractCmd struct{ stageCmd }
	fitCmd     struct{ stageCmd }
	analyzeCmd struct{ stageCmd }
)

func (c *runCmd) Help() string {
	return `Examples:
  cortexmap run                                  the built-in demo, into runs/demo
  cortexmap run net.onnx --out runs/net          your network onto the demo's subject
  cortexmap run mine.yaml --set fit.seeds=[0,1]  a file, with one key changed
  cortexmap run configs/macaque-v4.yaml          a recorded subject`
}

func (c *extractCmd) Help() string {
	return "Example:\n  cortexmap extract net.onnx --out runs/net   only the tokens, as Parquet below runs/net/features"
}

func (c *fitCmd) Help() string {
	return "Example:\n  cortexmap fit mine.yaml   tokens and mappings, no tables and no report"
}

func (c *analyzeCmd) Help() string {
	return "Example:\n  cortexmap analyze mine.yaml --set analyze.interval=spatial   what is extracted and fitted is kept"
}

func (c *runCmd) Run(e *env) error     { return c.run(e, pipeline.Analyze) }
func (c *extractCmd) Run(e *env) error { return c.run(e, pipeline.Extract) }
func (c *fitCmd) Run(e *env) error     { return c.run(e, pipeline.Fit) }
func (c *analyzeCmd) Run(e *env) error { return c.run(e, pipeline.Analyze) }

func (c *stageCmd) run(e *env, until pipeline.Stage) error {
	cfg, err := c.config(e)
	if err != nil {
		return err
	}
	demo, err := fs.Sub(e.files, "testdata/demo")
	if err != nil {
		return err
	}
	o := pipeline.Options{
		Config: cfg, Demo: demo, Until: until, OrtLib: e.flags.OrtLib, Offline: e.flags.Offline, KeepGoing: c.KeepGoing,
		Version: version(), Command: strings.Join(os.Args, " "), Log: e.log,
	}
	if c.DryRun || c.Explain {
		return c.show(e, o)
	}
	switch {
	case c.Element != "":
		return pipeline.RunElement(e.ctx, o, c.Element)
	case c.Executor == "slurm":
		return c.submit(e, o)
	}
	bar := newProgress(e.stderr, e.flags.Quiet)
	defer bar.close()
	e.log = slog.New(newHandler(bar.beside(), e.flags.Quiet))
	o.Log, o.Progress, o.Ended = e.log, bar.update, bar.ended
	res, err := pipeline.Run(e.ctx, o)
	bar.close()
	if err != nil && fault.ClassOf(err) != fault.Partial {
		return err
	}
	if e := e.printResult(res, cfg.Out); e != nil {
		return e
	}
	return err
}

// submit hands the tasks to Slurm.
func (c *stageCmd) submit(e *env, o pipeline.Options) error {
	res, err := pipeline.Submit(e.ctx, o)
	if err != nil {
		return err
	}
	if e.flags.JSON {
		return printJSON(e.stdout, res)
	}
	count := map[string]int{}
	for _, t := range res.Tasks {
		count[t.State]++
	}
	fmt.Fprintf(e.stdout, "%d tasks: %d done, %d queued, %d running\n", len(res.Tasks), count["kept"], count["queued"], count["running"])
	if count["kept"] < len(res.Tasks) {
		fmt.Fprintln(e.stdout, "see `cortexmap status` with the same file; the same command submits again what is lost or has failed")
	}
	return nil
}

// show prints the plan instead of doing it.
func (c *stageCmd) show(e *env, o pipeline.Options) error {
	s, err := pipeline.Look(e.ctx, o, c.Explain)
	if err != nil {
		return err
	}
	if e.flags.JSON {
		return printJSON(e.stdout, s)
	}
	e.printPlan(s, c.Explain)
	return nil
}

func (e *env) printResult(res *pipeline.Result, out string) error {
	if e.flags.JSON {
		return printJSON(e.stdout, res)
	}
	if len(res.Summary) > 0 {
		table(e.stdout, res.Summary)
	}
	for _, note := range res.Notes {
		fmt.Fprintln(e.stdout, "  "+note)
	}
	if res.Report != "" {
		fmt.Fprintln(e.stdout, "report: "+res.Report)
	} else {
		fmt.Fprintln(e.stdout, "done: "+out)
	}
	return nil
}

// config reads the pipeline file and lays networks and flags over it.
func (c *stageCmd) config(e *env) (*config.Config, error) {
	overrides, err := e.flags.overrides()
	if err != nil {
		return nil, err
	}
	file, models, err := sort(c.What)
	if err != nil {
		return nil, err
	}
	if len(models) > 0 {
		quoted := make([]string, len(models))
		for i, m := range models {
			quoted[i] = quote(m)
		}
		// before the user's --set, which may say more
		overrides = append([]config.Override{{Key: "models", Value: "[" + strings.Join(quoted, ", ") + "]"}}, overrides...)
		if e.flags.Out == "" {
			name := strings.TrimSuffix(filepath.Base(models[0]), filepath.Ext(models[0]))
			overrides = append([]config.Override{{Key: "out", Value: quote(filepath.Join("runs", name))}}, overrides...)
		}
	}
	name, data, err := pipelineFile(e.files, file)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(name, data, overrides)
	if err == nil && len(models) > 0 {
		for i := range cfg.Models {
			cfg.Models[i].At = "" // they stand on the command line
		}
	}
	return cfg, err
}

// sort tells pipeline files from networks by their names.
func sort(what []string) (file string, models []string, err error) {
	for _, w := range what {
		switch ext := strings.ToLower(filepath.Ext(w)); {
		case ext == ".onnx":
			models = append(models, w)
		case (ext == ".yaml" || ext == ".yml") && file == "":
			file = w
		case ext == ".yaml" || ext == ".yml":
			return "", nil, fault.Inputf("two pipeline files are named, %s and %s", file, w).Remedy("run them one after the other")
		default:
			return "", nil, fault.Inputf("%s is neither a pipeline file (.yaml) nor a network (.onnx)", w).
				Remedy("networks of other frameworks have to be exported to .onnx first")
		}
	}
	return file, models, nil
}

// pipelineFile reads the named file, or pipeline.yaml in this folder, or the one that is embedded.
func pipelineFile(files fs.FS, name string) (string, []byte, error) {
	const standard = "pipeline.yaml"
	if name != "" {
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil, fault.Inputf("the pipeline file %s does not exist", name).Remedy("check the path; `cortexmap init DIR` writes a commented one")
		}
		return name, data, durable.Explain(err, name)
	}
	if data, err := os.ReadFile(standard); err == nil {
		return standard, data, nil
	}
	data, err := fs.ReadFile(files, standard)
	return "built-in " + standard, data, err
}

// version is this build, in a word or two.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	return "development, commit " + commit(info)
}
