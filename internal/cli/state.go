package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cortexmap/internal/config"
	"cortexmap/internal/fault"
	"cortexmap/internal/pipeline"
)

// ofCmd is what the commands share that look at something which exists: a pipeline file, or a run's folder.
type ofCmd struct {
	What []string `arg:"" optional:"" name:"of" placeholder:"RUN|FILE.yaml" help:"The output folder of a run, or its pipeline file. Default: pipeline.yaml here, else the built-in one."`
}

type statusCmd struct {
	ofCmd
}

type verifyCmd struct {
	ofCmd
}

type cleanCmd struct {
	ofCmd
	Yes bool `help:"Remove what is listed."`
}

func (statusCmd) Help() string {
	return `Reads only; works on a read-only folder.
Examples:
  cortexmap status runs/demo
  cortexmap status sweep.yaml --json`
}

func (verifyCmd) Help() string {
	return `Digests of inputs, settings and files are computed again. Of every task it says: follows; stale (and what has
changed since); damaged; missing. Ends with 2 unless all follow. Reads only; works on a read-only folder.
Examples:
  cortexmap verify runs/demo
  cortexmap verify sweep.yaml --json`
}

func (cleanCmd) Help() string {
	return `What nothing of the file refers to: folders of other settings, versions and inputs, finished or not, and what
stopped runs left aside. Shown; with --yes removed.
Examples:
  cortexmap clean runs/demo
  cortexmap clean sweep.yaml --yes`
}

func (c *statusCmd) Run(e *env) error {
	o, err := c.options(e)
	if err != nil {
		return err
	}
	s, err := pipeline.Look(e.ctx, o, false)
	if err != nil {
		return err
	}
	if e.flags.JSON {
		return printJSON(e.stdout, s)
	}
	e.printStatus(s)
	return nil
}

func (c *verifyCmd) Run(e *env) error {
	o, err := c.options(e)
	if err != nil {
		return err
	}
	bar := newProgress(e.stderr, e.flags.Quiet)
	o.Progress = bar.update
	verdicts, err := pipeline.Verify(e.ctx, o)
	bar.close()
	if verdicts == nil {
		return err
	}
	if e.flags.JSON {
		if e := printJSON(e.stdout, verdicts); err == nil {
			err = e
		}
		return err
	}
	for _, v := range verdicts {
		if v.State == "follows" {
			continue
		}
		fmt.Fprintf(e.stdout, "%s: %s %s\n", v.State, v.Kind, v.Name)
		for _, w := range v.Wrong {
			fmt.Fprintf(e.stdout, "  %s: %s\n", v.Folder, w)
		}
		if v.Why != nil {
			fmt.Fprintf(e.stdout, "  %s\n", v.Why)
		}
	}
	if err == nil {
		fmt.Fprintf(e.stdout, "all %d tasks follow from their inputs, settings and version\n", len(verdicts))
	}
	return err
}

func (c *cleanCmd) Run(e *env) error {
	o, err := c.options(e)
	if err != nil {
		return err
	}
	rests, err := pipeline.Rests(e.ctx, o)
	if err != nil {
		return err
	}
	if c.Yes {
		if err := pipeline.Clean(o.Config.Out, rests); err != nil {
			return err
		}
	}
	if e.flags.JSON {
		if rests == nil {
			rests = []pipeline.Rest{}
		}
		return printJSON(e.stdout, rests)
	}
	var total int64
	for _, r := range rests {
		fmt.Fprintf(e.stdout, "%9s  %s  (%s)\n", volume(r.Bytes), filepath.Join(o.Config.Out, filepath.FromSlash(r.Path)), r.Why)
		total += r.Bytes
	}
	switch {
	case len(rests) == 0:
		fmt.Fprintln(e.stdout, "nothing to remove")
	case c.Yes:
		fmt.Fprintf(e.stdout, "removed %s\n", volume(total))
	default:
		fmt.Fprintf(e.stdout, "%s that nothing refers to; --yes removes it\n", volume(total))
	}
	return nil
}

// options are those of a run of the file, or of the one that made the folder.
func (c *ofCmd) options(e *env) (o pipeline.Options, err error) {
	cfg, err := c.config(e)
	if err != nil {
		return o, err
	}
	demo, err := fs.Sub(e.files, "testdata/demo")
	return pipeline.Options{Config: cfg, Demo: demo, Until: pipeline.Analyze, Offline: true, Version: version(), Log: e.log}, err
}

