package report

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
	"cortexmap/internal/store"
)

// Comparison is two networks (or protocols, or the same network before and after it was tuned) on one subject.
type Comparison struct {
	*analyze.Comparison
	Outlines []draw.Outline // drawn on the difference maps; nil: those of the mapping's vertices
	// Similarity compares the networks' layers; nil: it could not, and NoLayers says why.
	Similarity *analyze.Similarity
	NoLayers   string
}

// comparison is its part of the page.
type comparison struct {
	ID, Heading string
	Simulated   bool
	Lead        string
	Findings    []string
	Plates      []figure
	Pair        []figure // before and after, side by side
	Charts      []figure
	Slopes      *table
	Regions     *table
	Layers      *table
	LeftOut     string
}

// run is the comparison as the plates and the interactive cortex take it: difference maps on the vertices that both
// sides have.
func (c Comparison) run() Run {
	m := &store.Mapping{Info: c.Before.Info}
	for i := range c.Before.Vertices {
		v := store.NewVertex(c.Before.Vertices[i].Hemi, c.Before.Vertices[i].Vertex)
		v.ROIs, v.Fitted = c.Before.Vertices[i].ROIs, c.Before.Vertices[i].Fitted && c.After.Vertices[i].Fitted
		m.Vertices = append(m.Vertices, v)
	}
	m.Info.Simulated = c.simulated()
	return Run{Mapping: m, Geometry: c.Geometry, Hierarchy: c.Hierarchy, Outlines: c.Outlines, Results: &analyze.Results{Maps: c.Maps}}
}

func (c Comparison) simulated() bool { return c.Before.Info.Simulated || c.After.Info.Simulated }

func (c Comparison) heading() string {
	return fmt.Sprintf("%s against %s, on %s", c.After.Info.Model, c.Before.Info.Model, onto(c.Before.Info.Subject))
}

// stem begins the names of its files.
func (c Comparison) stem() string {
	a, b := &c.Before.Info, &c.After.Info
	return store.SafeName(fmt.Sprintf("%s-minus-%s_%s_%s", b.Model, a.Model, a.Subject, analyze.MethodOf(a)))
}

// comparisonFigures are the plates and charts of a comparison.
type comparisonFigures struct {
	Differences, Pair, Charts []figure
	LeftOut                   int // pictures that are files only
}

// drawComparison draws and writes the figures; with pair also the sides' layer maps, which are on the page already
// where the sides have parts of their own.
func drawComparison(ctx context.Context, dir string, c Comparison, style draw.Style, pair bool) (f comparisonFigures, err error) {
	r := c.run()
	if r.Geometry != nil && len(c.Maps) > 0 {
		stage, err := comparisonStage(ctx, r, style, c.After.Info.Model+" − "+c.Before.Info.Model)
		if err != nil {
			return f, err
		}
		for _, m := range c.Maps {
			fig, err := writePlate(ctx, dir, c.stem(), stage, m)
			if err != nil {
				return f, err
			}
			f.Differences = append(f.Differences, *fig)
		}
	}
	if pair && r.Geometry != nil {
		for _, side := range []*store.Mapping{c.Before, c.After} {
			if side.Selector == nil {
				continue
			}
			one := Run{Mapping: side, Geometry: c.Geometry, Hierarchy: c.Hierarchy, Outlines: c.Outlines}
			stage, err := comparisonStage(ctx, one, style, side.Info.Model)
			if err != nil {
				return f, err
			}
			fig, err := writePlate(ctx, dir, store.SafeName(side.Info.Model+"_"+side.Info.Subject+"_mean"), stage, analyze.LayerMap(analyze.Input{Mapping: side, Geometry: c.Geometry, Hierarchy: c.Hierarchy}))
			if err != nil {
				return f, err
			}
			fig.Caption = side.Info.Model + ": " + fig.Caption
			f.Pair = append(f.Pair, *fig)
		}
	}
	for _, chart := range c.charts() {
		fig, err := writeChart(dir, c.stem(), chart.Chart, chart.numbers)
		if err != nil {
			return f, err
		}
		f.Charts = append(f.Charts, *fig)
	}
	return f, nil
}

// comparisonStage is the flat one, or views where there is no flat surface.
func comparisonStage(ctx context.Context, r Run, style draw.Style, network string) (*draw.Stage, error) {
	o := draw.DefaultOptions()
	o.Network, o.Subject, o.Style, o.Outlines, o.Focus = network, "subject "+r.Mapping.Info.Subject, style, runOutlines(r), focus(r.Geometry, r.Mapping)
	if r.Geometry.Hemis[0].Flat == nil || r.Geometry.Hemis[1].Flat == nil {
		return draw.Views(ctx, r.Geometry, o)
	}
	return draw.Flat(ctx, r.Geometry, o)
}

