package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cortexmap/extract"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
)

type inspectCmd struct {
	Model  string `arg:"" placeholder:"MODEL.onnx" help:"The network."`
	Images int    `default:"10000" placeholder:"N" help:"Pictures for which size, memory and time are estimated (${default})."`
	Layers string `placeholder:"SELECTION" help:"As extract.layers: auto, blocks, stages, every:2, or names and globs separated by commas."`
	Card   string `placeholder:"FILE" help:"A card with the network's preprocessing."`
	NoRun  bool   `help:"Only read the file: needs no ONNX Runtime, and says what it could not decide."`
}

func (inspectCmd) Help() string {
	return "Examples:\n  cortexmap inspect net.onnx\n  cortexmap inspect net.onnx --images 73000 --json\n  cortexmap inspect net.onnx --no-run"
}

func (c *inspectCmd) Run(e *env) error {
	o := extract.NetworkOptions{Card: c.Card, Threads: e.flags.Threads, NoRun: true}
	if c.Layers != "" {
		o.Layers = strings.Split(c.Layers, ",")
	}
	// What is wrong with the file is said before a library is looked for, or fetched.
	net, err := extract.OpenNetwork(e.ctx, nil, c.Model, o)
	if err != nil {
		return err
	}
	var rt *ort.Runtime
	if !c.NoRun {
		if rt, err = e.start(e.ctx); err != nil {
			return err
		}
		defer rt.Close()
		var note string
		if o.Device, note, err = rt.Device(e.flags.Device); err != nil {
			return err
		}
		e.log.Info(note)
		o.NoRun = false
		if net, err = extract.OpenNetwork(e.ctx, rt, c.Model, o); err != nil {
			return err
		}
	}
	report, err := net.Inspect(e.ctx, rt, c.Images, 0)
	if err != nil {
		return err
	}
	if e.flags.JSON {
		return printJSON(e.stdout, report)
	}
	e.printNetwork(report)
	return nil
}

// printNetwork shows a report to people: head, inputs, layers, preprocessing, cost, warnings.
func (e *env) printNetwork(r extract.Report) {
	w := e.stdout
	m := r.Model
	fmt.Fprintf(w, "%s\n", m.Path)
	fmt.Fprintf(w, "  %s, opset %d, IR %d, %.1f M parameters, %.1f MB, sha256 %.12s…\n", orUnknown(m.Producer), m.Opset, m.IR, float64(m.Parameters)/1e6, float64(m.Bytes)/1e6, m.SHA256)
	for _, in := range m.Inputs {
		fmt.Fprintf(w, "  input %s: %s %v\n", in.Name, in.Type, in.Dims)
	}
	fmt.Fprintf(w, "\n%d layers, in data order:\n", len(r.Layers))
	rows := [][]string{{"index", "name", "kind", "width", "grid", "prefix", "global", "layout", "why"}}
	for _, l := range r.Layers {
		rows = append(rows, []string{strconv.Itoa(l.Index), l.Name, l.Kind, strconv.Itoa(l.Width), fmt.Sprintf("%dx%d", l.Grid[0], l.Grid[1]),
			strconv.Itoa(l.Prefix), l.Global, l.Layout, l.Why})
	}
	table(w, rows)
	fmt.Fprintln(w, "\npreprocessing:")
	from, _ := r.Preprocessing["from"].(map[string]string)
	for _, k := range slices.Sorted(maps.Keys(r.Preprocessing)) {
		if inputs, ok := r.Preprocessing[k].(map[string][]float64); k == "from" || ok && len(inputs) == 0 {
			continue
		}
		fmt.Fprintf(w, "  %s: %v", k, r.Preprocessing[k])
		if from[k] != "" {
			fmt.Fprintf(w, " (%s)", from[k])
		}
		fmt.Fprintln(w)
	}
	c := r.Estimate
	fmt.Fprintf(w, "\n%d pictures: ", c.Images)
	if slices.ContainsFunc(r.Layers, func(l store.Layer) bool { return l.Width == 0 }) {
		fmt.Fprint(w, "the size of their tokens is not known before the network has run")
	} else {
		fmt.Fprintf(w, "%.2f GB of tokens", float64(c.Bytes)/1e9)
	}
	if c.Seconds > 0 {
		fmt.Fprintf(w, ", about %s on this machine (decoding apart), %.2f GB of memory at batch %d",
			time.Duration(c.Seconds*float64(time.Second)).Round(time.Second), float64(c.Memory)/1e9, c.Batch)
	}
	fmt.Fprintln(w)
	if c.OneByOne > 0 {
		fmt.Fprintf(w, "one picture at a time takes %.2f times as long as batches of 4 would: an export that isn't dynamically quantised can have them\n", c.OneByOne)
	}
	for _, n := range r.Warnings {
		fmt.Fprintf(w, "warning: %s\n", n.Text)
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "producer unknown"
	}
	return s
}
