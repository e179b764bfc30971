package report

import (
	"math"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
)

// DataSection shows what training images buy: R² and the maps' agreement with the full fit.
func DataSection(all []analyze.DataCurve) Section {
	t := analyze.DataTable(all)
	s := Section{ID: "data-curve", Title: t.Title, Table: t, Show: []Show{
		{Column: "model", Head: "Network"}, {Column: "subject", Head: "Subject"}, {Column: "method", Head: "Method"}, {Column: "seed", Head: "Seed"}, {Column: "images", Head: "Training images"},
		{Column: "r2_mean", Head: "R²", Lo: "r2_lo", Hi: "r2_hi"}, {Column: "slope", Head: "Slope", Lo: "slope_lo", Hi: "slope_hi"}, {Column: "depth_r", Head: "r of depth maps"}, {Column: "depth_off", Head: "Depth off by"},
		{Column: "local_share_r", Head: "r of local share"}, {Column: "space_distance", Head: "Image points off by"}, {Column: "seed_depth_r", Head: "r of depth between seeds"}, {Column: "reason", Head: "Remarks"}},
		Text:    []string{"Every fit beside the one with most training images. That one is not the truth: where two seeds of it agree no better than a smaller fit does with it, the smaller fit has learned as much of the map."},
		Methods: []string{"Data curve: training images were drawn at random from all, validation and test images kept; maps were compared with those of the fit to most images by Pearson’s correlation over units, the median distance of image points, and the mean Jensen-Shannon distance of the layers’ shares."},
	}
	r2 := draw.Chart{Name: "data_curve_r2", Title: "Prediction against training images", YLabel: "mean R² over units (fraction of variance)"}
	depth := draw.Chart{Name: "data_curve_depth", Title: "Agreement with the full fit", YLabel: "Pearson’s r of the depth maps"}
	for _, c := range all {
		a, b := draw.Series{Name: c.Name(), Join: true}, draw.Series{Name: c.Name(), Join: true}
		for _, p := range c.Points {
			x := logarithm(int64(p.Mapping.Info.Images))
			a.X, a.Y, a.Lo, a.Hi = append(a.X, x), append(a.Y, p.R2.Estimate), append(a.Lo, p.R2.Lo), append(a.Hi, p.R2.Hi)
			b.X, b.Y = append(b.X, x), append(b.Y, p.DepthR)
			s.Simulated = s.Simulated || p.Mapping.Info.Simulated
			r2.XTicks = ticked(r2.XTicks, x, count(p.Mapping.Info.Images))
		}
		r2.Series, depth.Series = append(r2.Series, a), append(depth.Series, b)
	}
	depth.XTicks = r2.XTicks
	r2.YLo, r2.YHi = nan, nan
	depth.YLo, depth.YHi = agreementRange(depth.Series)
	for _, c := range []draw.Chart{r2, depth} {
		c.XLabel, c.Simulated, c.Alt = "training images, logarithmic", s.Simulated, c.Title+". The table has every number."
		c.XLo, c.XHi = ends(c.XTicks)
		s.Charts = append(s.Charts, Chart{Drawing: c, Numbers: "tables/data_curve.csv"})
	}
	return s
}

// agreementRange goes from the tenth below the least correlation to 1, which is as alike as maps can be: on an axis of its
// own, a curve from 0.994 to 0.998 would look like a rise.
func agreementRange(all []draw.Series) (lo, hi float64) {
	lo = 0.9
	for _, s := range all {
		for _, r := range s.Y {
			if r < lo {
				lo = math.Floor(10*r) / 10
			}
		}
	}
	return lo, 1
}
