package bench

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"time"

	"cortexmap/analyze"
	"cortexmap/fit"
	"cortexmap/internal/ort"
)

// PlainStep is a Python script: the same step in its plain form, by PyTorch's autograd.
//
//go:embed plain_step.py
var PlainStep string

const (
	plainBatch   = 8 // images at once, as published; more need too much memory
	plainRepeats = 2 // of which the best counts
)

// stepLines are what the project promises of a step at the paper's scale: ms an image on two cores, and how many
// times faster than the plain form.
var stepLines = map[string][2]float64{"default": {12, 100}, "exact": {21, 60}}

// Step times steps of the descent (fit.Speed) beside one matrix product and, where plain is not nil, beside
// the plain form. plain runs PlainStep with the arguments given and returns what it printed, milliseconds an
// image; its error is shown where its figure would stand. It is timed at the paper's scale only.
func Step(ctx context.Context, o Options, plain func(ctx context.Context, args ...int) (float64, error)) ([]*analyze.Table, error) {
	rt, err := o.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer rt.Close()
	t := &analyze.Table{Name: "step", Title: "A step of the fit",
		Note: "default: what protocol sound does; exact: all layers, everything moves on every step, 32 images; active: the part of the cells' products that is left where layers are left out",
		Columns: []analyze.Column{{Name: "kind"}, {Name: "vertices"}, {Name: "layers"}, {Name: "width"}, {Name: "ms_per_image"}, {Name: "line"},
			{Name: "gflops", Doc: "of the products that a step can't do without"}, {Name: "gemm_gflops", Doc: "of one product, in the same run"},
			{Name: "gemm_ratio"}, {Name: "active"}, {Name: "peak_mb"}, {Name: "plain_ms_per_image"}, {Name: "times_faster"}, {Name: "line_times"}}}
	parts := &analyze.Table{Name: "step_parts", Title: "Where a step's time goes", Columns: []analyze.Column{{Name: "kind"}, {Name: "vertices"}, {Name: "part"}, {Name: "ms_per_image"}}}
	var plainMs any = ""
	for i, c := range fit.SpeedCases {
		o.Progress("steps", i, len(fit.SpeedCases))
		ms, err := o.step(ctx, rt, c, t, parts)
		if err != nil {
			return nil, err
		}
		row := t.Rows[len(t.Rows)-1]
		if c.Vertices < PaperVertices {
			continue
		}
		if plain != nil && i == 0 {
			x, err := plain(ctx, c.Vertices, c.Layers, c.Width, c.Channels, plainBatch, ort.Threads(o.Threads), plainRepeats)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			plainMs = x
			if err != nil {
				plainMs = err.Error()
			}
		}
		line := stepLines[c.Kind()]
		row[5], row[11], row[13] = fmt.Sprintf("<= %.0f", line[0]), plainMs, fmt.Sprintf(">= %.0f", line[1])
		if x, ok := plainMs.(float64); ok {
			row[12] = x / ms
		}
	}
	o.Progress("steps", len(fit.SpeedCases), len(fit.SpeedCases))
	return []*analyze.Table{t, parts}, nil
}

// stepSeconds is how long a case is timed, after one round that makes sessions and touches pages.
const stepSeconds = 8

// step times one case and adds its rows; it returns milliseconds an image.
func (o Options) step(ctx context.Context, rt *ort.Runtime, c fit.SpeedCase, t, parts *analyze.Table) (float64, error) {
	s, err := fit.NewSpeed(ctx, rt, o.Threads, c)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if _, err := s.Round(ctx); err != nil {
		return 0, err
	}
	gemm, err := s.GEMM(ctx)
	if err != nil {
		return 0, err
	}
	before := maps.Clone(s.Parts())
	images, start := 0, time.Now()
	for time.Since(start) < stepSeconds*time.Second {
		n, err := s.Round(ctx)
		if err != nil {
			return 0, err
		}
		images += n
	}
	seconds := time.Since(start).Seconds()
	rate := s.FLOP() * float64(images) / seconds
	ms := 1e3 * seconds / float64(images)
	peak := float64(ort.PeakMemory()) / (1 << 20)
	t.Add(c.Kind(), c.Vertices, c.Layers, c.Width, ms, "", rate/1e9, gemm/1e9, rate/gemm, s.Active(), peak, "", "", "")
	for _, part := range slices.Sorted(maps.Keys(s.Parts())) {
		parts.Add(c.Kind(), c.Vertices, part, 1e3*(s.Parts()[part]-before[part])/float64(images))
	}
	return ms, nil
}
