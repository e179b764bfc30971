package cli

import (
	"fmt"
	"strings"

	"cortexmap/extract"
	"cortexmap/internal/ort"
)

type inspectCmd struct {
	Model  string `arg:"" placeholder:"MODEL.onnx" help:"The network."`
	Images int    `default:"10000" placeholder:"N" help:"Pictures for which size, memory and time are estimated."`
	Layers string `placeholder:"SELECTION" help:"As extract.layers: auto, blocks, stages, every:2, or names and globs separated by commas."`
	Card   string `placeholder:"FILE" help:"A card with the network's preprocessing."`
	NoRun  bool   `help:"Only read the file: needs no ONNX Runtime, and says what it could not decide."`
}

func (inspectCmd) Help() string {
	return "Examples:\n  cortexmap inspect net.onnx\n  cortexmap inspect net.onnx --images 73000 --json\n  cortexmap inspect net.onnx --no-run"
}

func (c *inspectCmd) Run(e *env) error {
	o := extract.NetworkOptions{Card: c.Card, Threads: e.flags.Threads, NoRun: c.NoRun, Log: e.log}
	if c.Layers != "" {
		o.Layers = strings.Split(c.Layers, ",")
	}
	var rt *ort.Runtime
	if !c.NoRun {
		s := ort.FromEnvironment()
		s.Flag, s.Offline, s.Log = e.flags.OrtLib, e.flags.Offline, e.log
		lib, err := ort.Find(e.ctx, s)
		if err != nil {
			return err
		}
		if rt, err = ort.Start(lib); err != nil {
			return err
		}
		defer rt.Close()
	}
	net, err := extract.OpenNetwork(e.ctx, rt, c.Model, o)
	if err != nil {
		return err
	}
	report, err := net.Inspect(e.ctx, rt, c.Images)
	if err != nil {
		return err
	}
	if e.flags.JSON {
		return printJSON(e.stdout, report)
	}
	fmt.Fprint(e.stdout, report.String())
	return nil
}