type comparisonChart struct {
	draw.Chart
	numbers string
}

// charts are the layers' similarity and the regions' changes, where there is something to show.
func (c Comparison) charts() (out []comparisonChart) {
	if s := c.Similarity; s != nil && len(s.CKA) > 1 {
		chart := draw.Chart{Name: "cka", Title: "How alike the networks’ layers are", XLabel: "layer, first to last", YLabel: "linear CKA of the tokens (1: the same up to rotation and scale)",
			XLo: -0.5, XHi: float64(len(s.CKA)) - 0.5, YLo: math.NaN(), YHi: math.NaN(), Note: fmt.Sprintf("Over %s pictures. With few pictures CKA is high for unrelated layers too.", count(s.Images))}
		series := draw.Series{Name: "CKA", Join: true}
		for l, x := range s.CKA {
			series.X, series.Y = append(series.X, float64(l)), append(series.Y, x)
			chart.XTicks = append(chart.XTicks, draw.Tick{At: float64(l), Name: c.Before.Info.Layers[l].Name})
		}
		chart.Series = []draw.Series{series}
		chart.Alt = fmt.Sprintf("CKA against layer: %s at the first, %s at the last, least %s at %s.", short(s.CKA[0]), short(s.CKA[len(s.CKA)-1]), short(s.CKA[least(s.CKA)]), c.Before.Info.Layers[least(s.CKA)].Name)
		out = append(out, comparisonChart{chart, "tables/cka.csv"})
	}
	for _, k := range []struct {
		name, what, title, unit string
		of                      func(analyze.ROIChange) analyze.Interval
	}{
		{"depth_by_region", "depth", "Change of depth, region by region", "depth, after − before (0 first layer, 1 last)", func(r analyze.ROIChange) analyze.Interval { return r.Depth }},
		{"r2_by_region", "r2", "Change of R², region by region", "R² on test images, after − before (fraction of variance)", func(r analyze.ROIChange) analyze.Interval { return r.R2 }},
	} {
		if chart, ok := c.regionChart(k.name, k.what, k.title, k.unit, k.of); ok {
			out = append(out, comparisonChart{chart, "tables/comparison.csv"})
		}
	}
	return out
}

// regionChart is a number of every region with its interval, and the floor: what two seeds of one network differ by.
func (c Comparison) regionChart(name, what, title, unit string, of func(analyze.ROIChange) analyze.Interval) (draw.Chart, bool) {
	chart := draw.Chart{Name: name, Title: title, XLabel: "region, early to late", YLabel: unit, XLo: -0.5, YLo: math.NaN(), YHi: math.NaN(), Simulated: c.simulated(),
		Note: "Bars: 95 % spatial intervals of this one subject, where it has a surface."}
	change := draw.Series{Name: "after − before"}
	up, down := draw.Series{Name: "largest change between two seeds of one network (±)", Secondary: true}, draw.Series{Secondary: true}
	known := 0
	for i, r := range c.ROIs {
		x := of(r)
		_, most := c.FloorOf(what, r.Name)
		at := float64(i)
		change.X, change.Y, change.Lo, change.Hi = append(change.X, at), append(change.Y, x.Estimate), append(change.Lo, x.Lo), append(change.Hi, x.Hi)
		up.X, up.Y, down.X, down.Y = append(up.X, at), append(up.Y, most), append(down.X, at), append(down.Y, -most)
		chart.XTicks = append(chart.XTicks, draw.Tick{At: at, Name: last(r.Name)})
		if !math.IsNaN(x.Estimate) {
			known++
		}
	}
	up.X, up.Y = append(up.X, down.X...), append(up.Y, down.Y...)
	chart.XHi = float64(len(c.ROIs)) - 0.5
	chart.Series = []draw.Series{change}
	if len(c.Floor) > 0 {
		chart.Series = append(chart.Series, up)
	}
	chart.Alt = title + ". The table has every region."
	return chart, known > 0
}

// last is a region's name without its family.
func last(roi string) string { return roi[strings.LastIndex(roi, "/")+1:] }

// least is the place of the smallest number.
func least(x []float64) int {
	at := 0
	for i, v := range x {
		if v < x[at] {
			at = i
		}
	}
	return at
}

