package cli

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"

	"cortexmap/analyze"
	"cortexmap/internal/bench"
	"cortexmap/internal/fault"
	"cortexmap/internal/ort"
)

// benchCmd has a sub-command for each of the project's own comparisons.
type benchCmd struct {
	Calibration benchCalibrationCmd `cmd:"" help:"How often intervals and tests are right, on simulated mappings."`
	Recovery    benchRecoveryCmd    `cmd:"" help:"What the default fit finds again of planted selectors, seed by seed."`
	Protocols   benchProtocolsCmd   `cmd:"" help:"Protocol sound against paper: test R² against images seen and seconds."`
	Step        benchStepCmd        `cmd:"" help:"Steps of the fit beside a matrix product and beside the plain form in PyTorch."`
	Fit         benchFitCmd         `cmd:"" help:"A whole fit at the paper's scale: seconds of its phases, memory, waits for the store."`
	Extract     benchExtractCmd     `cmd:"" help:"Extraction's speed and memory beside the bare ONNX Runtime."`
}

type benchCalibrationCmd struct {
	Cases int    `default:"1000" placeholder:"N" help:"Simulated mappings, and pairs of them, for each width of the noise (${default})."`
	Seed  uint64 `placeholder:"N" help:"Seed of the simulation."`
}

func (c *benchCalibrationCmd) Run(e *env) error {
	return e.compare(func(o bench.Options) ([]*analyze.Table, error) { return bench.Calibration(e.ctx, o, c.Cases, c.Seed) })
}

// plantedFlags say which simulated subjects a comparison fits.
type plantedFlags struct {
	Seeds    []int  `default:"11,12,13" placeholder:"N,…" help:"A subject and a fit each (${default})."`
	Photos   string `placeholder:"DIR" help:"Photographs; default: the embedded ones."`
	Windows  int    `default:"9" placeholder:"N" help:"Windows cut out of each photograph (${default})."`
	Vertices int    `default:"2000" placeholder:"N" help:"Vertices of the 2,790 (${default})."`
	Images   int    `placeholder:"N" help:"Training windows at most; default: all."`
	Data     string `placeholder:"DIR" help:"Keep tokens and responses here for the next time."`
}

func (f plantedFlags) planted() (bench.Planted, error) {
	for name, n := range map[string]int{"--windows": f.Windows - 1, "--vertices": f.Vertices - 1, "--images": f.Images} {
		if n < 0 {
			return bench.Planted{}, fault.Inputf("%s is too small", name)
		}
	}
	return bench.Planted{Photos: f.Photos, Data: f.Data, Seeds: f.Seeds, Windows: f.Windows, Vertices: f.Vertices, Images: f.Images}, nil
}

type benchRecoveryCmd struct {
	plantedFlags
	Network string `arg:"" optional:"" placeholder:"MODEL.onnx" help:"The network that answers and is fitted; default: the embedded one."`
}

func (c *benchRecoveryCmd) Run(e *env) error {
	p, err := c.planted()
	if err != nil {
		return err
	}
	p.Network = c.Network
	return e.compare(func(o bench.Options) ([]*analyze.Table, error) { return bench.Recovery(e.ctx, o, p) })
}

type benchProtocolsCmd struct {
	plantedFlags
	Epochs   float64  `default:"10" placeholder:"N" help:"Epochs of protocol paper (${default}, as published)."`
	Networks []string `arg:"" optional:"" placeholder:"MODEL.onnx" help:"Networks that answer and are fitted, one after the other; default: the embedded one."`
}

func (c *benchProtocolsCmd) Run(e *env) error {
	p, err := c.planted()
	if err != nil {
		return err
	}
	race := bench.Race{Planted: p, Networks: c.Networks, Epochs: c.Epochs}
	if len(race.Networks) == 0 {
		race.Networks = []string{""}
	}
	return e.compare(func(o bench.Options) ([]*analyze.Table, error) { return bench.Protocols(e.ctx, o, race) })
}

// compare runs a comparison beside its progress bars and prints its tables.
func (e *env) compare(f func(bench.Options) ([]*analyze.Table, error)) error {
	o, done, err := e.bench()
	if err != nil {
		return err
	}
	tables, err := f(o)
	done()
	return e.printTables(tables, err)
}

type benchExtractCmd struct {
	Models   []string `arg:"" optional:"" placeholder:"MODEL.onnx" help:"Networks (default: the demo's, and one of CLIP ViT-B/16's shape with random weights)."`
	Pictures string   `placeholder:"DIR" help:"Folder with pictures (default: the demo's photographs)."`
	Images   int      `placeholder:"N" help:"Pictures a round (default: what takes about 15 s)."`
	Rounds   int      `default:"3" placeholder:"N" help:"Turns that extraction and the library take (${default})."`
	Batch    int      `placeholder:"N" help:"Pictures a batch (default: as extraction chooses; 8 for the CLIP shape)."`
	Spin     bool     `help:"Let the bare library's idle threads spin."`
}

func (c *benchExtractCmd) Run(e *env) error {
	x := bench.ExtractOptions{Models: c.Models, Pictures: c.Pictures, Images: c.Images, Rounds: c.Rounds, Batch: c.Batch, Spin: c.Spin}
	return e.compare(func(o bench.Options) ([]*analyze.Table, error) { return bench.Extract(e.ctx, o, x) })
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