func (c *ofCmd) config(e *env) (*config.Config, error) {
	if len(c.What) != 1 {
		return (&stageCmd{What: c.What}).config(e)
	}
	out := c.What[0]
	info, err := os.Stat(out)
	if err != nil || !info.IsDir() {
		if errors.Is(err, fs.ErrNotExist) && filepath.Ext(out) == "" {
			return nil, fault.Inputf("%s does not exist", out).Remedy("name a run's output folder, or its pipeline file")
		}
		return (&stageCmd{What: c.What}).config(e)
	}
	if !pipeline.Holds(out) {
		return nil, fault.Inputf("%s holds no run: it has no run.json", out).Remedy("name the folder that `out` names, or the pipeline file")
	}
	data, err := pipeline.Recorded(out)
	if err != nil {
		return nil, err
	}
	overrides, err := e.flags.overrides()
	if err != nil {
		return nil, err
	}
	return config.Load(filepath.Join(out, "run.json"), data, overrides)
}

// printStatus counts tasks by kind and state, and names those that failed, are lost, or are at work.
func (e *env) printStatus(s *pipeline.Survey) {
	rows := [][]string{{"", "all", "done", "running", "queued", "interrupted", "failed", "lost", "missing"}}
	count := map[string]map[string]int{}
	var kinds []string
	for _, t := range s.Tasks {
		if count[t.Kind] == nil {
			count[t.Kind] = map[string]int{}
			kinds = append(kinds, t.Kind)
		}
		state := t.State
		if state == "kept" {
			state = "done"
		}
		count[t.Kind][state]++
		count[t.Kind]["all"]++
	}
	for _, k := range kinds {
		row := []string{k}
		for _, column := range rows[0][1:] {
			row = append(row, fmt.Sprint(count[k][column]))
		}
		rows = append(rows, row)
	}
	table(e.stdout, rows)
	for _, t := range s.Tasks {
		switch t.State {
		case "failed":
			fmt.Fprintf(e.stdout, "failed: %s %s: %s\n  log: %s\n", t.Kind, t.Name, oneLine(t.Error), filepath.Join(s.Out, filepath.FromSlash(t.Log)))
		case "running", "lost":
			why := ""
			if t.Error != "" {
				why = ": " + oneLine(t.Error)
			}
			fmt.Fprintf(e.stdout, "%s: %s %s%s\n", t.State, t.Kind, t.Name, why)
		}
	}
}

// maxShown bounds the tasks that --dry-run lists one by one; --json has them all.
const maxShown = 60

// printPlan shows what a run would do, and at what cost.
func (e *env) printPlan(s *pipeline.Survey, explain bool) {
	rows := [][]string{{"task", "", "state", "time", "memory", "disk"}}
	left, shown := 0, 0
	for _, t := range s.Tasks {
		finished := t.State == "kept"
		if !finished {
			left++
		}
		if shown == maxShown {
			continue
		}
		shown++
		row := []string{t.Kind, t.Name, t.State, "", "", volume(t.Estimate.Disk)}
		if !finished {
			row[3], row[4] = about(t.Estimate.Seconds, t.Estimate.Measured), volume(t.Estimate.Memory)
		} else {
			row[2], row[5] = "done", ""
		}
		rows = append(rows, row)
	}
	table(e.stdout, rows)
	if more := len(s.Tasks) - shown; more > 0 {
		fmt.Fprintf(e.stdout, "  and %d more (--json lists all)\n", more)
	}
	if explain {
		for _, t := range s.Tasks {
			if t.Why != nil {
				fmt.Fprintf(e.stdout, "%s %s: %s\n", t.Kind, t.Name, t.Why)
			}
		}
	}
	if left == 0 {
		fmt.Fprintf(e.stdout, "all %d tasks are done\n", len(s.Tasks))
		return
	}
	fmt.Fprintf(e.stdout, "%d of %d tasks to do: about %s with %s, up to %s of memory each, %s of disk\n",
		left, len(s.Tasks), about(s.Total.Seconds, true), workers(s.Workers), volume(s.Total.Memory), volume(s.Total.Disk))
}

func workers(n int) string {
	if n == 1 {
		return "one at a time"
	}
	return fmt.Sprintf("%d side by side", n)
}

// about is a duration in two places; what was not measured here has a tilde.
func about(seconds float64, measured bool) string {
	d := time.Duration(seconds * float64(time.Second))
	text := d.Round(time.Second).String()
	switch {
	case d > 48*time.Hour:
		text = fmt.Sprintf("%.1f days", d.Hours()/24)
	case d > time.Hour:
		text = strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	if !measured {
		text = "~" + text
	}
	return text
}

// volume is a size in three places, "" for none.
func volume(n int64) string {
	switch x := float64(n); {
	case n == 0:
		return ""
	case x >= 1e12:
		return fmt.Sprintf("%.2f TB", x/1e12)
	case x >= 1e9:
		return fmt.Sprintf("%.2f GB", x/1e9)
	case x >= 1e6:
		return fmt.Sprintf("%.0f MB", x/1e6)
	default:
		return fmt.Sprintf("%.0f kB", max(1, x/1e3))
	}
}
