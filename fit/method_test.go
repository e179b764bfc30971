package fit

import (
	"context"
	"math"
	"testing"

	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"

	"gonum.org/v1/gonum/stat"
)

// What a faithful implementation of the method must show without human data: the number of weights, the start, the
// regulariser's schedule, planted maps. Values and gradients are golden_test.go's and gradient_test.go's.

// TestPublishedShape: at the paper's scale there are 7,384,800 weights, and before the first step every vertex looks at
// the centre, at all layers alike, half locally.
func TestPublishedShape(t *testing.T) {
	const vertices, layers, width, trained = 37984, 12, 768, 7384800
	set, err := Defaults("paper")
	if err != nil {
		t.Fatal(err)
	}
	p := &problem{set: set, report: newReporter(Options{}), L: layers, C: set.Channels, G: 8, V: vertices, e: newEngine(orttest.Runtime(t), 2)}
	defer p.e.close()
	p.Subject = &subject.Subject{Units: vertices}
	for range layers {
		p.widths = append(p.widths, width)
	}
	for v := range vertices {
		at := float64(v) / vertices
		p.units, p.mean, p.inv = append(p.units, v), append(p.mean, 0), append(p.inv, 1)
		p.Subject.Positions = append(p.Subject.Positions, [3]float32{float32(100 * at), float32(80 * math.Sin(40*at)), float32(60 * math.Cos(40*at))})
	}
	m, err := newModel(p)
	if err != nil {
		t.Fatal(err)
	}
	if n := m.parameters(); n != trained {
		t.Errorf("%d weights, the paper's model has %d", n, trained)
	}
	if n := len(positionCode(p.Subject.Positions[:1], m.frame)); n != 192 {
		t.Errorf("the position code has %d numbers, want 192", n)
	}
	if err := m.look(context.Background()); err != nil {
		t.Fatal(err)
	}
	for v := range vertices {
		if m.sel.space[2*v] != 0 || m.sel.space[2*v+1] != 0 || m.sel.scale[v] != 0.5 {
			t.Fatalf("vertex %d starts at (%v, %v) with scale %v", v, m.sel.space[2*v], m.sel.space[2*v+1], m.sel.scale[v])
		}
		for _, x := range m.sel.layer[v*layers : (v+1)*layers] {
			if math.Abs(float64(x)-1.0/layers) > 1e-7 {
				t.Fatalf("vertex %d starts with %v of a layer", v, x)
			}
		}
	}
}

// TestRegulariserSchedule: (9) is -λ before the first step, where all layers are alike, falls linearly, and is
// nothing from step 2,000 on. The 1e-8 inside the logarithm moves it by 12·1e-8/ln 12.
func TestRegulariserSchedule(t *testing.T) {
	set, err := Defaults("paper")
	if err != nil {
		t.Fatal(err)
	}
	d := &descent{model: &model{problem: &problem{set: set}}}
	sel := newSelection(3, 12, 8)
	sel.set(0, make([]float32, 3*sel.heads()))
	for _, c := range []struct {
		step int
		want float64
	}{{0, -0.1}, {500, -0.075}, {1999, -0.1 / 2000}, {2000, 0}, {5000, 0}} {
		d.t = c.step
		if got := d.regulariser() * sel.regulariser(); math.Abs(got-c.want) > 1e-8 {
			t.Errorf("step %d: %.9f, want %.9f", c.step, got, c.want)
		}
	}
}

// TestPlantedMapsCorrelate: maps found from 3,000 pictures at a ceiling of 0.6 correlate with the planted ones at 0.9
// or more, expected layer, scale, and place where it is mostly local; shuffled pictures are not predicted.
func TestPlantedMapsCorrelate(t *testing.T) {
	p := plant(t, 3, 3000, 100)
	set := quick("sound")
	fit := func(shuffled bool) *store.Mapping {
		m, err := run(context.Background(), orttest.Runtime(t), p.in, Options{Settings: &set, Threads: 2, shuffled: shuffled})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := fit(false)
	var layer, scale, x, plantedX []float64
	for v, row := range m.Vertices {
		layer, scale = append(layer, float64(row.LayerExpected)), append(scale, float64(row.Scale))
		if p.scale[v] < 0.5 {
			x, plantedX = append(x, float64(row.SpaceX)), append(plantedX, p.x[v])
		}
	}
	for name, r := range map[string]float64{
		"expected layer": stat.Correlation(layer, p.layer, nil), "scale": stat.Correlation(scale, p.scale, nil),
		"place": stat.Correlation(x, plantedX, nil),
	} {
		t.Logf("%s: %.3f", name, r)
		if !(r >= 0.9) {
			t.Errorf("%s correlates at %.3f with what was planted, want 0.9", name, r)
		}
	}
	if r2 := fit(true).Info.Scores["r2_mean"]; r2 > 0 {
		t.Errorf("shuffled pictures are predicted with R² %.4f", r2)
	}
}
