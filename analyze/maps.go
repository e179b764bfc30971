package analyze

import (
	"fmt"
	"math"
	"slices"

	"cortexmap/internal/cortex"
	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// spaceFloor is the local share below which a vertex's image point is not shown: without local tokens it
// means nothing (paper.md section 7, point 5).
const spaceFloor = 0.1

// pointless says that a vertex reads the whole image: its image point means nothing. Where shares are not known (weights
// published for the paper) every point is taken.
func pointless(v *store.Vertex) bool { return float64(v.LocalShare) < spaceFloor }

// Maps are the mapping's maps on its surface, in the order in which they are shown: layer, space, scale, r2,
// and r2_norm where ceilings are known and differ (where they are all the same it would be r2 again). nil
// where the units have no place on a surface.
func Maps(in Input) []*cortex.Map {
	if !Placed(in.Geometry, in.Mapping) {
		return nil
	}
	out := []*cortex.Map{}
	if in.Mapping.Selector != nil {
		out = append(out, LayerMap(in), SpaceMap(in), ScaleMap(in))
	}
	if m := BestLayerMap(in); m != nil {
		out = append(out, m)
	}
	out = append(out, R2Map(in))
	if m := R2NormMap(in); m != nil {
		out = append(out, m)
	}
	return out
}

// Placed says whether there is a geometry and every unit is a vertex of it: only then are there maps.
func Placed(g *cortex.Geometry, m *store.Mapping) bool {
	if g == nil {
		return false
	}
	for i := range m.Vertices {
		v := &m.Vertices[i]
		if h := g.Hemi(v.Hemi); h == nil || int(v.Vertex) >= h.N() {
			return false
		}
	}
	return true
}

// spread puts one number a unit onto the surface.
func spread(in Input, x []float64) (out [2][]float64) {
	for side, h := range in.Geometry.Hemis {
		out[side] = cortex.NoData(h.N())
	}
	for i := range in.Mapping.Vertices {
		v := &in.Mapping.Vertices[i]
		out[cortex.Side(v.Hemi)][v.Vertex] = x[i]
	}
	return out
}

func newMap(in Input, name, title, unit string, rule cortex.Rule, lo, hi float64, x []float64) *cortex.Map {
	return &cortex.Map{Name: name, Title: title, Unit: unit, Rule: rule, Lo: lo, Hi: hi, Values: spread(in, x), Simulated: in.Mapping.Info.Simulated}
}

// LayerMap is each vertex's depth under its shares, with the certainty 1 − e of the layer selector (e its
// entropy divided by ln L).
func LayerMap(in Input) *cortex.Map {
	m := newMap(in, "layer", "Layer: which depth of the network predicts each vertex", "depth: 0 first layer, 1 last", cortex.RuleLayer, 0, 1, depths(in.Mapping, "share"))
	m.Certainty = spread(in, values(in.Mapping, func(v *store.Vertex) float64 { return 1 - float64(v.LayerEntropy) }))
	m.Note = fmt.Sprintf("Depth is the mean of l/(L−1) under the shares that the %d layers have in the variance of the prediction. Colours fade where the layer selector is undecided (entropy). "+
		"Maps are smooth by construction, also where R² is low: read them together.", len(in.Mapping.Info.Layers))
	return m
}

// BestLayerMap is the depth of the layer that alone predicts each vertex best, of a ridge regression a layer; nil for
// other methods. It is chosen on validation images; neighbouring layers often differ by less than chance does, so its
// certainty is left out.
func BestLayerMap(in Input) *cortex.Map {
	if in.Mapping.LayerR2 == nil || len(in.Mapping.Info.Layers) < 2 {
		return nil
	}
	m := newMap(in, "best_layer", "Best layer: which layer alone predicts each vertex best", "depth: 0 first layer, 1 last", cortex.RuleLayer, 0, 1, depths(in.Mapping, "argmax"))
	m.Note = "A ridge regression a layer, chosen on validation images, vertex by vertex: nothing makes neighbours alike. Neighbouring layers often differ by less than chance does."
	return m
}

// SpaceMap is each vertex's image point, where its local share is at least 0.1.
func SpaceMap(in Input) *cortex.Map {
	hidden := 0
	get := func(read func(*store.Vertex) float32) []float64 {
		hidden = 0
		return values(in.Mapping, func(v *store.Vertex) float64 {
			if pointless(v) {
				hidden++
				return nan
			}
			return float64(read(v))
		})
	}
	m := newMap(in, "space", "Space: which part of the image predicts each vertex", "image point", cortex.RuleSpace, -1, 1, get(func(v *store.Vertex) float32 { return v.SpaceX }))
	m.Second = spread(in, get(func(v *store.Vertex) float32 { return v.SpaceY }))
	m.Note = fmt.Sprintf("Coordinates run from edge to edge of the image as the network sees it. %d vertices whose local tokens carry less than %.0f %% of the prediction are left out: a point means nothing there.", hidden, 100*spaceFloor)
	return m
}

// ScaleMap is each vertex's scale selector: 0 local tokens, 1 the global token.
func ScaleMap(in Input) *cortex.Map {
	m := newMap(in, "scale", "Scale: local tokens or the global token", "scale selector, 0..1", cortex.RuleScale, 0, 1,
		values(in.Mapping, func(v *store.Vertex) float64 { return float64(v.Scale) }))
	m.Note = "0: only the token at the vertex's image point is read; 1: only the token of the whole image."
	return m
}

// R2Map is R² on test images.
func R2Map(in Input) *cortex.Map {
	x := values(in.Mapping, func(v *store.Vertex) float64 { return float64(v.R2) })
	m := newMap(in, "r2", "R²: how well held-out responses are predicted", "R² on test images, fraction of variance", cortex.RuleR2, 0, top(in.R2Top, x), x)
	m.Note = "R² = 1 − SSE/SST around the mean of the test responses, not divided by the noise ceiling."
	return m
}

// R2NormMap is R² divided by the noise ceiling; nil where no ceiling is known or all are the same.
func R2NormMap(in Input) *cortex.Map {
	x := values(in.Mapping, normalised)
	c := stats.Present(values(in.Mapping, func(v *store.Vertex) float64 { return float64(v.Ceiling) }))
	if len(stats.Present(x)) == 0 || slices.Max(c)-slices.Min(c) < 1e-3 {
		return nil
	}
	m := newMap(in, "r2_norm", "R² / noise ceiling: the predicted part of what could be predicted", "R² / noise ceiling", cortex.RuleR2, 0, math.Max(1, top(nan, x)), x)
	m.Note = fmt.Sprintf("Never clipped; vertices with a ceiling below %.2f are left out.", ceilingFloor)
	return m
}

// R2Top is the common upper end of the R² maps of several mappings: the 99th percentile of all their
// vertices, rounded up.
func R2Top(mappings ...*store.Mapping) float64 {
	var all []float64
	for _, m := range mappings {
		all = append(all, values(m, func(v *store.Vertex) float64 { return float64(v.R2) })...)
	}
	return top(nan, all)
}

// top is the given end, or the 99th percentile rounded up to 1, 2, 2.5, 3, 4, 5, 6 or 8 times a power of ten.
func top(given float64, x []float64) float64 {
	if !math.IsNaN(given) {
		return given
	}
	q := stats.Quantile(stats.Present(x), 0.99)
	if !(q > 0) {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(q)))
	for _, f := range []float64{1, 2, 2.5, 3, 4, 5, 6, 8} {
		if f*p >= q*(1-1e-9) {
			return f * p
		}
	}
	return 10 * p
}
