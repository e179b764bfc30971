package analyze

import (
	"context"
	"math"

	"cortexmap/internal/cortex"
	"cortexmap/internal/fault"
	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// Pair are two mappings of the same units: before and after fine-tuning, two seeds, two networks.
type Pair struct {
	Before, After *store.Mapping
	Geometry      *cortex.Geometry // nil: no intervals
	Hierarchy     Hierarchy        // without levels: no slope
}

// Change is After − Before, over the units fitted in both. Intervals are 95 % and spatial, of one subject: they
// say whether this cortex's difference is larger than its smoothness alone would make it, nothing of people, and
// nothing of other seeds. To tell a change from the fit's own restlessness, compare it with the Change between two
// seeds of one network.
type Change struct {
	Units  int
	ROIs   []ROIChange
	Slopes []SlopeChange // by quantity, by over
	Rand   float64       // adjusted Rand index of the two mappings' channel clusters; NaN where there are none
}

// ROIChange is one region's.
type ROIChange struct {
	Name      string
	NVertices int
	Depth     stats.Interval // change of the mean depth of shares, 0..1 each: the layer shift
	R2        stats.Interval // change of the mean R²
	P, Q      float64        // two-sided, of no change of R²; Q after Benjamini and Hochberg over the regions
	// JensenShannon is the distance of the mean distributions of shares over layers, 0 the same … 1 disjoint:
	// √(H((p+q)/2) − (H(p)+H(q))/2), entropies in bits. NaN where the networks have different numbers of layers.
	JensenShannon float64
}

// SlopeChange is a line's: the slope is a weighted sum of depths, so that of the difference is the difference.
type SlopeChange struct {
	Quantity, Over string
	Slope          stats.Interval
	B0, B1         float64 // changes of the line's ends
}

// Compare measures a Change. Mappings of different units are a fault.
func Compare(ctx context.Context, p Pair) (*Change, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	in := Input{Mapping: p.both(), Geometry: p.Geometry, Hierarchy: p.Hierarchy, R2Top: nan}
	field, err := NewField(ctx, in)
	if err != nil {
		return nil, err
	}
	c := &Change{Units: len(in.Mapping.Vertices) - unfitted(in.Mapping)}
	depth := p.difference(in.Mapping, func(m *store.Mapping) []float64 { return depths(m, "share") })
	r2 := p.difference(in.Mapping, func(m *store.Mapping) []float64 {
		return values(m, func(v *store.Vertex) float64 { return float64(v.R2) })
	})
	for _, name := range roiNames(in.Mapping, in.Hierarchy) {
		var at []int
		for i := range in.Mapping.Vertices {
			if v := &in.Mapping.Vertices[i]; v.Fitted && In(v, name) {
				at = append(at, i)
			}
		}
		x := ROIChange{Name: name, NVertices: len(at), Depth: field.mean("depth change", depth, at), R2: field.mean("R² change", r2, at), JensenShannon: p.jensenShannon(at)}
		x.P = twoSided(x.R2)
		c.ROIs = append(c.ROIs, x)
	}
	c.discover()
	if len(p.Hierarchy.Levels) > 0 {
		for _, q := range Quantities {
			y := p.difference(in.Mapping, func(m *store.Mapping) []float64 { return depths(m, q) })
			for _, over := range []string{"rois", "vertices"} {
				a := align(in, field, q+" change", over, y)
				c.Slopes = append(c.Slopes, SlopeChange{q, over, a.Slope, a.B0, a.B1})
			}
		}
	}
	return c, c.clusters(ctx, p)
}

// check refuses mappings of different units.
func (p Pair) check() error {
	a, b := p.Before, p.After
	same := len(a.Vertices) == len(b.Vertices)
	for i := 0; same && i < len(a.Vertices); i++ {
		same = a.Vertices[i].Hemi == b.Vertices[i].Hemi && a.Vertices[i].Vertex == b.Vertices[i].Vertex
	}
	if !same || a.Info.Subject != b.Info.Subject {
		return fault.Inputf("%s on %s (%d units) and %s on %s (%d units) have different units: nothing can be paired",
			a.Info.Model, a.Info.Subject, len(a.Vertices), b.Info.Model, b.Info.Subject, len(b.Vertices)).
			Remedy("compare mappings of one subject with one mask")
	}
	return nil
}

// both is Before with only those units fitted that are fitted in both. The layer numbers are kept: a change has
// a depth where both networks have one.
func (p Pair) both() *store.Mapping {
	m := *p.Before
	m.Vertices = append([]store.Vertex(nil), m.Vertices...)
	for i := range m.Vertices {
		m.Vertices[i].Fitted = m.Vertices[i].Fitted && p.After.Vertices[i].Fitted
	}
	return &m
}

// difference is After − Before of one number a unit, NaN where either has none.
func (p Pair) difference(both *store.Mapping, get func(*store.Mapping) []float64) []float64 {
	a, b := get(p.Before), get(p.After)
	for i := range b {
		b[i] -= a[i]
		if !both.Vertices[i].Fitted {
			b[i] = nan
		}
	}
	return b
}

// twoSided is the p of no difference that belongs to a normal 95 % interval; NaN where there is none.
func twoSided(x stats.Interval) float64 {
	half := (x.Hi - x.Lo) / 2
	if math.IsNaN(half) {
		return nan
	}
	if half == 0 { // the same change everywhere: no spread to hold it against
		if x.Estimate == 0 {
			return 1
		}
		return nan
	}
	z := math.Abs(x.Estimate) / (half / stats.NormalQuantile(0.975))
	return math.Erfc(z / math.Sqrt2)
}

// discover fills Q.
func (c *Change) discover() {
	var p []float64
	for _, r := range c.ROIs {
		p = append(p, r.P)
	}
	for i, q := range stats.FDR(p) {
		c.ROIs[i].Q = q
	}
}

func (p Pair) jensenShannon(at []int) float64 {
	layers := len(p.Before.Info.Layers)
	if len(p.After.Info.Layers) != layers || p.Before.Share == nil || p.After.Share == nil || len(at) == 0 {
		return nan
	}
	return JensenShannon(layerShares(p.Before, at), layerShares(p.After, at))
}

// layerShares is the mean distribution of shares over layers, negative parts clipped.
func layerShares(m *store.Mapping, at []int) []float64 {
	out := make([]float64, len(m.Info.Layers))
	for _, i := range at {
		for l := range out {
			if s := float64(m.Share[i*len(out)+l]); s > 0 {
				out[l] += s
			}
		}
	}
	return out
}

// JensenShannon is the distance of two distributions over the same things, which are normalised first: the root
// of their Jensen-Shannon divergence in bits, 0..1, a metric (Endres and Schindelin 2003). NaN if either is empty.
func JensenShannon(p, q []float64) float64 {
	var sp, sq float64
	for k := range p {
		sp, sq = sp+p[k], sq+q[k]
	}
	if !(sp > 0) || !(sq > 0) {
		return nan
	}
	sum := 0.0
	part := func(x, mean float64) {
		if x > 0 {
			sum += x * math.Log2(x/mean) / 2
		}
	}
	for k := range p {
		a, b := p[k]/sp, q[k]/sq
		part(a, (a+b)/2)
		part(b, (a+b)/2)
	}
	return math.Sqrt(math.Max(0, sum))
}

// clusters compares the channel clusters of both.
func (c *Change) clusters(ctx context.Context, p Pair) error {
	c.Rand = nan
	var of [2][]int
	for k, m := range []*store.Mapping{p.Before, p.After} {
		found, err := FindClusters(ctx, Input{Mapping: m, Hierarchy: p.Hierarchy})
		if found == nil || err != nil {
			return err
		}
		of[k] = found.Of
	}
	c.Rand = stats.AdjustedRand(of[0], of[1])
	return nil
}

// ComparisonTable is comparison.csv: a row a region, and the whole hierarchy's slopes.
func ComparisonTable(p Pair, c *Change) *Table {
	t := &Table{Name: "comparison", Title: "Before and after", Note: "After − before, over units fitted in both. Intervals are 95 % and spatial: one subject's, not people's.", Columns: []Column{
		{"model_before", "network"}, {"model_after", "network"}, {"subject", ""}, {"seed_before", "of the fit"}, {"seed_after", "of the fit"},
		{"what", "depth (mean of shares, 0..1), r2 (mean, fraction of variance), slope_share, slope_expected, slope_argmax"}, {"over", "the region, or the points of the line"}, {"n_vertices", "units"},
		{"change", "after − before"}, {"change_lo", "95 % spatial interval"}, {"change_hi", "95 % spatial interval"}, {"p", "two-sided, of no change (r2)"}, {"q", "after Benjamini and Hochberg over the regions (r2)"},
		{"js_distance", "Jensen-Shannon distance of the layers' shares, 0..1 (depth)"}, {"clusters_adjusted_rand", "agreement of the channel clusters"}, simulatedColumn,
	}}
	a, b := &p.Before.Info, &p.After.Info
	add := func(what, over string, n int, x stats.Interval, pv, q, js float64) {
		t.Add(a.Model, b.Model, a.Subject, a.Seed, b.Seed, what, over, n, x.Estimate, x.Lo, x.Hi, pv, q, js, c.Rand, a.Simulated || b.Simulated)
	}
	for _, s := range c.Slopes {
		add("slope_"+s.Quantity, s.Over, c.Units, s.Slope, nan, nan, nan)
	}
	for _, r := range c.ROIs {
		add("depth", r.Name, r.NVertices, r.Depth, nan, nan, r.JensenShannon)
		add("r2", r.Name, r.NVertices, r.R2, r.P, r.Q, nan)
	}
	return t
}

// DifferenceMaps are After − Before on the surface: depth and R²; nil where the units have no place on one.
func DifferenceMaps(p Pair) []*cortex.Map {
	if p.check() != nil {
		return nil
	}
	in := Input{Mapping: p.both(), Geometry: p.Geometry}
	if !Placed(in.Geometry, in.Mapping) {
		return nil
	}
	change := func(name, title, unit string, x []float64) *cortex.Map {
		m := newMap(in, name, title, unit, cortex.RuleDiverging, 0, top(nan, absolute(x)), x)
		m.Lo = -m.Hi
		m.Simulated = p.Before.Info.Simulated || p.After.Info.Simulated
		m.Note = p.After.Info.Model + " minus " + p.Before.Info.Model + ", over units fitted in both."
		return m
	}
	return []*cortex.Map{
		change("depth_change", "Change of depth: where later or earlier layers predict", "depth, after − before", p.difference(in.Mapping, func(m *store.Mapping) []float64 { return depths(m, "share") })),
		change("r2_change", "Change of R²", "R² on test images, after − before", p.difference(in.Mapping, func(m *store.Mapping) []float64 {
			return values(m, func(v *store.Vertex) float64 { return float64(v.R2) })
		})),
	}
}

func absolute(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Abs(v)
	}
	return out
}
