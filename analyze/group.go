package analyze

import (
	"context"
	"math"
	"slices"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/stats"
)

// Group is a network on two or more subjects, recorded in one way: each subject's fits are averaged over seeds first,
// so that a subject counts once, and the intervals are of Student's t over subjects,
//
//	mean ± t₀.₉₇₅,ₙ₋₁ sd / √n,   over the n subjects that have the number
//
// They are the only ones here that say something about people; BoundsSpatial puts those of these subjects' cortices in
// their place.
type Group struct {
	Member
	ROIs []GroupROI
	Maps []*cortex.Map // means over subjects on fsaverage, where at least two have the vertex; nil without a surface
}

// GroupROI is one region's means, as in rois.csv.
type GroupROI struct {
	Name     string
	Subjects int // that have fitted vertices in it
	Means    []Interval
}

// Groups are those of the mappings' networks that were mapped onto two or more subjects; nil if none was.
func Groups(ctx context.Context, all []Fitted) ([]*Group, error) {
	var out []*Group
	for _, m := range members(all) {
		if len(m.by) < 2 {
			continue
		}
		g := &Group{Member: m}
		if err := g.measure(ctx); err != nil {
			return nil, err
		}
		if err := g.regions(ctx); err != nil {
			return nil, err
		}
		g.maps()
		out = append(out, g)
	}
	return out, nil
}

// regions fills ROIs, in the order of the first subject's; measure comes first.
func (g *Group) regions(ctx context.Context) error {
	var names []string
	found := map[string][][]Interval{} // by name: [means][subjects]
	bounds := g.by[0].mean.Bounds
	for _, b := range g.by {
		field := &Field{off: true}
		if bounds == BoundsSpatial {
			field = b.field.fork()
		}
		rois, err := ROIs(ctx, b.mean.input(), field)
		if err != nil {
			return err
		}
		for _, r := range rois {
			if found[r.Name] == nil {
				names = append(names, r.Name)
				found[r.Name] = make([][]Interval, len(roiMeans))
			}
			for k, x := range r.Means {
				found[r.Name][k] = append(found[r.Name][k], x)
			}
		}
	}
	for _, name := range names {
		r := GroupROI{Name: name}
		for _, x := range found[name] {
			r.Means = append(r.Means, over(x, bounds).Interval)
			r.Subjects = max(r.Subjects, present(x))
		}
		g.ROIs = append(g.ROIs, r)
	}
	return nil
}

// present counts the numbers that are there.
func present(x []Interval) (n int) {
	for _, v := range x {
		if !math.IsNaN(v.Estimate) {
			n++
		}
	}
	return n
}

// maps fills Maps: means of depth and R², and R² where it is above 0 over subjects (one-sided t, q < 0.05).
func (g *Group) maps() {
	first := g.by[0].mean
	if g.Of.surface == "" || first.Geometry == nil {
		return
	}
	for _, b := range g.by {
		if !Placed(first.Geometry, b.mean.Mapping) {
			return
		}
	}
	depth, _ := g.over(func(f Fitted) []float64 { return depths(f.Mapping, "share") })
	r2, sure := g.over(func(f Fitted) []float64 { return r2Of(f.Mapping) })
	add := func(name, title, unit string, rule cortex.Rule, hi float64, x [2][]float64) {
		g.Maps = append(g.Maps, &cortex.Map{Name: name, Title: title, Unit: unit, Rule: rule, Lo: 0, Hi: hi, Values: x, Simulated: g.Of.simulated,
			Note: "Mean over " + strings.Join(g.Subjects, ", ") + ", where at least two of them have the vertex; seeds are averaged first."})
	}
	add("group_depth", "Depth, mean over subjects", "depth: 0 first layer, 1 last", cortex.RuleSequential, 1, depth)
	hi := top(nan, slices.Concat(r2[0], r2[1]))
	add("group_r2", "R², mean over subjects", "R² on test images, fraction of variance", cortex.RuleR2, hi, r2)
	add("group_r2_called", "R², where it is above 0 over subjects", "R² on test images, fraction of variance", cortex.RuleR2, hi, sure)
	g.Maps[2].Note += " Vertices with q < 0.05: one-sided t over subjects, Benjamini and Hochberg over all vertices."
}

