package cli

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/pipeline"
)

type compareCmd struct {
	Runs    []string `arg:"" name:"run" placeholder:"RUN" type:"path" help:"Folders that runs have written, or one network's folder below a run's mappings/."`
	Pair    bool     `help:"The two folders are one network before and after: fine-tuning, another protocol, another training set."`
	Colours string   `enum:"accessible,paper" default:"accessible" help:"Of maps: accessible (colour-blind people can read them), or paper (as published)."`
}

func (c *compareCmd) Help() string {
	return `Reads mappings that exist, fits nothing, and writes tables, difference maps and a report below --out
(runs/compare-… otherwise). Without --pair, networks whose models entry says finetuned_from are compared with that
one; where none does, all are compared with the first. Several seeds of a network are averaged, and what they differ
by is the floor that a change has to exceed.

Examples:
  cortexmap compare runs/clip runs/dino                       two runs on the same subject
  cortexmap compare runs/family                               the networks of one run
  cortexmap compare --pair runs/tuning/mappings/base runs/tuning/mappings/tuned`
}

func (c *compareCmd) Run(e *env) error {
	if c.Pair && len(c.Runs) != 2 {
		return fault.Inputf("--pair takes two folders, before and after, not %d", len(c.Runs)).Remedy("cortexmap compare --pair BEFORE AFTER")
	}
	if len(e.flags.Set) > 0 {
		return fault.Inputf("compare reads no pipeline file, so that --set has nothing to set").Remedy("leave it out")
	}
	demo, err := fs.Sub(e.files, demoFolder)
	if err != nil {
		return err
	}
	bar := newProgress(e.stderr, e.flags.Quiet)
	defer bar.close()
	e.log = slog.New(newHandler(bar.beside(), e.flags.Quiet))
	res, err := pipeline.Compare(e.ctx, pipeline.CompareOptions{
		Runs: c.Runs, Pair: c.Pair, Colours: c.Colours, Out: e.flags.Out, Demo: demo, Version: version(), Command: strings.Join(os.Args, " "), Log: e.log, Progress: bar.update,
	})
	bar.close()
	if err != nil {
		return err
	}
	if e.flags.JSON {
		return printJSON(e.stdout, res)
	}
	table(e.stdout, res.Summary)
	fmt.Fprintln(e.stdout, "report: "+res.Report)
	return nil
}
