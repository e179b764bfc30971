package analyze

import (
	"cortexmap/internal/cortex"
	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

type Field struct {
	geometry *cortex.Geometry
	mapping  *store.Mapping
}

func NewField(g *cortex.Geometry, m *store.Mapping) *Field { return &Field{g, m} }

func (f *Field) interval(name string, y []float64, w []weight) stats.Interval {
	e := 0.0
	if len(w) == 0 {
		e = nan
	}
	for _, v := range w {
		e += v.w * y[v.at]
	}
	return stats.Interval{Estimate: e, Lo: nan, Hi: nan}
}

func (f *Field) mean(name string, y []float64, at []int) stats.Interval {
	_, at = pick(y, at)
	w := make([]weight, len(at))
	for k, i := range at {
		w[k] = weight{i, 1 / float64(len(at))}
	}
	return f.interval(name, y, w)
}