// over is the mean over subjects of a number a vertex, on the surface, and the same where it is above 0 at q < 0.05.
func (g *Group) over(of func(Fitted) []float64) (mean, sure [2][]float64) {
	geometry := g.by[0].mean.Geometry
	var values [2][][]float64 // [side][vertex] subjects'
	for side, h := range geometry.Hemis {
		values[side], mean[side], sure[side] = make([][]float64, h.N()), cortex.NoData(h.N()), cortex.NoData(h.N())
	}
	for _, b := range g.by {
		x := of(b.mean)
		for i := range b.mean.Mapping.Vertices {
			v := &b.mean.Mapping.Vertices[i]
			if !math.IsNaN(x[i]) {
				side := cortex.Side(v.Hemi)
				values[side][v.Vertex] = append(values[side][v.Vertex], x[i])
			}
		}
	}
	var p []float64
	var at [][2]int
	for side := range values {
		for i, x := range values[side] {
			if n := float64(len(x)); n > 1 {
				mean[side][i] = stats.Mean(x)
				t := mean[side][i] / stats.SD(x) * math.Sqrt(n)
				p, at = append(p, 1-stats.TCDF(t, n-1)), append(at, [2]int{side, i})
			}
		}
	}
	for k, q := range stats.FDR(p) {
		if q < discovery {
			sure[at[k][0]][at[k][1]] = mean[at[k][0]][at[k][1]]
		}
	}
	return mean, sure
}

// GroupTable is group.csv: a row a region of a group.
func GroupTable(g *Group) *Table {
	t := &Table{Name: "group", Title: "Regions over subjects", Note: "Means over subjects after averaging each one's seeds; intervals are of t over subjects (analyze.interval: spatial: over the cortex of these).", Columns: []Column{
		{"model", "network"}, {"family", ""}, {"method", ""}, {"protocol", ""}, {"settings", "what a sweep set"}, {"subjects", ""}, {"roi", "region, FAMILY/NAME"}, {"n_subjects", "that have fitted vertices in it"},
	}}
	for _, c := range roiMeans {
		t.Columns = append(t.Columns, Column{c.name, c.doc}, Column{c.name + "_lo", "95 %"}, Column{c.name + "_hi", "95 %"})
	}
	t.Columns = append(t.Columns, simulatedColumn)
	for _, r := range g.ROIs {
		row := []any{g.Model, g.Family, g.Method, g.Protocol, g.Settings, strings.Join(g.Subjects, " "), r.Name, r.Subjects}
		for _, x := range r.Means {
			row = append(row, x.Estimate, x.Lo, x.Hi)
		}
		t.Add(append(row, g.Of.simulated)...)
	}
	return t
}

// GroupMeasureTable is group_measures.csv: a row a number of the whole cortex that scaling.csv has of families, the
// slope along the hierarchy among them.
func GroupMeasureTable(g *Group) *Table {
	t := &Table{Name: "group_measures", Title: "Slope and scores over subjects", Note: "Means over subjects after averaging each one's seeds; intervals are of t over subjects (analyze.interval: spatial: over the cortex of these).", Columns: []Column{
		{"model", "network"}, {"family", ""}, {"method", ""}, {"protocol", ""}, {"settings", "what a sweep set"}, {"subjects", ""}, {"n_subjects", ""}, {"n_seeds", "most of one subject"},
		quantityColumn, {"mean", "over subjects"}, {"lo", "95 %"}, {"hi", "95 %"}, {"interval", intervalDoc}, {"seed_sd", "spread over seeds"}, {"warnings", "why something is empty"}, simulatedColumn,
	}}
	for k, v := range g.Values {
		t.Add(g.Model, g.Family, g.Method, g.Protocol, g.Settings, strings.Join(g.Subjects, " "), len(g.Subjects), g.Seeds, scalingQuantities[k].name, v.Estimate, v.Lo, v.Hi, v.Kind, v.SeedSD, v.Reason, g.Of.simulated)
	}
	return t
}
