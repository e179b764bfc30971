package analyze

import (
	"math"
	"testing"

	"cortexmap/internal/store"
)

// Means and spreads of three fits, worked out by hand; angles run round the circle, points are vectors, a vertex that
// one fit lacks has none.
func TestSpread(t *testing.T) {
	fit := func(depth, x, y, angle, layer float32, argmax int32, fitted bool) *store.Mapping {
		v, whole := store.NewVertex("lh", 3), store.NewVertex("lh", 4)
		v.Fitted, v.Depth, v.SpaceX, v.SpaceY, v.AngleDeg, v.LayerExpected, v.LayerArgmax = true, depth, x, y, angle, layer, argmax
		whole.Fitted, whole.Depth, whole.LayerExpected = fitted, 0.5, 1
		return &store.Mapping{Info: store.FitInfo{Key: "k", Layers: make([]store.Layer, 4)}, Vertices: []store.Vertex{v, whole}}
	}
	s := NewSpread(OverSeeds, []*store.Mapping{
		fit(0.2, -0.1, 0, 170, 0.5, 2, true), fit(0.4, 0, 0.3, -170, 1, 1, true), fit(0.9, 0.1, -0.3, 180, 3, 1, false)}, nil)
	near := func(what string, got, want float64) {
		if !(math.Abs(got-want) < 1e-6) && !(math.IsNaN(got) && math.IsNaN(want)) { // float32 fields
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	rad := math.Pi / 180
	r := (1 + 2*math.Cos(10*rad)) / 3
	for _, c := range []struct {
		name     string
		mean, sd float64
	}{
		{"depth", 0.5, math.Sqrt((0.09 + 0.01 + 0.16) / 2)},
		{"space_x", 0, 0.1},
		{"space", 0, math.Sqrt((0.01 + 0.09 + 0.01 + 0.09) / 2)},
		{"angle_deg", 180, math.Sqrt(-2*math.Log(r)) / rad},
		{"layer_argmax", 1, 2. / 3},
		{"layer_expected", 1.5, math.Sqrt((1 + 0.25 + 2.25) / 2)},
	} {
		n := s.Number(c.name)
		if n == nil {
			t.Errorf("no %s", c.name)
			continue
		}
		near(c.name, math.Abs(n.Mean[0]), c.mean)
		near("sd of "+c.name, n.SD[0], c.sd)
		near(c.name+" of a vertex that one fit lacks", n.Mean[1], math.NaN())
	}
	if s.Number("ecc_deg") != nil || s.Maps != nil {
		t.Error("a number that no fit has, or maps without a surface")
	}
	near("disagree", s.Disagree, 1) // one vertex in all fits, 2.5 layers apart
	if table := SpreadTable(s); len(table.Rows) != len(s.Numbers) {
		t.Errorf("%d rows of %d numbers", len(table.Rows), len(s.Numbers))
	}
}

func TestCircular(t *testing.T) {
	if mean, sd := circular([]float64{40, 40}); math.Abs(mean-40) > 1e-9 || sd > 1e-5 {
		t.Errorf("equal angles: %v, %v", mean, sd)
	}
	if _, sd := circular([]float64{0, 180}); sd < 300 { // opposite ones have no direction
		t.Errorf("opposite angles: sd %v", sd)
	}
}
