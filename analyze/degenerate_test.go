package analyze

import (
	"math"
	"strings"
	"testing"

	"cortexmap/internal/cortex"
	"cortexmap/internal/store"
)

// TestDegenerate: every analysis on the least data there can be. Nothing crashes, no table holds NaN, intervals that
// are undefined stay empty, and where the main number of a table is missing or bare the row says why.
func TestDegenerate(t *testing.T) {
	surface := onSurface(t, 16)
	withDepths(surface)
	two := map[string]float64{"A": 0.1, "B": 0.8}
	cases := []struct {
		name string
		all  func() []Fitted // seeds, subjects and networks of one family
		say  string          // in the warnings of the comparison
	}{
		{"one seed", func() []Fitted { return fits(surface, 1, "s1") }, "one seed"},
		{"one subject, no surface", func() []Fitted { return fits(bareInput(two, 4, chain("A", "B")), 2, "s1") }, "no place on a surface"},
		{"one ROI", func() []Fitted { return fits(bareInput(two, 4, chain("A")), 1, "s1") }, "no place on a surface"},
		{"two ROIs", func() []Fitted { return fits(bareInput(two, 4, chain("A", "B")), 1, "s1") }, "no place on a surface"},
		{"two subjects", func() []Fitted {
			return append(fits(bareInput(two, 4, chain("A", "B")), 1, "s1"), fits(bareInput(two, 4, chain("A", "B")), 1, "s2")...)
		}, "no place on a surface"},
		{"five units", func() []Fitted { return fits(bareInput(map[string]float64{"A": 0.1}, 1, chain("A")), 1, "s1") }, "no place on a surface"},
		{"an empty ROI", func() []Fitted { return fits(bareInput(two, 4, chain("A", "nowhere", "B")), 1, "s1") }, "no units fitted on both sides"},
		{"no hierarchy", func() []Fitted { return fits(bareInput(two, 4, Hierarchy{}), 1, "s1") }, "one seed"},
		{"nothing fitted", func() []Fitted { return fits(none(bareInput(two, 4, chain("A", "B"))), 1, "s1") }, "no units fitted on both sides"},
		{"one layer", func() []Fitted {
			in := bareInput(two, 4, chain("A", "B"))
			in.Mapping = sample(1, 4, two, "A", "B")
			return fits(in, 1, "s1")
		}, "one seed"},
		{"a flat surface map", func() []Fitted { return fits(constant(surface), 1, "s1") }, "one seed"},
		{"few vertices", func() []Fitted { return fits(few(surface, 5), 1, "s1") }, "one seed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			all := c.all()
			var tables []*Table
			for _, f := range all[:2] {
				r, err := Run(t.Context(), f.input())
				if err != nil {
					t.Fatal(err)
				}
				tables = append(tables, r.Tables...)
			}
			half := len(all) / 2
			if all[0].Mapping.Info.Subject != all[len(all)-1].Mapping.Info.Subject {
				half = len(all) / 4 // the first subject's
			}
			whole, err := CompareArms(t.Context(), arm(all[:half]), arm(all[half:2*half]), all[0].Geometry, all[0].Hierarchy)
			if err != nil {
				t.Fatal(err)
			}
			table := ComparisonTable(whole)
			said := ""
			for _, row := range table.Rows {
				said += row[table.Column("warnings")].(string) + "\n"
			}
			if !strings.Contains(said, c.say) {
				t.Errorf("the comparison does not say %q:\n%s", c.say, said)
			}
			scaling, err := Scale(t.Context(), all)
			if err != nil || scaling == nil {
				t.Fatalf("scaling %v, %v", scaling, err)
			}
			explained(t, ScalingTable(scaling), "mean")
			explained(t, ScalingTests(scaling), "difference")
			tables = append(tables, table, ScalingTable(scaling), ScalingTests(scaling))
			groups, err := Groups(t.Context(), all)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				explained(t, GroupMeasureTable(g), "mean")
				tables = append(tables, GroupTable(g), GroupMeasureTable(g))
			}
			for _, table := range tables {
				written(t, table)
			}
		})
	}
}

