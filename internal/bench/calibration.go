package bench

import (
	"context"
	"fmt"
	"math"

	"cortexmap/analyze"
	"cortexmap/internal/cortex"
	"cortexmap/internal/store"
)

// CalibrationWidths are the widths of the planted noise, mm.
var CalibrationWidths = []float64{3, 5, 10}

// Calibration plants slopes and differences with smooth noise on the demo's visual areas and counts how
// often the intervals and tests of package analyze are right: a row a width of the noise, cases each.
func Calibration(ctx context.Context, o Options, cases int, seed uint64) ([]*analyze.Table, error) {
	in, err := visualAreas(o)
	if err != nil {
		return nil, err
	}
	var all []*analyze.Calibration
	for i, width := range CalibrationWidths {
		o.Progress("calibration", i, len(CalibrationWidths))
		c, err := analyze.Calibrate(ctx, in, analyze.Trial{Cases: cases, Width: width, Own: 0.2, Spread: 0.1, Slope: 0.6, Seed: seed})
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	o.Progress("calibration", len(CalibrationWidths), len(CalibrationWidths))
	t := analyze.CalibrationTable(all...)
	t.Note = fmt.Sprintf("simulated: %d slopes of 0.6, and differences of nothing, for each width (mm) of noise that is smooth over the cortex", cases)
	return []*analyze.Table{t}, nil
}

// visualAreas is a mapping without numbers on the vertices of the demo's visual areas, in their seven levels.
func visualAreas(o Options) (analyze.Input, error) {
	in := analyze.Input{R2Top: math.NaN()}
	g, err := cortex.LoadDemo(o.Demo)
	if err != nil {
		return in, err
	}
	areas, err := cortex.VisualAreas(o.Demo)
	if err != nil {
		return in, err
	}
	const levels, layers = 7, 16 // of visual_rois.csv; a slope needs more than one layer
	in.Geometry, in.Hierarchy = g, analyze.Hierarchy{Name: "glasser", Levels: make([]analyze.Level, levels)}
	m := &store.Mapping{Info: store.FitInfo{Surface: g.Name, Simulated: true, Layers: make([]store.Layer, layers)}}
	in.Mapping = m
	level := map[string]int{}
	for _, a := range areas {
		level[a.Label] = a.Level
		l := &in.Hierarchy.Levels[a.Level-1]
		l.Name, l.ROIs = fmt.Sprintf("level %d", a.Level), append(l.ROIs, a.Label)
	}
	for _, h := range g.Hemis {
		labels, err := cortex.LoadLabels(o.Demo, "rois/"+h.Name+".glasser_360.annot")
		if err != nil {
			return in, err
		}
		for i, k := range labels.Vertex {
			if k < 0 || level[labels.Names[k]] == 0 {
				continue
			}
			v := store.NewVertex(h.Name, int32(i))
			v.ROIs, v.Fitted = []string{"glasser_360/" + labels.Names[k]}, true
			m.Vertices = append(m.Vertices, v)
		}
	}
	return in, nil
}