// newComparison is the page's part.
func newComparison(i int, c Comparison, f comparisonFigures, number *int) comparison {
	out := comparison{ID: fmt.Sprintf("comparison%d", i+1), Heading: c.heading(), Simulated: c.simulated(), Lead: c.lead(), Findings: c.findings(),
		Plates: f.Differences, Pair: f.Pair, Charts: f.Charts, Regions: c.regionTable(), LeftOut: leftOut(f.LeftOut)}
	if len(c.Slopes) > 0 {
		out.Slopes = c.slopeTable()
	}
	if c.Similarity != nil {
		out.Layers = c.layerTable()
	}
	for _, list := range [][]figure{out.Pair, out.Plates, out.Charts} {
		for k := range list {
			*number++
			list[k].Number = *number
		}
	}
	return out
}

func (c Comparison) lead() string {
	n := "one seed each: nothing is known of the fit’s own restlessness, which a second seed would show"
	if c.Seeds != [2]int{1, 1} {
		n = fmt.Sprintf("means over %s before and %s after; every number stands beside the floor, the largest that two seeds of one network differ by", plural(c.Seeds[0], "seed", "seeds"), plural(c.Seeds[1], "seed", "seeds"))
	}
	return fmt.Sprintf("What is after minus what was before, over %s fitted on both sides; %s. All intervals are over this one subject’s cortex and say nothing about other people.", plural(c.Units, "unit", "units"), n)
}

// findings say in sentences what changed, the numbers first.
func (c Comparison) findings() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, s := range c.Slopes {
		if s.Quantity == "share" && s.Over == "rois" && !math.IsNaN(s.Slope.Estimate) {
			_, most := c.FloorOf("slope_share", "rois")
			add("Hierarchy slope (shares, levels): %s%s.", interval(s.Slope), beside(s.Slope.Estimate, most))
		}
	}
	if n := len(c.Vertices.P); n > 0 {
		tested := 0
		for _, p := range c.Vertices.P {
			if !math.IsNaN(p) {
				tested++
			}
		}
		var better, worse []string
		for _, r := range c.ROIs {
			switch {
			case r.Q < 0.05 && r.R2.Estimate > 0:
				better = append(better, last(r.Name))
			case r.Q < 0.05:
				worse = append(worse, last(r.Name))
			}
		}
		if tested > 0 {
			add("R² changed at q < 0.05 in %s of %s regions (better: %s; worse: %s) and at %s of %s vertices, each held against the difference map’s own noise.", count(len(better)+len(worse)), count(len(c.ROIs)), names(better), names(worse), count(c.Vertices.Discovered), count(tested))
		} else {
			add("No test of R²: %s.", strings.Join(c.Reasons, "; "))
		}
	}
	mean := 0.0
	for _, d := range c.Vertices.R2 {
		if !math.IsNaN(d) {
			mean += d / float64(max(1, c.Units))
		}
	}
	if c.Units > 0 {
		add("Mean change of R² over all units: %s.", short(mean))
	}
	if r, ok := c.most(); ok {
		_, most := c.FloorOf("depth", r.Name)
		add("The largest shift of depth is in %s: %s%s.", last(r.Name), interval(r.Depth), beside(r.Depth.Estimate, most))
	}
	if !math.IsNaN(c.Rand) {
		between, _ := c.FloorOf("clusters_rand", "vertices")
		note := ""
		if !math.IsNaN(between) {
			note = fmt.Sprintf(" (between two seeds of one network %s)", short(between))
		}
		add("Channel clusters agree by an adjusted Rand index of %s%s.", short(c.Rand), note)
	}
	if s := c.Similarity; s != nil && len(s.CKA) > 0 {
		l := least(s.CKA)
		add("CKA of the layers, over %s pictures: %s at the first, %s at the last, least %s at %s.", count(s.Images), short(s.CKA[0]), short(s.CKA[len(s.CKA)-1]), short(s.CKA[l]), c.Before.Info.Layers[l].Name)
	} else if c.NoLayers != "" {
		add("Layers were not compared with each other: %s.", c.NoLayers)
	}
	return out
}

// most is the region whose depth changed most.
func (c Comparison) most() (analyze.ROIChange, bool) {
	all := slices.DeleteFunc(slices.Clone(c.ROIs), func(r analyze.ROIChange) bool { return math.IsNaN(r.Depth.Estimate) })
	if len(all) == 0 {
		return analyze.ROIChange{}, false
	}
	return slices.MaxFunc(all, func(a, b analyze.ROIChange) int {
		return int(math.Copysign(1, math.Abs(a.Depth.Estimate)-math.Abs(b.Depth.Estimate)))
	}), true
}

// beside tells how a change stands to its floor.
func beside(x, most float64) string {
	switch {
	case math.IsNaN(most):
		return ""
	case math.Abs(x) > most:
		return fmt.Sprintf(", beyond the %s that two seeds of one network differ by at most", short(most))
	}
	return fmt.Sprintf(", no more than two seeds of one network may differ by (%s)", short(most))
}

