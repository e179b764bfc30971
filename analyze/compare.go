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
// nothing of other seeds: for that see Comparison.
type Change struct {
	Units    int
	ROIs     []ROIChange
	Slopes   []SlopeChange // by quantity, by over
	Vertices VertexChange
	Reasons  []string // why something is empty
}

// VertexChange tests every vertex's change of R², d_v: under the null it is noise of the map's own size, so
//
//	p_v = erfc(|d_v| / (√2 σ)),   σ² = sill + nugget of the difference map (see Field)
//
// and Q are Benjamini and Hochberg's over all vertices of both hemispheres. σ comes from the same map, so changes
// that are everywhere make it larger and the test more careful. NaN where a unit was not fitted twice.
type VertexChange struct {
	R2         []float64 // [V] after − before
	P, Q       []float64 // [V]
	Discovered int       // q < 0.05
}

// ROIChange is one region's.
type ROIChange struct {
	Name      string
	NVertices int
	Depth     stats.Interval // change of the mean depth of shares, 0..1 each: the layer shift
	Entropy   stats.Interval // change of the mean entropy of the layer selector, 0 sure … 1 uniform each
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
	if field.off {
		c.Reasons = append(c.Reasons, "the units have no place on a surface: no spatial intervals, no p")
	}
	if len(p.Before.Info.Layers) != len(p.After.Info.Layers) {
		c.Reasons = append(c.Reasons, "the networks have different numbers of layers: no distance of their shares")
	}
	r2 := p.difference(in.Mapping, r2Of)
	p.regions(c, in, field, r2)
	c.discover()
	c.vertices(field, r2)
	p.slopes(c, in, field)
	return c, nil
}

// r2Of are the units' R² on test images.
func r2Of(m *store.Mapping) []float64 {
	return values(m, func(v *store.Vertex) float64 { return float64(v.R2) })
}

func entropyOf(m *store.Mapping) []float64 {
	return values(m, func(v *store.Vertex) float64 { return float64(v.LayerEntropy) })
}

// regions fills ROIs.
func (p Pair) regions(c *Change, in Input, field *Field, r2 []float64) {
	depth := p.difference(in.Mapping, func(m *store.Mapping) []float64 { return depths(m, "share") })
	entropy := p.difference(in.Mapping, entropyOf)
	for _, name := range roiNames(in.Mapping, in.Hierarchy) {
		at := fittedIn(in.Mapping, name)
		x := ROIChange{Name: name, NVertices: len(at), Depth: field.mean("depth change", depth, at), Entropy: field.mean("entropy change", entropy, at),
			R2: field.mean("R² change", r2, at), JensenShannon: p.jensenShannon(at)}
		x.P = twoSided(x.R2)
		c.ROIs = append(c.ROIs, x)
	}
}

// fittedIn are the places of a region's fitted vertices.
func fittedIn(m *store.Mapping, roi string) (at []int) {
	for i := range m.Vertices {
		if v := &m.Vertices[i]; v.Fitted && In(v, roi) {
			at = append(at, i)
		}
	}
	return at
}

// slopes fills Slopes where there is a hierarchy.
func (p Pair) slopes(c *Change, in Input, field *Field) {
	if len(p.Hierarchy.Levels) == 0 {
		return
	}
	for _, q := range Quantities {
		y := p.difference(in.Mapping, func(m *store.Mapping) []float64 { return depths(m, q) })
		for _, over := range []string{"rois", "vertices"} {
			a := align(in, field, q+" change", over, y)
			c.Slopes = append(c.Slopes, SlopeChange{q, over, a.Slope, a.B0, a.B1})
		}
	}
}

// vertices fills Vertices.
func (c *Change) vertices(field *Field, r2 []float64) {
	sd := field.spread("R² change", r2)
	v := VertexChange{R2: r2, P: make([]float64, len(r2))}
	for i, d := range r2 {
		v.P[i] = pOf(d, sd)
	}
	v.Q = stats.FDR(v.P)
	for _, q := range v.Q {
		if q < discovery {
			v.Discovered++
		}
	}
	c.Vertices = v
}

// discovery is the false discovery rate at which a change is called one.
const discovery = 0.05

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
	return pOf(x.Estimate, (x.Hi-x.Lo)/2/stats.NormalQuantile(0.975))
}

// pOf is the two-sided p of a difference under a normal null with this sd. Without spread (the same change
// everywhere) there is nothing to hold a difference against: NaN, and 1 for no difference. Never below leastP.
func pOf(difference, sd float64) float64 {
	switch {
	case math.IsNaN(difference) || math.IsNaN(sd):
		return nan
	case sd == 0 && difference == 0:
		return 1
	case sd == 0:
		return nan
	}
	return max(leastP, math.Erfc(math.Abs(difference)/sd/math.Sqrt2))
}

// leastP is the smallest p that is told: nothing measured is normal further out than eight standard deviations, and 0
// would be a lie.
const leastP = 1e-15

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
	if len(p.After.Info.Layers) != layers || len(p.Before.Share) != layers*len(p.Before.Vertices) || len(p.After.Share) != len(p.Before.Share) || len(at) == 0 {
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
