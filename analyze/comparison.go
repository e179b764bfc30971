package analyze

import (
	"context"
	"math"
	"slices"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// Arm is one side of a comparison: the fits of one network to one subject, a seed each.
type Arm struct {
	Fits     []*store.Mapping
	Clusters []*Clusters // of Fits; nil, or nil in places, where there are none
}

// Comparison is what two arms differ in, beside what two seeds of one arm differ in. The difference is that of the
// arms' averages over seeds. The floor is every pair of seeds within an arm: fits of the same network to the same
// data, which differ by the fit's own restlessness. A change is worth telling only beyond that, so every number
// stands beside the mean and the largest of its floor; with one seed there is none, and the table says so.
//
// (A floor is between single fits, a difference between averages: it is the more careful the more seeds there are.)
type Comparison struct {
	Pair                  // of the averages
	*Change               // of Pair
	Seeds   [2]int        // fits averaged before and after
	Rand    float64       // adjusted Rand index of the channel clusters, mean over pairs of fits before and after; NaN without clusters
	Floor   []*Change     // between two seeds of one arm
	Rands   []float64     // of the channel clusters of two seeds of one arm
	Maps    []*cortex.Map // differences on the surface; nil without one
}

// CompareArms measures a Comparison on one subject. Arms of different units are a fault.
func CompareArms(ctx context.Context, before, after Arm, g *cortex.Geometry, h Hierarchy) (*Comparison, error) {
	c := &Comparison{Pair: Pair{Before: Average(before.Fits...), After: Average(after.Fits...), Geometry: g, Hierarchy: h},
		Seeds: [2]int{len(before.Fits), len(after.Fits)}, Rand: agreement(before, after)}
	var err error
	if c.Change, err = Compare(ctx, c.Pair); err != nil {
		return nil, err
	}
	for _, arm := range []Arm{before, after} {
		for i := range arm.Fits {
			for j := range i {
				floor, err := Compare(ctx, Pair{Before: arm.Fits[j], After: arm.Fits[i], Geometry: g, Hierarchy: h})
				if err != nil {
					return nil, err
				}
				c.Floor = append(c.Floor, floor)
				c.Rands = append(c.Rands, agreement(arm.one(j), arm.one(i)))
			}
		}
	}
	if len(c.Floor) == 0 {
		c.Reasons = append(c.Reasons, "one seed: no floor to hold the change against")
	}
	c.Maps = DifferenceMaps(c.Pair, c.Change)
	return c, nil
}

// one is the arm of a single fit.
func (a Arm) one(i int) Arm {
	out := Arm{Fits: a.Fits[i : i+1]}
	if a.Clusters != nil {
		out.Clusters = a.Clusters[i : i+1]
	}
	return out
}

// agreement is the mean adjusted Rand index of the clusters of every fit of a and of b.
func agreement(a, b Arm) float64 {
	var all []float64
	for _, x := range a.Clusters {
		for _, y := range b.Clusters {
			if x != nil && y != nil && len(x.Of) == len(y.Of) {
				all = append(all, stats.AdjustedRand(x.Of, y.Of))
			}
		}
	}
	return stats.Mean(all)
}

// line is a row of the comparison's table.
type line struct {
	what, over string
	units      int
	x          Interval
	p, q       float64
}

// lines are a Change as rows: slopes first, then region by region.
func (c *Change) lines() []line {
	var out []line
	for _, s := range c.Slopes {
		out = append(out, line{"slope_" + s.Quantity, s.Over, c.Units, s.Slope, nan, nan})
	}
	for _, r := range c.ROIs {
		out = append(out, line{"depth", r.Name, r.NVertices, r.Depth, nan, nan}, line{"entropy", r.Name, r.NVertices, r.Entropy, nan, nan},
			line{"r2", r.Name, r.NVertices, r.R2, r.P, r.Q}, line{"js_distance", r.Name, r.NVertices, bare(r.JensenShannon), nan, nan})
	}
	return append(out, line{"discovered", "vertices", c.Units, bare(c.Vertices.share()), nan, nan})
}

// share is the part of the tested vertices that were called; NaN if none was tested.
func (v VertexChange) share() float64 {
	if n := len(stats.Present(v.P)); n > 0 {
		return float64(v.Discovered) / float64(n)
	}
	return nan
}

// bare is a number without bounds.
func bare(x float64) Interval { return Interval{Estimate: x, Lo: nan, Hi: nan} }

// FloorOf is what a number of the comparison is between two seeds of one arm: the mean of its absolute values, and the
// largest (of an agreement, the smallest); NaN without seeds. what and over are as in the table.
func (c *Comparison) FloorOf(what, over string) (mean, most float64) {
	var all []float64
	if what == "clusters_rand" {
		if all = stats.Present(c.Rands); len(all) == 0 {
			return nan, nan
		}
		return stats.Mean(all), slices.Min(all)
	}
	for _, f := range c.Floor {
		for _, l := range f.lines() {
			if l.what == what && l.over == over && !math.IsNaN(l.x.Estimate) {
				all = append(all, math.Abs(l.x.Estimate))
			}
		}
	}
	if len(all) == 0 {
		return nan, nan
	}
	return stats.Mean(all), slices.Max(all)
}

// beyond says whether a number is beyond its floor: yes, no, or "" where one of them is missing, and where seeds change
// nothing, as in a ridge regression: then the floor says nothing about chance.
func beyond(what string, x, most float64) string {
	switch {
	case math.IsNaN(x) || math.IsNaN(most), what == "clusters_rand" && most == 1, what != "clusters_rand" && most == 0:
		return ""
	case what == "clusters_rand" && x < most, what != "clusters_rand" && math.Abs(x) > most:
		return "yes"
	}
	return "no"
}

// ComparisonTable is comparison.csv: the slopes, then a row a region and quantity.
func ComparisonTable(c *Comparison) *Table {
	t := &Table{Name: "comparison", Title: "What changed", Note: "After − before, means over seeds, over units fitted in all of them. Intervals and tests are spatial: one subject's, not people's. The floor is the same number between two seeds of one network.", Columns: []Column{
		{"model_before", "network"}, {"model_after", "network"}, {"subject", ""}, {"protocol", "before; and after, where another"}, {"method", "before; and after, where another"}, {"settings", "what a sweep set; and after, where another"},
		{"seeds_before", "fits averaged"}, {"seeds_after", "fits averaged"},
		{"what", "depth (mean of the shares', 0..1), entropy (of the layer selector, 0..1), r2 (mean, fraction of variance), js_distance (Jensen-Shannon distance of the layers' shares, 0..1), slope_share, slope_expected, slope_argmax, discovered (part of the vertices whose R² changed at q < 0.05), clusters_rand (adjusted Rand index of the channel clusters)"},
		{"over", "the region, or the points of the line"}, {"n_vertices", "units"},
		{"change", "after − before; of distances, parts and agreements, the number itself"}, {"change_lo", "95 % spatial interval"}, {"change_hi", "95 % spatial interval"},
		{"p", "two-sided, of no change (r2)"}, {"q", "after Benjamini and Hochberg over the regions (r2)"},
		{"floor", "mean absolute value between two seeds of one network"}, {"floor_most", "the largest of them; of an agreement the smallest"}, {"floor_pairs", "pairs of seeds"},
		{"beyond_floor", "yes, no; empty where there is no floor, and where seeds change nothing (a ridge regression)"}, {"warnings", "why something is empty"}, simulatedColumn,
	}}
	a, b := &c.Before.Info, &c.After.Info
	lines := append(c.lines(), line{"clusters_rand", "vertices", c.Units, bare(c.Rand), nan, nan})
	for _, l := range lines {
		mean, most := c.FloorOf(l.what, l.over)
		t.Add(a.Model, b.Model, a.Subject, both(a.Protocol, b.Protocol), both(a.Method, b.Method), both(a.Swept, b.Swept), c.Seeds[0], c.Seeds[1], l.what, l.over, l.units,
			l.x.Estimate, l.x.Lo, l.x.Hi, l.p, l.q, mean, most, len(c.Floor), beyond(l.what, l.x.Estimate, most), c.warnings(l), a.Simulated || b.Simulated)
	}
	return t
}

func both(a, b string) string {
	if a == b {
		return a
	}
	return a + ", " + b
}

// warnings are the cell of that name.
func (c *Comparison) warnings(l line) string {
	var out []string
	if c.Before.Info.Simulated {
		out = append(out, "simulated")
	}
	if l.units == 0 {
		out = append(out, "no units fitted on both sides")
	}
	return strings.Join(append(out, c.Reasons...), "; ")
}

// DifferenceMaps are After − Before on the surface: depth, R², and R² where it changed at q < 0.05 (none where
// nothing did); nil where the units have no place on one. c may be nil: then the last is left out.
func DifferenceMaps(p Pair, c *Change) []*cortex.Map {
	if p.check() != nil {
		return nil
	}
	in := Input{Mapping: p.both(), Geometry: p.Geometry}
	if !Placed(in.Geometry, in.Mapping) {
		return nil
	}
	note := p.After.Info.Model + " minus " + p.Before.Info.Model + ", over units fitted in both."
	change := func(name, title, unit string, hi float64, x []float64) *cortex.Map {
		m := newMap(in, name, title, unit, cortex.RuleDiverging, -hi, hi, x)
		m.Simulated = p.Before.Info.Simulated || p.After.Info.Simulated
		m.Note = note
		return m
	}
	depth := p.difference(in.Mapping, func(m *store.Mapping) []float64 { return depths(m, "share") })
	r2 := p.difference(in.Mapping, r2Of)
	var out []*cortex.Map
	if len(stats.Present(depth)) > 0 {
		out = append(out, change("depth_change", "Change of depth: where later or earlier layers predict", "depth, after − before", top(nan, absolute(depth)), depth))
	}
	hi := top(nan, absolute(r2))
	out = append(out, change("r2_change", "Change of R²", "R² on test images, after − before", hi, r2))
	if c != nil && c.Vertices.Discovered > 0 {
		called := slices.Clone(r2)
		for i, q := range c.Vertices.Q {
			if !(q < discovery) {
				called[i] = nan
			}
		}
		m := change("r2_change_called", "Change of R² where it is more than the map’s own noise", "R² on test images, after − before", hi, called)
		m.Note += " Vertices with q < 0.05 (Benjamini and Hochberg over all vertices), each held against the standard deviation of the whole difference map."
		out = append(out, m)
	}
	return out
}

func absolute(x []float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Abs(v)
	}
	return out
}
