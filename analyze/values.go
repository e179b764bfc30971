package analyze

import (
	"math"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// values reads one number of every vertex [V], NaN where it is missing or the vertex is not fitted.
func values(m *store.Mapping, get func(*store.Vertex) float64) []float64 {
	out := make([]float64, len(m.Vertices))
	for i := range m.Vertices {
		out[i] = math.NaN()
		if m.Vertices[i].Fitted {
			out[i] = get(&m.Vertices[i])
		}
	}
	return out
}

// depths are the vertices' depths 0..1 by one of the three quantities; all NaN for a network of one layer
// or a method without selector.
func depths(m *store.Mapping, quantity string) []float64 {
	last := float64(len(m.Info.Layers) - 1)
	return values(m, func(v *store.Vertex) float64 {
		if last < 1 {
			return math.NaN()
		}
		switch quantity {
		case "share":
			return float64(v.Depth)
		case "expected":
			return float64(v.LayerExpected) / last
		case "argmax":
			if v.LayerArgmax < 0 {
				return math.NaN()
			}
			return float64(v.LayerArgmax) / last
		}
		panic("analyze: no quantity " + quantity)
	})
}

// ceilingFloor is where a noise ceiling is too small to divide by (contract.md section 5).
const ceilingFloor = 0.05

// normalised is r2 / ceiling, never clipped, NaN below the floor.
func normalised(v *store.Vertex) float64 {
	if c := float64(v.Ceiling); c >= ceilingFloor {
		return float64(v.R2) / c
	}
	return math.NaN()
}

// pick are the elements of x at the given places that are numbers, and those places.
func pick(x []float64, at []int) (out []float64, kept []int) {
	for _, i := range at {
		if !math.IsNaN(x[i]) {
			out, kept = append(out, x[i]), append(kept, i)
		}
	}
	return out, kept
}

// fdrWithin are the false discovery rates of p, over those of equal keys; NaN stays.
func fdrWithin(p []float64, key func(i int) string) []float64 {
	q, at := cortex.NoData(len(p)), map[string][]int{}
	for i := range p {
		at[key(i)] = append(at[key(i)], i)
	}
	for _, list := range at {
		tested, kept := pick(p, list)
		for k, x := range stats.FDR(tested) {
			q[kept[k]] = x
		}
	}
	return q
}

// Interval is an estimate with its 95 % bounds, NaN where they are not known.
type Interval = stats.Interval

// also adds a reason to those that there are.
func also(reasons, more string) string { return strings.TrimPrefix(reasons+"; "+more, "; ") }

// Summary is a mapping in a few numbers, over its fitted units.
type Summary struct {
	Fitted  int
	R2      float64 // mean, fraction of variance
	R2Norm  float64 // mean of R² / noise ceiling, over units with a ceiling of at least 0.05
	Ceiling float64 // mean
	R       float64 // median of Pearson's r
}

// Summarise sums a mapping up; what no unit has is NaN.
func Summarise(m *store.Mapping) Summary {
	column := func(get func(*store.Vertex) float64) []float64 { return values(m, get) }
	return Summary{
		Fitted:  len(m.Vertices) - unfitted(m),
		R2:      stats.Mean(column(func(v *store.Vertex) float64 { return float64(v.R2) })),
		R2Norm:  stats.Mean(column(normalised)),
		Ceiling: stats.Mean(column(func(v *store.Vertex) float64 { return float64(v.Ceiling) })),
		R:       stats.Median(column(func(v *store.Vertex) float64 { return float64(v.R) })),
	}
}
