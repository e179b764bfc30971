package cli

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"

	"cortexmap/analyze"
	"cortexmap/internal/bench"
	"cortexmap/internal/ort"
)

// benchCmd has a sub-command for each of the project's own comparisons.
type benchCmd struct {
	Calibration benchCalibrationCmd `cmd:"" help:"How often intervals and tests are right, on simulated mappings."`
}

type benchCalibrationCmd struct {
	Cases int    `default:"1000" placeholder:"N" help:"Simulated mappings, and pairs of them, for each width of the noise (${default})."`
	Seed  uint64 `placeholder:"N" help:"Seed of the simulation."`
}

func (c *benchCalibrationCmd) Run(e *env) error {
	o, done, err := e.bench()
	if err != nil {
		return err
	}
	tables, err := bench.Calibration(e.ctx, o, c.Cases, c.Seed)
	done()
	return e.printTables(tables, err)
}

// bench is what every comparison gets, and what ends its progress bars.
func (e *env) bench() (o bench.Options, done func(), err error) {
	demo, err := fs.Sub(e.files, demoFolder)
	if err != nil {
		return o, nil, err
	}
	bar := newProgress(e.stderr, e.flags.Quiet)
	e.log = slog.New(newHandler(bar.beside(), e.flags.Quiet))
	return bench.Options{Demo: demo, Threads: e.flags.Threads, Log: e.log, Progress: bar.update, Start: e.start}, bar.close, nil
}

// start finds and loads ONNX Runtime for commands that read no pipeline file.
func (e *env) start(ctx context.Context) (*ort.Runtime, error) {
	s := ort.FromEnvironment()
	s.Flag, s.Offline, s.Log = e.flags.OrtLib, e.flags.Offline, e.log
	lib, err := ort.Find(ctx, s)
	if err != nil {
		return nil, err
	}
	return ort.Start(lib)
}

// printTables shows a comparison's tables as Markdown, or as JSON, or its error.
func (e *env) printTables(tables []*analyze.Table, err error) error {
	if err != nil {
		return err
	}
	if e.flags.JSON {
		return printJSON(e.stdout, tables)
	}
	for _, t := range tables {
		fmt.Fprintf(e.stdout, "%s\n", t.Markdown())
	}
	return nil
}
