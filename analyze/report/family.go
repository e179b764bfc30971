package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
)

// ScalingSections are the table of networks with its plots, and the table of tests.
func ScalingSections(s *analyze.Scaling) []Section {
	simulated := false
	for _, m := range s.Members {
		simulated = simulated || m.Simulated()
	}
	t, tests := analyze.ScalingTable(s), analyze.ScalingTests(s)
	shown := []Show{{Column: "family", Head: "Family"}, {Column: "model", Head: "Network"}, {Column: "settings", Head: "Settings"}, {Column: "size", Head: "Size"}, {Column: "params", Head: "Parameters"},
		{Column: "layers", Head: "Layers"}, {Column: "images", Head: "Training pictures"}, {Column: "method", Head: "Method"}, {Column: "subjects", Head: "Subjects"}, {Column: "quantity", Head: "Quantity"},
		{Column: "mean", Head: "Mean", Lo: "lo", Hi: "hi"}, {Column: "interval", Head: "Interval over"}, {Column: "seed_sd", Head: "Spread over seeds"}}
	compared := []Show{{Column: "smaller", Head: "Smaller"}, {Column: "larger", Head: "Larger"}, {Column: "method", Head: "Method"}, {Column: "subjects", Head: "Subjects"}, {Column: "quantity", Head: "Quantity"},
		{Column: "difference", Head: "Difference", Lo: "lo", Hi: "hi"}, {Column: "interval", Head: "Interval over"}, {Column: "p", Head: "p"}, {Column: "q", Head: "q"}}
	return []Section{
		{ID: "scaling", Title: "Networks by size", Simulated: simulated, Text: s.Limits(), Charts: scalingCharts(s), Table: t, Show: shown,
			Methods: []string{"Networks of a family are compared by the mean over subjects of each one's mean over seeds; intervals and tests are of Student's t over subjects, paired, or spatial on the cortices of these, as the tables say. q: Benjamini and Hochberg over the family's pairs."}},
		{ID: "scaling-tests", Title: "Larger against smaller", Simulated: simulated, Table: tests, Show: compared},
	}
}

// growth is what networks of a family grow in.
type growth struct {
	name, label string // label is the axis's, for people
	of          func(analyze.Member) float64
	tick        func(analyze.Member) string
}

var growths = []growth{
	{"params", "parameters of the network, logarithmic", func(m analyze.Member) float64 { return logarithm(m.Parameters) }, sizeName},
	{"layers", "layers of the network", func(m analyze.Member) float64 { return float64(m.Layers) }, func(m analyze.Member) string { return strconv.Itoa(m.Layers) }},
	{"images", "training pictures, logarithmic", func(m analyze.Member) float64 { return logarithm(int64(m.Images)) }, func(m analyze.Member) string { return strconv.Itoa(m.Images) }},
}

// sizeName is a network's size for people, its parameters where it has none.
func sizeName(m analyze.Member) string {
	if m.Size != "" {
		return m.Size
	}
	return fmt.Sprintf("%.1f M", float64(m.Parameters)/1e6)
}

// logarithm is the place of a count on a logarithmic axis.
func logarithm(n int64) float64 { return math.Log10(float64(max(1, n))) }

// scalingCharts plot R² and the slope against what grows: parameters, layers, training pictures.
func scalingCharts(s *analyze.Scaling) (out []Chart) {
	for _, q := range []struct{ name, title, unit string }{
		{"r2_mean", "Prediction", "mean R² over units (fraction of variance)"}, {"slope_share", "Hierarchy slope", "slope over levels (depth of shares, 0..1)"},
	} {
		for _, axis := range growths {
			if c, ok := scalingChart(s, q.name, axis); ok {
				c.Name, c.Title, c.XLabel, c.YLabel = "scaling_"+q.name+"_"+axis.name, q.title+" against "+strings.TrimSuffix(axis.label, ", logarithmic"), axis.label, q.unit
				c.Alt = c.Title + ". The table has every network."
				out = append(out, Chart{Drawing: c, Numbers: "tables/scaling.csv"})
			}
		}
	}
	return out
}

