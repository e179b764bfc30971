package analyze

import (
	"encoding/csv"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// TestDecodedTable: from the layers decoded from the published maps, our line gives the slope, b0, b1 and fit
// that stand beside them.
func TestDecodedTable(t *testing.T) {
	f, err := os.Open("../testdata/reference/decoded_layers.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	h := chain("V1", "V2", "V3", "hV4", "high")
	h.Levels[4].ROIs = []string{"EBA", "FFA", "OPA", "PPA"}
	for _, row := range rows[1:] {
		value := func(column string) float64 {
			x, err := strconv.ParseFloat(row[slices.Index(rows[0], column)], 64)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		line := AlignROIs(h, func(roi string) float64 { return (value(roi) - 1) / (value("layers") - 1) })
		name := strings.Join(row[:3], " ")
		const tol = 0.02 // both the layers and these four numbers are rounded to 0.01
		near(t, name+" slope", line.Slope, value("slope"), tol)
		near(t, name+" b0", line.At(0), value("b0"), tol)
		near(t, name+" b1", line.At(1), value("b1"), tol)
		near(t, name+" fit R2", line.R2, value("fitR2"), tol)
	}
	if len(rows) != 31 {
		t.Errorf("%d rows, 30 networks and a header are expected", len(rows))
	}
}

// TestAlignment: a planted line is found, in all quantities and over both kinds of points.
func TestAlignment(t *testing.T) {
	depth := map[string]float64{"A": 0.2, "B": 0.4, "C": 0.6, "D1": 0.7, "D2": 0.9}
	m := sample(11, 4, depth, "A", "B", "C", "D1", "D2")
	h := chain("A", "B", "C", "D")
	h.Levels[3].ROIs = []string{"D1", "D2"}
	r := run(t, Input{Mapping: m, Hierarchy: h, R2Top: math.NaN()})
	for _, q := range Quantities {
		a := find(t, r.Alignment, q, "rois")
		const tol = 1e-6 // float32 depths
		near(t, q+" slope", a.Slope.Estimate, 0.6, tol)
		near(t, q+" b0", a.B0, 0.2, tol)
		near(t, q+" b1", a.B1, 0.8, tol)
		near(t, q+" r", a.R, 1, tol)
		near(t, q+" tau", a.Tau, 1, 1e-12)
		near(t, q+" lo", a.Slope.Lo, math.NaN(), 0) // no surface, no interval
	}
	// over vertices D counts twice as much, and its two regions differ: Kendall sees no ties but those of x
	a := find(t, r.Alignment, "share", "vertices")
	near(t, "slope over vertices", a.Slope.Estimate, 0.6, 1e-6)
	if a.R >= 1 || a.R < 0.9 {
		t.Errorf("r over vertices is %v, want a little less than 1", a.R)
	}
}

// TestAlignmentUndefined: what can't be computed stays empty and says why.
func TestAlignmentUndefined(t *testing.T) {
	depth := map[string]float64{"A": 0.25, "B": 0.5, "C": 0.75}
	for _, c := range []struct {
		name           string
		m              *store.Mapping
		slope, r       float64
		warning        string
		points, levels int
	}{
		{"a level without vertices keeps its place", sample(5, 3, depth, "A", "C"), 0.5, math.NaN(), "no fitted vertices: B", 2, 3},
		{"one region", sample(5, 3, depth, "B"), math.NaN(), math.NaN(), "a line needs two", 1, 3},
		{"no region of the hierarchy", sample(5, 3, depth, "X"), math.NaN(), math.NaN(), "a line needs two", 0, 3},
		{"one layer", sample(1, 3, depth, "A", "B", "C"), math.NaN(), math.NaN(), "one layer has no depth", 0, 3},
	} {
		in := Input{Mapping: c.m, Hierarchy: chain("A", "B", "C"), R2Top: math.NaN()}
		r := run(t, in)
		a := find(t, r.Alignment, "share", "rois")
		near(t, c.name+": slope", a.Slope.Estimate, c.slope, 1e-6)
		near(t, c.name+": r", a.R, c.r, 0)
		if len(a.Points) != c.points || !strings.Contains(a.warnings(false), c.warning) {
			t.Errorf("%s: %d points, warnings %q; want %d and %q", c.name, len(a.Points), a.warnings(false), c.points, c.warning)
		}
	}
}

// TestUnfitted: units that were not fitted count nowhere, and an unfitted mapping crashes nothing.
func TestUnfitted(t *testing.T) {
	m := sample(5, 2, map[string]float64{"A": 0, "B": 1}, "A", "B")
	m.Vertices[0].Depth = 1
	m.Vertices[0].Fitted = false
	h := chain("A", "B")
	r := run(t, Input{Mapping: m, Hierarchy: h, R2Top: math.NaN()})
	near(t, "slope", find(t, r.Alignment, "share", "rois").Slope.Estimate, 1, 1e-6)
	if r.ROIs[0].NVertices != 3 || r.ROIs[0].Of != 4 {
		t.Errorf("A has %d of %d, want 3 of 4", r.ROIs[0].NVertices, r.ROIs[0].Of)
	}
	if !slices.ContainsFunc(r.Warnings, func(w store.Warning) bool { return w.ID == "not-fitted" }) {
		t.Errorf("no warning of the unfitted unit: %v", r.Warnings)
	}
	for i := range m.Vertices {
		m.Vertices[i].Fitted = false
	}
	run(t, Input{Mapping: m, Hierarchy: h, R2Top: math.NaN()})
	run(t, Input{Mapping: m, R2Top: math.NaN()})
}

// TestRowsAreTold: every table says by which method and ablation its rows were made, since a run joins those of many.
func TestRowsAreTold(t *testing.T) {
	m := sample(5, 4, map[string]float64{"A": 0, "B": 0.5, "C": 1}, "A", "B", "C")
	m.Info.Method, m.Info.Ablation = "factortopy", "centre"
	r := run(t, Input{Mapping: m, Hierarchy: chain("A", "B", "C"), R2Top: math.NaN()})
	for _, table := range append(r.Tables, ControlTable(m, []Control{LackingControl(Shuffled, "none")})) {
		method, ablation := table.Column("method"), table.Column("ablation")
		if method < 0 || ablation < 0 || len(table.Rows) == 0 || table.Rows[0][method] != "factortopy" || table.Rows[0][ablation] != "centre" {
			t.Errorf("%s: columns %d and %d of %v", table.Name, method, ablation, table.Rows)
		}
	}
}

// TestROIs: regions come in the hierarchy's order, an empty one has its row, and means leave missing numbers out.
func TestROIs(t *testing.T) {
	m := sample(5, 2, map[string]float64{"B": 0.5, "A": 1}, "B", "A", "other")
	m.Vertices[0].Ceiling = 0.01 // below the floor: no normalised score
	m.Vertices[0].R2 = 0.4
	r := run(t, Input{Mapping: m, Hierarchy: chain("A", "empty", "B"), R2Top: math.NaN()})
	var names []string
	for _, roi := range r.ROIs {
		names = append(names, roi.Name)
	}
	if want := []string{"areas/A", "empty", "areas/B", "areas/other"}; !slices.Equal(names, want) {
		t.Fatalf("regions %v, want %v", names, want)
	}
	near(t, "R2 of B", r.ROIs[2].Mean("r2_mean").Estimate, 0.25, 1e-6)
	near(t, "R2/ceiling of B", r.ROIs[2].Mean("r2_norm_mean").Estimate, 0.5, 1e-6)
	near(t, "eccentricity, unknown", r.ROIs[2].Mean("ecc_mean").Estimate, math.NaN(), 0)
	near(t, "the empty one", r.ROIs[1].Mean("r2_mean").Estimate, math.NaN(), 0)
	if n := r.ROIs[1].NVertices; n != 0 {
		t.Errorf("the empty region has %d units", n)
	}
}

// TestRecovery: every error is that which was planted.
func TestRecovery(t *testing.T) {
	m := sample(11, 2, map[string]float64{"A": 0.2, "B": 0.8}, "A", "B")
	m.Info.Simulated, m.Info.Generator = true, "net"
	m.Truth = &store.Truth{Generator: "net", Layers: 11}
	for i := range m.Vertices {
		v := &m.Vertices[i]
		m.Truth.Depth = append(m.Truth.Depth, float64(v.LayerExpected)+0.5)
		m.Truth.Global = append(m.Truth.Global, 1-float64(v.LocalShare)+0.1) // A: 0.3 global, B: 0.9
		m.Truth.X = append(m.Truth.X, float64(v.SpaceX)+0.03)
		m.Truth.Y = append(m.Truth.Y, float64(v.SpaceY)-0.04)
	}
	m.Vertices[7].Fitted = false
	m.Truth.Depth[7] = 1000
	r := Recover(m)
	const tol = 1e-6 // float32 columns
	near(t, "layer", r.LayerExpectedMAE, 0.5, tol)
	near(t, "depth", r.DepthMAE, 0.05, tol)
	near(t, "space", r.SpaceErrorMedian, 0.05, tol)
	near(t, "local share", r.LocalShareMAE, 0.1, tol)
	near(t, "R2/ceiling", r.R2OverCeilingMean, 0.5, tol)
	if r.NVertices != 7 || r.NSpace != 4 {
		t.Errorf("over %d and %d vertices, want 7 and 4", r.NVertices, r.NSpace)
	}
	table := string(RecoveryTable(m, r).CSV())
	want := "model,subject,seed,protocol,r2_over_ceiling_mean,layer_expected_mae,depth_mae,space_error_median,local_share_mae,slope_planted,slope_found,n_vertices,generator,simulated\n"
	if !strings.HasPrefix(table, want) || !strings.HasSuffix(table, ",,,7,net,true\n") {
		t.Errorf("recovery.csv is\n%s", table)
	}
}

// TestLayerScores: a ridge mapping's scores become a tidy table, the best layer is found.
func TestLayerScores(t *testing.T) {
	m := sample(3, 2, nil, "A")
	m.Info.Method, m.Selector, m.Share = "ridge", nil, nil
	for l, r := range []float64{0.3, 0.6, math.NaN()} {
		m.Info.LayerScores = append(m.Info.LayerScores, store.LayerScore{Layer: l, Scores: store.Scores{"r_median": r, "r_shuffled": 0.01}})
	}
	r := run(t, Input{Mapping: m, Hierarchy: chain("A", "B"), R2Top: math.NaN()})
	if r.Alignment != nil || r.Maps != nil || r.Recovery != nil {
		t.Error("a ridge of units without places has no alignment, maps or recovery")
	}
	best, ok := Best(r.Layers, "r_median")
	if !ok || best.Layer != 1 || best.Value != 0.6 {
		t.Errorf("best layer %+v", best)
	}
	if _, ok := Best(r.Layers, "r2"); ok {
		t.Error("a measure that is not there has a best layer")
	}
	if c, ok := Chosen(r.Layers, "r_median"); !ok || c != best {
		t.Errorf("without validation scores %+v is chosen, want the best", c)
	}
	chosen := append(slices.Clone(r.Layers), Score{Layer: 0, Score: "r_val_median", Value: 0.5}, Score{Layer: 1, Score: "r_val_median", Value: 0.4})
	if c, ok := Chosen(chosen, "r_median"); !ok || c.Layer != 0 || c.Value != 0.3 {
		t.Errorf("validation prefers layer 0, %+v is chosen", c)
	}
	table := r.Tables[len(r.Tables)-1]
	if table.Name != "layers" || len(table.Rows) != 6 || Cell(table.Rows[2][table.Column("value")], 6) != "" {
		t.Errorf("layers.csv is\n%s", table.CSV())
	}
}

// TestSimulated: everything from simulated responses says so, and another network's mapping is warned of.
func TestSimulated(t *testing.T) {
	m := sample(5, 3, map[string]float64{"A": 0, "B": 1}, "A", "B")
	m.Info.Simulated, m.Info.Generator = true, "othernet"
	r := run(t, Input{Mapping: m, Hierarchy: chain("A", "B"), R2Top: math.NaN()})
	for _, table := range r.Tables {
		c := table.Column("simulated")
		for _, row := range table.Rows {
			if row[c] != true {
				t.Errorf("%s has a row that does not say simulated", table.Name)
			}
		}
	}
	for _, id := range []string{"simulated", "favours-generator"} {
		if !slices.ContainsFunc(r.Warnings, func(w store.Warning) bool { return w.ID == id }) {
			t.Errorf("no warning %s in %v", id, r.Warnings)
		}
	}
}

// TestField: on smooth noise without any slope the interval holds the true 0 nearly always, and one that
// takes vertices for independent does not. The full calibration is package stats's; this is the wiring on
// real geometry: distances along the white surface, levels, regions, thinning.
func TestField(t *testing.T) {
	in := onSurface(t, 6)
	const maps = 60
	held, naive := 0, 0
	random := rand.New(rand.NewPCG(1, 2))
	around := bothNeighbours(in)
	field, err := NewField(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for k := range maps {
		y := smoothMap(in, around, random)
		a := alignOf(in, field, "q"+strconv.Itoa(k), y)
		if a.Slope.Lo <= 0 && a.Slope.Hi >= 0 {
			held++
		}
		half := 1.96 * stats.SD(y) / math.Sqrt(float64(len(y))) / 0.3 // the SD of places is about 0.3
		if math.Abs(a.Slope.Estimate) <= half {
			naive++
		}
	}
	// 95 % of 60 is 57; the chance of fewer than 50 with a true rate of 0.93 is below 0.5 %
	if held < 50 {
		t.Errorf("the interval holds 0 in %d of %d null maps", held, maps)
	}
	if naive > 45 {
		t.Errorf("independent vertices hold 0 in %d of %d: the maps are not smooth, the test shows nothing", naive, maps)
	}
}

// smoothMap is white noise on the mesh, averaged with its neighbours' twenty times, at the mapping's vertices.
func smoothMap(in Input, neighbours [2][][]int32, random *rand.Rand) []float64 {
	var all [2][]float64
	for side, h := range in.Geometry.Hemis {
		x := make([]float64, h.N())
		for i := range x {
			x[i] = random.NormFloat64()
		}
		for range 20 {
			next := make([]float64, len(x))
			for i, list := range neighbours[side] {
				next[i] = x[i] / 2
				for _, j := range list {
					next[i] += x[j] / float64(2*len(list))
				}
			}
			x = next
		}
		all[side] = x
	}
	out := make([]float64, len(in.Mapping.Vertices))
	for i := range out {
		v := &in.Mapping.Vertices[i]
		side := 0
		if v.Hemi == "rh" {
			side = 1
		}
		out[i] = all[side][v.Vertex]
	}
	return out
}

func bothNeighbours(in Input) [2][][]int32 {
	return [2][][]int32{in.Geometry.Hemis[0].Neighbours(), in.Geometry.Hemis[1].Neighbours()}
}

func alignOf(in Input, field *Field, name string, y []float64) Alignment {
	return align(in, field, name, "rois", y)
}

// TestThinning: an interval from vertices that stand for others is nearly that from all.
func TestThinning(t *testing.T) {
	in := onSurface(t, 6)
	y := smoothMap(in, bothNeighbours(in), rand.New(rand.NewPCG(3, 4)))
	all, err := newField(t.Context(), in, most)
	if err != nil {
		t.Fatal(err)
	}
	few, err := newField(t.Context(), in, 120)
	if err != nil {
		t.Fatal(err)
	}
	a, b := alignOf(in, all, "y", y).Slope, alignOf(in, few, "y", y).Slope
	near(t, "estimate", b.Estimate, a.Estimate, 1e-12)
	if ratio := (b.Hi - b.Lo) / (a.Hi - a.Lo); ratio < 0.8 || ratio > 1.25 {
		t.Errorf("the interval from 120 vertices a side is %.2f times as wide as that from all", ratio)
	}
}

// TestMaps: values stand at their vertices, space is hidden where it means nothing, ranges hold the data.
func TestMaps(t *testing.T) {
	in := onSurface(t, 4)
	for i := range in.Mapping.Vertices {
		v := &in.Mapping.Vertices[i]
		v.Depth, v.LayerEntropy, v.Scale, v.SpaceX, v.SpaceY, v.LocalShare, v.Ceiling = 0.3, 0.4, 0.6, 0.5, -0.5, 0.5, 0.4
		v.R2 = float32(i) / float32(len(in.Mapping.Vertices)) * 0.37
	}
	in.Mapping.Vertices[0].LocalShare = 0.05
	in.Mapping.Vertices[1].Fitted = false
	maps := Maps(in)
	var names []string
	for _, m := range maps {
		names = append(names, m.Name)
		if n, want := len(stats.Present(slices.Concat(m.Values[0], m.Values[1]))), len(in.Mapping.Vertices)-1; n != want && !(m.Name == "space" && n == want-1) {
			t.Errorf("%s has %d values, want %d", m.Name, n, want)
		}
		if m.Unit == "" || m.Title == "" || !(m.Hi > m.Lo) {
			t.Errorf("%s lacks a unit, a title or a range", m.Name)
		}
	}
	if want := []string{"layer", "space", "scale", "r2"}; !slices.Equal(names, want) {
		t.Errorf("maps %v, want %v (one ceiling for all: no r2_norm)", names, want)
	}
	v := in.Mapping.Vertices[0].Vertex
	near(t, "layer's certainty", maps[0].Certainty[0][v], 0.6, 1e-6)
	near(t, "hidden image point", maps[1].Values[0][v], math.NaN(), 0)
	near(t, "end of R2", maps[3].Hi, 0.4, 1e-12)
	in.Mapping.Vertices[2].Ceiling = 0.8
	if m := R2NormMap(in); m == nil || m.Hi != 1 {
		t.Errorf("no R2/ceiling map from 0 to 1 where ceilings differ")
	}
	in.Mapping.Vertices[0].Hemi = ""
	if Maps(in) != nil {
		t.Error("maps of units without a place")
	}
}

func TestTop(t *testing.T) {
	for _, c := range []struct{ q, want float64 }{{0.31, 0.4}, {0.3, 0.3}, {0.0021, 0.0025}, {1.2, 2}, {9, 10}, {-1, 1}, {0, 1}} {
		if got := top(nan, []float64{c.q}); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("the end above %v is %v, want %v", c.q, got, c.want)
		}
	}
}
