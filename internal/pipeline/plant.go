package pipeline

import (
	"context"

	"cortexmap/extract"
	"cortexmap/internal/cortex"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
	"cortexmap/internal/synth"
)

// Planted is a simulated subject's plan, with its responses [N, V] to the pictures.
type Planted struct {
	*synth.Plan
	Responses []float32
}

// Plant draws simulated subjects that share places, pictures and generator, and lets them look at every
// picture: one pass of the generator for all of them.
func Plant(ctx context.Context, rt *ort.Runtime, gen *extract.Network, s *subject.Subject, g *cortex.Geometry, options []synth.Options, progress func(done, total int)) ([]Planted, error) {
	stats, err := extract.Statistics(ctx, rt, gen, s.Images, every(s.Images.Len(), 10))
	if err != nil {
		return nil, err
	}
	out := make([]Planted, len(options))
	var readouts []extract.Readout
	ends := make([]int, len(options))
	for i, o := range options {
		if out[i].Plan, err = synth.Plant(s, g, shapes(gen.Layers), o); err != nil {
			return nil, err
		}
		readouts = append(readouts, forExtract(out[i].Readouts(deviations(stats)))...)
		ends[i] = len(readouts)
	}
	local, global, err := extract.ReadOut(ctx, rt, gen, s.Images, readouts, progress)
	if err != nil {
		return nil, err
	}
	from := 0
	for i, to := range ends {
		if out[i].Responses, _, err = out[i].Finish(local[from:to], global[from:to], s.Images.Len()); err != nil {
			return nil, err
		}
		from = to
	}
	return out, nil
}

func shapes(layers []store.Layer) []synth.Shape {
	out := make([]synth.Shape, len(layers))
	for i, l := range layers {
		out[i] = synth.Shape{Name: l.Name, Width: l.Width, H: l.Grid[0], W: l.Grid[1]}
	}
	return out
}

func deviations(stats []extract.ChannelStats) []synth.ChannelStats {
	out := make([]synth.ChannelStats, len(stats))
	for i, s := range stats {
		out[i] = synth.ChannelStats{SD: s.SD}
	}
	return out
}

func forExtract(readouts []synth.Readout) []extract.Readout {
	out := make([]extract.Readout, len(readouts))
	for i, r := range readouts {
		out[i] = extract.Readout{Layer: r.Layer, Units: len(r.Units), Field: r.Field, Channels: r.Channels}
	}
	return out
}

// every is 0, step, 2 step, … below n.
func every(n, step int) []int {
	var rows []int
	for i := 0; i < n; i += step {
		rows = append(rows, i)
	}
	return rows
}
