package analyze

import (
	"math"

	"cortexmap/internal/store"
)

// Average is the mean of several fits of one network to one subject that differ in their seed alone: every number of
// a vertex, its selector and its shares are means over the fits; layer_argmax is that of the mean selector. A vertex
// is fitted where all fits have it, and a number is missing where any lacks it. Weights, clusters and truth are no
// numbers of a vertex and stay behind. One fit is its own average. It panics on fits of different vertices or layers.
func Average(fits ...*store.Mapping) *store.Mapping {
	if len(fits) == 1 {
		return fits[0]
	}
	m := &store.Mapping{Info: fits[0].Info, Vertices: append([]store.Vertex(nil), fits[0].Vertices...)}
	m.Selector = averageRows(fits, func(m *store.Mapping) []float32 { return m.Selector })
	m.Share = averageRows(fits, func(m *store.Mapping) []float32 { return m.Share })
	layers := len(m.Info.Layers)
	for i := range m.Vertices {
		v := &m.Vertices[i]
		v.Cluster = -1
		for _, f := range fits {
			if len(f.Vertices) != len(m.Vertices) || f.Vertices[i].Vertex != v.Vertex || f.Vertices[i].Hemi != v.Hemi || len(f.Info.Layers) != layers {
				panic("analyze: an average of fits of different vertices or layers")
			}
			v.Fitted = v.Fitted && f.Vertices[i].Fitted
		}
		for _, at := range numbersOf(v) {
			*at = 0
		}
		for _, f := range fits {
			other := f.Vertices[i]
			for k, at := range numbersOf(&other) {
				*numbersOf(v)[k] += *at / float32(len(fits))
			}
		}
		v.LayerArgmax = -1
		if len(m.Selector) == layers*len(m.Vertices) {
			v.LayerArgmax = largest(m.Selector[i*layers : (i+1)*layers])
		}
	}
	return m
}

// numbersOf are the numbers of a vertex that may be averaged. Angles run round a circle and are left to those who
// have the image point.
func numbersOf(v *store.Vertex) []*float32 {
	return []*float32{&v.R2, &v.R, &v.R2Val, &v.Ceiling, &v.R2Norm, &v.LayerExpected, &v.LayerEntropy, &v.Depth, &v.Scale, &v.LocalShare, &v.SpaceX, &v.SpaceY, &v.EccDeg}
}

func averageRows(fits []*store.Mapping, of func(*store.Mapping) []float32) []float32 {
	if of(fits[0]) == nil {
		return nil
	}
	out := make([]float32, len(of(fits[0])))
	for _, f := range fits {
		rows := of(f)
		if len(rows) != len(out) {
			return nil
		}
		for i, x := range rows {
			out[i] += x / float32(len(fits))
		}
	}
	return out
}

// largest is the place of the largest number, −1 if there is none.
func largest(x []float32) int32 {
	at := int32(-1)
	for i, v := range x {
		if !math.IsNaN(float64(v)) && (at < 0 || v > x[at]) {
			at = int32(i)
		}
	}
	return at
}
