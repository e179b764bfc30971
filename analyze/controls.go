package analyze

import (
	"context"
	"math"
	"strings"

	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// Control is one number beside what it is when what it claims is taken away:
//
//	random_weights  the mapping of a network of the same graph whose weights are drawn anew: what the architecture alone does
//	shuffled        the mapping refitted with the responses given to other images (within training, validation and test):
//	                what the fit makes of nothing
//	spin            the correlation of two maps under rotations of one of them over the sphere (Spin): what smoothness makes
type Control struct {
	Control string
	What    string // r2, slope, vertices_q05; of spin: the two maps
	ROI     string // "": all fitted units
	Value   float64
	Null    float64  // the control's; of spin the null's mean
	Gain    Interval // value − null with its 95 % spatial interval; of spin the null's own middle 95 %, in Lo and Hi alone
	P, Q    float64
	N       int // draws or vertices of the null
	Reason  string
}

// Names of the controls.
const (
	RandomWeights = "random_weights"
	Shuffled      = "shuffled"
	Spun          = "spin"
)

const spinDraws = 1000

// noSpatial is why a difference has neither bounds nor p.
const noSpatial = "no place on a surface, too few units, or analyze.interval: subjects: no spatial interval"

// LackingControl is a row without numbers, and why.
func LackingControl(name, reason string) Control {
	return Control{Control: name, What: "r2", Value: nan, Null: nan, Gain: bare(nan), P: nan, Q: nan, Reason: reason}
}

// CompareControl sets a mapping beside its control: R² of all units and of each region, with the spatial interval of
// the difference map and a two-sided p of no difference (Q after Benjamini and Hochberg over the regions), and the
// slope of shares likewise. Of shuffled images also the part of the vertices whose R² is above the null's at a false discovery
// rate of 0.05, where the null are all vertices of the shuffled fit together:
//
//	p_v = (1 + #{null ≥ R²_v}) / (1 + n)
func CompareControl(ctx context.Context, name string, in Input, control *store.Mapping) ([]Control, error) {
	m := in.Mapping
	row := func(what, roi string) Control {
		r := LackingControl(name, "")
		r.What, r.ROI = what, roi
		return r
	}
	if !sameUnits(m, control) {
		return []Control{LackingControl(name, "the control has other units")}, nil
	}
	field, err := NewField(ctx, in)
	if err != nil {
		return nil, err
	}
	r2 := func(v *store.Vertex) float64 { return float64(v.R2) }
	a, b := values(m, r2), values(control, r2)
	gain := make([]float64, len(a))
	var all []int
	for i := range a {
		gain[i] = a[i] - b[i]
		all = append(all, i)
	}
	compare := func(roi string, at []int) Control {
		r := row("r2", roi)
		r.Value, r.Null, r.Gain, r.N = meanAt(a, at), meanAt(b, at), field.mean("gain over the control", gain, at), len(at)
		if r.P = twoSided(r.Gain); len(at) == 0 {
			r.Reason = "no fitted units in the region"
		} else if math.IsNaN(r.P) {
			r.Reason = noSpatial
		}
		return r
	}
	out := []Control{compare("", all)}
	var p []float64
	for _, roi := range roiNames(m, in.Hierarchy) {
		var at []int
		for _, i := range all {
			if m.Vertices[i].Fitted && In(&m.Vertices[i], roi) {
				at = append(at, i)
			}
		}
		out = append(out, compare(roi, at))
		p = append(p, out[len(out)-1].P)
	}
	for k, q := range stats.FDR(p) {
		out[1+k].Q = q
	}
	if len(in.Hierarchy.Levels) > 1 && m.Selector != nil && control.Selector != nil {
		out = append(out, compareSlopes(row("slope", ""), in, control, field))
	}
	if name == Shuffled {
		out = append(out, aboveNull(row("vertices_q05", ""), a, b))
	}
	return out, nil
}

// compareSlopes is the slope beside the control's; the interval is that of the slope of the difference map.
func compareSlopes(r Control, in Input, control *store.Mapping, field *Field) Control {
	a, b := depths(in.Mapping, "share"), depths(control, "share")
	difference := make([]float64, len(a))
	for i := range a {
		if difference[i] = a[i] - b[i]; !math.IsNaN(difference[i]) {
			r.N++
			continue
		}
		a[i], b[i] = nan, nan // the same units on both sides
	}
	off := &Field{off: true}
	slope := func(f *Field, y []float64) Interval { return align(in, f, "share", "rois", y).Slope }
	r.Value, r.Null = slope(off, a).Estimate, slope(off, b).Estimate
	gain := align(in, field.fork(), "depth over the control", "rois", difference)
	if r.Gain = gain.Slope; math.IsNaN(r.Gain.Estimate) {
		r.Reason = strings.Join(gain.Reasons, "; ")
	} else if r.P = twoSided(r.Gain); math.IsNaN(r.P) {
		r.Reason = noSpatial
	}
	return r
}

// aboveNull counts the vertices that are above a pooled null.
func aboveNull(r Control, x, null []float64) Control {
	null = stats.Present(null)
	var p []float64
	for _, v := range stats.Present(x) {
		p = append(p, stats.PermutationP(v, null))
	}
	r.N = len(null)
	if len(p) == 0 || len(null) == 0 {
		r.Reason = "no vertex has R² in both"
		return r
	}
	n := 0
	for _, q := range stats.FDR(p) {
		if q < 0.05 {
			n++
		}
	}
	r.Value, r.Reason = float64(n)/float64(len(p)), "a part of the units, tested one by one: nothing to subtract"
	return r
}

// SpinControls are the correlations of a mapping's depth (shares) with the place along the hierarchy, and with the
// depth maps of other mappings of the same units, by name. Q is over all of them.
func SpinControls(ctx context.Context, in Input, others map[string]*store.Mapping, seed uint64) ([]Control, error) {
	m := in.Mapping
	quantity := "share"
	if m.Share == nil {
		quantity = "argmax"
	}
	depth := depths(m, quantity)
	var out []Control
	add := func(what string, x, y []float64) error {
		s, err := SpinTest(ctx, in.Geometry, m, x, y, spinDraws, seed)
		if err != nil {
			return err
		}
		out = append(out, Control{Control: Spun, What: what, Value: s.R, Null: s.Null.Estimate, Gain: Interval{Estimate: nan, Lo: s.Null.Lo, Hi: s.Null.Hi}, P: s.P, Q: nan, N: s.Draws, Reason: s.Reason})
		return nil
	}
	if len(in.Hierarchy.Levels) > 1 {
		if err := add("depth and place in the hierarchy", levelsOf(in), depth); err != nil {
			return nil, err
		}
	}
	names := map[string]bool{}
	for name := range others {
		names[name] = true
	}
	for _, name := range sorted(names) {
		other := others[name]
		if !sameUnits(m, other) {
			continue
		}
		quantity := "share"
		if other.Share == nil {
			quantity = "argmax"
		}
		if err := add("depth and that of "+name, depth, depths(other, quantity)); err != nil {
			return nil, err
		}
	}
	p := make([]float64, len(out))
	for i := range out {
		p[i] = out[i].P
	}
	for i, q := range stats.FDR(p) {
		out[i].Q = q
	}
	return out, nil
}

// levelsOf are the vertices' places along the hierarchy, NaN for those in no level.
func levelsOf(in Input) []float64 {
	return values(in.Mapping, func(v *store.Vertex) float64 {
		for k, l := range in.Hierarchy.Levels {
			for _, roi := range l.ROIs {
				if In(v, roi) {
					return in.Hierarchy.Place(k)
				}
			}
		}
		return nan
	})
}

// ControlTable is controls.csv.
func ControlTable(m *store.Mapping, rows []Control) *Table {
	t := &Table{Name: "controls", Title: "Controls", Note: "random_weights: the same graph, its weights drawn anew. shuffled: refitted with the responses given to other images. spin: maps turned on the sphere; lo and hi are then the null's middle 95 %.", Columns: fitColumns([]Column{
		{"control", "random_weights, shuffled, spin"}, {"what", "r2, slope, vertices_q05 (part of the units above the shuffled fit’s, FDR 0.05), or the maps compared (r)"},
		{"roi", "region; empty: all units"}, {"value", "of the mapping"}, {"control_value", "of the control; the null’s mean"}, {"difference", "value − control_value"}, {"lo", "95 % spatial interval of the difference"}, {"hi", ""},
		{"p", "two-sided; 1e-15 is that or less"}, {"q", "false discovery rate"}, {"n", "units compared, or draws of the null"}, {"reason", "of what is missing"}, simulatedColumn,
	})}
	for _, r := range rows {
		t.Add(fitCells(&m.Info, r.Control, r.What, r.ROI, r.Value, r.Null, r.Gain.Estimate, r.Gain.Lo, r.Gain.Hi, r.P, r.Q, r.N, r.Reason, m.Info.Simulated)...)
	}
	return t
}

// sameUnits says whether two mappings can be compared unit by unit.
func sameUnits(a, b *store.Mapping) bool {
	if len(a.Vertices) != len(b.Vertices) || a.Info.Surface != b.Info.Surface {
		return false
	}
	for i := range a.Vertices {
		if a.Vertices[i].Hemi != b.Vertices[i].Hemi || a.Vertices[i].Vertex != b.Vertices[i].Vertex {
			return false
		}
	}
	return true
}