// explained wants a reason in every row without bounds.
func explained(t *testing.T, table *Table, number string) {
	t.Helper()
	for _, row := range table.Rows {
		if math.IsNaN(row[table.Column("lo")].(float64)) && row[table.Column("warnings")] == "" {
			t.Errorf("%s: %v has no bounds and no reason", table.Name, row)
		}
		if x := row[table.Column(number)].(float64); math.IsInf(x, 0) {
			t.Errorf("%s: %v", table.Name, row)
		}
	}
}

// written looks for what is no number in every form of a table.
func written(t *testing.T, table *Table) {
	t.Helper()
	for name, data := range map[string][]byte{"CSV": table.CSV(), "Markdown": table.Markdown(), "LaTeX": table.TeX()} {
		for _, bad := range []string{"NaN", "Inf"} {
			if strings.Contains(string(data), bad) {
				t.Errorf("%s as %s holds %s:\n%s", table.Name, name, bad, data)
			}
		}
	}
	if _, err := table.Parquet(); err != nil {
		t.Errorf("%s as Parquet: %v", table.Name, err)
	}
}

// bareInput is a mapping without a surface.
func bareInput(depth map[string]float64, n int, h Hierarchy) Input {
	var order []string
	for _, name := range []string{"A", "B"} {
		if _, ok := depth[name]; ok {
			order = append(order, name)
		}
	}
	return Input{Mapping: sample(4, n, depth, order...), Hierarchy: h, R2Top: nan}
}

// fits are two networks of a family on a subject, so many seeds each, the larger a little different.
func fits(in Input, seeds int, subject string) (out []Fitted) {
	for net, name := range []string{"small", "large"} {
		for seed := range seeds {
			m := changed(in.Mapping, func(i int, v *store.Vertex) {
				wave := float32(0.01 * math.Sin(float64(i+7*seed)))
				v.R2 += wave * float32(net+1)
			})
			m.Info.Model, m.Info.Family, m.Info.Seed, m.Info.Subject, m.Info.Network.Parameters = name, "family", seed, subject, int64(net+1)
			out = append(out, Fitted{Mapping: m, Geometry: in.Geometry, Hierarchy: in.Hierarchy})
		}
	}
	return out
}

func arm(all []Fitted) (out Arm) {
	for _, f := range all {
		out.Fits = append(out.Fits, f.Mapping)
	}
	return out
}

func none(in Input) Input {
	in.Mapping = changed(in.Mapping, func(_ int, v *store.Vertex) {
		rois := v.ROIs
		*v = store.NewVertex(v.Hemi, v.Vertex)
		v.ROIs = rois
	})
	return in
}

func constant(in Input) Input {
	in.Mapping = changed(in.Mapping, func(_ int, v *store.Vertex) { v.Depth, v.R2 = 0.5, 0.2 })
	return in
}

// few keeps so many vertices fitted.
func few(in Input, n int) Input {
	in.Mapping = changed(in.Mapping, func(i int, v *store.Vertex) { v.Fitted = i < n })
	return in
}

// TestVertices: single vertices are called where a change was planted, and hardly elsewhere.
func TestVertices(t *testing.T) {
	in := onSurface(t, 6)
	withDepths(in)
	planted := 0
	after := changed(in.Mapping, func(i int, v *store.Vertex) {
		p := in.Geometry.Hemi(v.Hemi).White.Points[v.Vertex]
		v.R2 += float32(0.01 * math.Sin(float64(p[0])/5+float64(p[2])/7))
		if In(v, "V4t") {
			v.R2 += 0.15
			planted++
		}
	})
	c, err := Compare(t.Context(), Pair{Before: in.Mapping, After: after, Geometry: in.Geometry, Hierarchy: in.Hierarchy})
	if err != nil {
		t.Fatal(err)
	}
	hits := 0
	for i, q := range c.Vertices.Q {
		if q < discovery && In(&in.Mapping.Vertices[i], "V4t") {
			hits++
		}
	}
	if planted < 5 || hits != planted || c.Vertices.Discovered-hits > planted/5 {
		t.Errorf("%d vertices were changed, %d of them called, %d in all", planted, hits, c.Vertices.Discovered)
	}
}

