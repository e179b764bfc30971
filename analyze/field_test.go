package analyze

import (
	"math/rand/v2"
	"testing"

	"cortexmap/internal/stats"
)

// TestThinningFineNoise: letting a third of the vertices carry the smooth part gives the intervals that all of them give, also
// of noise as fine as the vertices' spacing, where those that share a cell are far from copies of each other.
func TestThinningFineNoise(t *testing.T) {
	in := onSurface(t, 1)
	draw, err := newSmoother(t.Context(), in, 3, 0.2)
	if err != nil {
		t.Fatal(err)
	}
	var fields [2]*Field
	for k, limit := range []int{500, 5000} {
		if fields[k], err = newField(t.Context(), in, limit); err != nil {
			t.Fatal(err)
		}
	}
	if few, all := len(fields[0].kept), len(fields[1].kept); few > 1000 || all != len(in.Mapping.Vertices) {
		t.Fatalf("%d and %d of %d vertices are kept", few, all, len(in.Mapping.Vertices))
	}
	var ratio []float64
	for k := range uint64(12) {
		y := draw(rand.New(rand.NewPCG(4, k)))
		var wide [2]float64
		for f := range fields {
			fields[f].models = map[string]*model{}
			a := align(in, fields[f], "share", "rois", y)
			wide[f] = a.Slope.Hi - a.Slope.Lo
		}
		ratio = append(ratio, wide[0]/wide[1])
	}
	// each covariance is fitted to its own vertices: the ratio's sd from map to map is about 0.05, its mean's 0.015
	mean := stats.Mean(ratio)
	t.Logf("intervals are %.3f times as wide (sd %.3f)", mean, stats.SD(ratio))
	if mean < 0.95 || mean > 1.05 {
		t.Errorf("intervals of few vertices are %.3f times as wide as those of all", mean)
	}
}