// scalingChart has a series a family, method and kind of subject; false where nothing grows along the axis.
func scalingChart(s *analyze.Scaling, quantity string, axis growth) (c draw.Chart, ok bool) {
	c = draw.Chart{YLo: nan, YHi: nan, Note: "Bars: 95 %, over subjects or over their cortices, as the table says; none where units have no place on a surface."}
	place := map[string]int{}
	for _, m := range s.Members {
		v := m.Value(quantity)
		if math.IsNaN(v.Estimate) {
			continue
		}
		name := fmt.Sprintf("%s, %s, %s", m.Family, strings.ReplaceAll(m.Method, "_", " "), strings.Join(m.Subjects, " "))
		at, there := place[name]
		if !there {
			at = len(c.Series)
			place[name] = at
			c.Series = append(c.Series, draw.Series{Name: name, Join: true})
		}
		series := &c.Series[at]
		x := axis.of(m)
		series.X, series.Y, series.Lo, series.Hi = append(series.X, x), append(series.Y, v.Estimate), append(series.Lo, v.Lo), append(series.Hi, v.Hi)
		c.Simulated = c.Simulated || m.Simulated()
		c.XTicks = ticked(c.XTicks, x, axis.tick(m))
	}
	c.XLo, c.XHi = ends(c.XTicks)
	return c, len(c.XTicks) > 1
}

// ticked adds a place on an axis, once.
func ticked(ticks []draw.Tick, at float64, name string) []draw.Tick {
	if slices.ContainsFunc(ticks, func(t draw.Tick) bool { return t.At == at }) {
		return ticks
	}
	return append(ticks, draw.Tick{At: at, Name: name})
}

// ends are those of an axis with some air beyond its ticks.
func ends(ticks []draw.Tick) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, t := range ticks {
		lo, hi = min(lo, t.At), max(hi, t.At)
	}
	air := (hi - lo) / 12
	return lo - air, hi + air
}

// GroupSections are the tables of a group over subjects: the whole cortex, and its regions.
func GroupSections(g *analyze.Group) []Section {
	title := fmt.Sprintf("%s over %d subjects", g.Model, len(g.Subjects))
	return []Section{
		{ID: "group-measures", Title: title, Simulated: g.Simulated(), Table: analyze.GroupMeasureTable(g),
			Text: []string{fmt.Sprintf("Means over %s, each one's seeds averaged first.", strings.Join(g.Subjects, ", "))},
			Show: []Show{{Column: "quantity", Head: "Quantity"}, {Column: "n_subjects", Head: "Subjects"}, {Column: "mean", Head: "Mean", Lo: "lo", Hi: "hi"}, {Column: "interval", Head: "Interval over"}}},
		{ID: "group", Title: title + ": regions", Simulated: g.Simulated(), Table: analyze.GroupTable(g),
			Show: []Show{{Column: "roi", Head: "Region"}, {Column: "n_subjects", Head: "Subjects"}, {Column: "r2_mean", Head: "R²", Lo: "r2_mean_lo", Hi: "r2_mean_hi"},
				{Column: "depth_mean", Head: "Depth (0..1)", Lo: "depth_mean_lo", Hi: "depth_mean_hi"}, {Column: "local_share_mean", Head: "Local share (0..1)", Lo: "local_share_mean_lo", Hi: "local_share_mean_hi"}}},
	}
}

// SpreadSection is how far a mapping's numbers move between seeds or half-samples; n tells several apart.
func SpreadSection(s *analyze.Spread, n int) Section {
	i := &s.Info
	out := Section{ID: fmt.Sprintf("spread-%d", n), Title: fmt.Sprintf("Spread over %s: %s onto %s, %s", s.Over, i.Model, i.Subject, analyze.MethodOf(i)), Simulated: i.Simulated, Table: analyze.SpreadTable(s)}
	text := fmt.Sprintf("%d fits that differ in nothing but their seed: what start and order of training leave open.", s.Fits)
	if s.Over == analyze.OverHalves {
		text = fmt.Sprintf("%d fits to random halves of the training photographs. Their standard deviation estimates the standard error of the fit to all of them.", s.Fits)
	}
	if !math.IsNaN(s.Disagree) {
		text += fmt.Sprintf(" At %.1f %% of the vertices the expected layers of two fits differ by more than two layers.", 100*s.Disagree)
	}
	out.Text = []string{text, "Maps of every mean and spread lie in maps; this says nothing about other people."}
	out.Show = []Show{{Column: "quantity", Head: "Quantity"}, {Column: "mean", Head: "Mean over vertices"}, {Column: "sd_median", Head: "Spread at a vertex, median"},
		{Column: "sd_p95", Head: "95th percentile"}, {Column: "n_vertices", Head: "Vertices"}}
	out.Methods = []string{fmt.Sprintf("Spread over %s is the standard deviation of %d fits at each vertex (of polar angles the circular one, of image points the distance from the mean point).", s.Over, s.Fits)}
	return out
}