// TestGroup: subjects count once, whatever their seeds; intervals are t's, and the map means over subjects.
func TestGroup(t *testing.T) {
	in := onSurface(t, 16)
	withDepths(in)
	var all []Fitted
	for k, name := range []string{"s1", "s2", "s3"} {
		for seed := range k + 1 {
			m := changed(in.Mapping, func(_ int, v *store.Vertex) { v.R2 = float32(k+1) / 10 })
			m.Info.Subject, m.Info.Seed, m.Info.Surface = name, seed, "fsaverage5"
			all = append(all, Fitted{Mapping: m, Geometry: in.Geometry, Hierarchy: in.Hierarchy})
		}
	}
	groups, err := Groups(t.Context(), all)
	if err != nil || len(groups) != 1 {
		t.Fatalf("%d groups, %v", len(groups), err)
	}
	g := groups[0]
	r2 := g.ROIs[0].Means[0] // scipy.stats.t.interval(0.95, 2, 0.2, 0.1/sqrt(3))
	near(t, "mean over subjects", r2.Estimate, 0.2, 1e-7)
	near(t, "lower bound", r2.Lo, -0.04841377117503, 1e-7)
	near(t, "upper bound", r2.Hi, 0.44841377117503, 1e-7)
	slope := find(t, run(t, in).Alignment, "share", "rois").Slope
	whole, along := g.Values[0], g.Values[2]
	near(t, "mean R² over subjects", whole.Estimate, 0.2, 1e-7)
	near(t, "its lower bound", whole.Lo, -0.04841377117503, 1e-7)
	near(t, "slope over subjects, all alike", along.Estimate, slope.Estimate, 1e-9)
	near(t, "its lower bound", along.Lo, slope.Estimate, 1e-9)
	for i := range all {
		all[i].Bounds = BoundsSpatial
	}
	spatial, err := Groups(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	if v := spatial[0].Values[2]; v.Kind != "spatial" { // three of one width: √3/3 of it
		t.Errorf("spatial: %+v", v)
	} else {
		near(t, "spatial bound", v.Hi-v.Estimate, (slope.Hi-slope.Lo)/2/math.Sqrt(3), 1e-9)
	}
	if len(g.Maps) != 3 || g.ROIs[0].Subjects != 3 {
		t.Fatalf("%d maps, %d subjects", len(g.Maps), g.ROIs[0].Subjects)
	}
	for side, x := range g.Maps[1].Values {
		for i, v := range x {
			if !math.IsNaN(v) && math.Abs(v-0.2) > 1e-7 {
				t.Fatalf("vertex %d of %s is %v, want 0.2", i, cortex.Sides[side], v)
			}
		}
	}
}

// TestSubjectsOfManyAndFewPictures: subjects that have seen different numbers of pictures are subjects of one network, in
// the family's table and in the group's; no network is compared with itself.
func TestSubjectsOfManyAndFewPictures(t *testing.T) {
	two := map[string]float64{"A": 0.1, "B": 0.9}
	all := append(fits(bareInput(two, 4, chain("A", "B")), 1, "s1"), fits(bareInput(two, 4, chain("A", "B")), 1, "s2")...)
	for i := range all {
		all[i].Mapping.Info.Images = map[string]int{"s1": 900, "s2": 500}[all[i].Mapping.Info.Subject]
	}
	s, err := Scale(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := Groups(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Members) != 2 || len(groups) != 2 {
		t.Fatalf("%d members and %d groups of two networks", len(s.Members), len(groups))
	}
	for _, m := range s.Members {
		if len(m.Subjects) != 2 || m.Images != 900 {
			t.Errorf("%s has the subjects %v and %d pictures", m.Model, m.Subjects, m.Images)
		}
	}
	for _, d := range s.Differences {
		if d.Smaller == d.Larger {
			t.Errorf("%s is compared with itself", d.Smaller)
		}
	}
}