func names(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func (c Comparison) slopeTable() *table {
	t := &table{Caption: "Change of the hierarchy’s slope" + simulatedWord(c.simulated()), Head: []string{"Depth of", "Over", "Change of slope [95 %]", "Change of b0", "Change of b1", "Floor"},
		Note: "Slope = b1 − b0 of the line of depth on place in the hierarchy (cortexmap definition). Floor: the largest change between two seeds of one network."}
	for _, s := range c.Slopes {
		_, most := c.FloorOf("slope_"+s.Quantity, s.Over)
		t.Rows = append(t.Rows, []cell{text(quantityName[s.Quantity]), text(map[string]string{"rois": "levels", "vertices": "vertices"}[s.Over]), with(s.Slope), num(s.B0), num(s.B1), num(most)})
	}
	return t
}

func (c Comparison) regionTable() *table {
	if len(c.ROIs) == 0 {
		return nil
	}
	t := &table{Caption: "Region by region" + simulatedWord(c.simulated()), Head: []string{"Region", "Units", "Change of depth", "Floor", "Distance of layers (0..1)", "Floor", "Change of entropy", "Change of R²", "Floor", "q"},
		Note: "Distance of layers: Jensen-Shannon, of the mean distributions of shares. Floor: the largest that two seeds of one network differ by. q: of no change of R², Benjamini and Hochberg over the regions. All columns: tables/comparison.csv."}
	for _, r := range c.ROIs {
		floor := func(what string) cell { _, most := c.FloorOf(what, r.Name); return num(most) }
		t.Rows = append(t.Rows, []cell{text(last(r.Name)), whole(r.NVertices), with(r.Depth), floor("depth"), num(r.JensenShannon), floor("js_distance"), with(r.Entropy), with(r.R2), floor("r2"), num(r.Q)})
	}
	return t
}

func (c Comparison) layerTable() *table {
	t := &table{Caption: "Similarity of layers, the figure’s numbers", Head: []string{"Layer", c.After.Info.Model, "CKA"}}
	for l, x := range c.Similarity.CKA {
		t.Rows = append(t.Rows, []cell{text(c.Before.Info.Layers[l].Name), text(c.After.Info.Layers[l].Name), num(x)})
	}
	return t
}

// comparisonMethods is the paragraph on how the comparisons were made.
func comparisonMethods(all []Comparison) string {
	if len(all) == 0 {
		return ""
	}
	out := []string{"Comparisons are of each network’s mean over its seeds, unit by unit, so that every interval is that of a difference. Intervals of regions and slopes follow from a covariance over the distance along the cortex fitted to the difference map. The p of a region’s R² is that of its interval; the p of a vertex holds its change against the standard deviation of the whole difference map; q are Benjamini and Hochberg’s (1995)."}
	if slices.ContainsFunc(all, func(c Comparison) bool { return c.Before.Share != nil && c.After.Share != nil }) {
		out = append(out, "Distributions of shares over layers are compared by the root of their Jensen-Shannon divergence in bits (Endres and Schindelin 2003).")
	}
	if slices.ContainsFunc(all, func(c Comparison) bool { return c.Similarity != nil }) {
		out = append(out, "Layers are compared by linear centred kernel alignment of all stored tokens (Kornblith, Norouzi, Lee and Hinton 2019), pictures in rows.")
	}
	return strings.Join(out, " ")
}

// comparisonTitle names what was compared: the two networks, or how many comparisons there are.
func comparisonTitle(all []Comparison) string {
	if len(all) == 0 {
		return "Comparison"
	}
	a, b := all[0].Before.Info.Model, all[0].After.Info.Model
	for _, c := range all {
		if c.Before.Info.Model != a || c.After.Info.Model != b {
			return fmt.Sprintf("%s of networks", plural(len(all), "comparison", "comparisons"))
		}
	}
	if len(all) == 1 {
		return all[0].heading()
	}
	return b + " against " + a
}

// joinedMethods are the methods paragraphs of the mappings, one for each network, subject and method.
func joinedMethods(runs []Run) (out []string) {
	seen := map[[5]string]bool{}
	for _, r := range runs {
		i := &r.Mapping.Info
		if key := [5]string{i.Model, i.Subject, i.Method, i.Protocol, i.Swept}; !seen[key] {
			seen[key] = true
			out = append(out, strings.Join(methods(r), " "))
		}
	}
	return out
}

// onto names a subject in a sentence.
func onto(subject string) string {
	if subject == "simulated" {
		return "the simulated subject"
	}
	return subject
}
