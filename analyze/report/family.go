package report

import (
	"fmt"
	"math"
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
			Methods: []string{"Networks of a family are compared by the mean over subjects of each one's mean over seeds; with two or more subjects intervals and tests are of Student's t over subjects, paired, else spatial on the one subject's cortex. q: Benjamini and Hochberg over the family's pairs."}},
		{ID: "scaling-tests", Title: "Larger against smaller", Simulated: simulated, Table: tests, Show: compared},
	}
}

// scalingCharts plot each quantity against what grows: parameters, layers, training pictures.
func scalingCharts(s *analyze.Scaling) (out []Chart) {
	axes := []struct {
		name, label string
		of          func(analyze.Member) float64
	}{
		{"params", "parameters of the network, logarithmic", func(m analyze.Member) float64 { return math.Log10(float64(max(1, m.Parameters))) }},
		{"layers", "layers of the network", func(m analyze.Member) float64 { return float64(m.Layers) }},
		{"images", "training pictures, logarithmic", func(m analyze.Member) float64 { return math.Log10(float64(max(1, m.Images))) }},
	}
	for k, q := range []struct{ name, title, unit string }{
		{"r2_mean", "Prediction", "mean R² over units (fraction of variance)"}, {"r2_norm_mean", "", ""}, {"slope_share", "Hierarchy slope", "slope over levels (depth of shares, 0..1)"},
	} {
		if q.title == "" {
			continue
		}
		for _, axis := range axes {
			if c, ok := scalingChart(s, k, axis.of); ok {
				c.Name, c.Title, c.XLabel, c.YLabel = "scaling_"+q.name+"_"+axis.name, q.title+" against "+strings.TrimSuffix(axis.label, ", logarithmic"), axis.label, q.unit
				c.Alt = c.Title + ". The table has every network."
				out = append(out, Chart{Drawing: c, Numbers: "tables/scaling.csv"})
			}
		}
	}
	return out
}

// scalingChart has a series a family, method and kind of subject; false where nothing grows along the axis.
func scalingChart(s *analyze.Scaling, k int, x func(analyze.Member) float64) (c draw.Chart, ok bool) {
	c = draw.Chart{XLo: math.Inf(1), XHi: math.Inf(-1), YLo: math.NaN(), YHi: math.NaN(), Note: "Bars: 95 %, over subjects where there are two or more, else over one subject's cortex; none where its units have no place on a surface."}
	place := map[string]int{}
	for _, m := range s.Members {
		v := m.Values[k]
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
		px := x(m)
		series.X, series.Y, series.Lo, series.Hi = append(series.X, px), append(series.Y, v.Estimate), append(series.Lo, v.Lo), append(series.Hi, v.Hi)
		c.XLo, c.XHi = math.Min(c.XLo, px), math.Max(c.XHi, px)
		c.Simulated = c.Simulated || m.Simulated()
		known := false
		for _, t := range c.XTicks {
			known = known || t.At == px
		}
		if !known {
			c.XTicks = append(c.XTicks, draw.Tick{At: px, Name: tickName(m, px)})
		}
	}
	air := (c.XHi - c.XLo) / 12
	c.XLo, c.XHi = c.XLo-air, c.XHi+air
	return c, air > 0
}

// tickName is the network's size where that is what grows, else the number.
func tickName(m analyze.Member, x float64) string {
	switch {
	case x == float64(m.Layers):
		return strconv.Itoa(m.Layers)
	case x == math.Log10(float64(max(1, m.Images))):
		return strconv.Itoa(m.Images)
	case m.Size != "":
		return m.Size
	}
	return fmt.Sprintf("%.1f M", float64(m.Parameters)/1e6)
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
