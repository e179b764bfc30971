package report

import (
	"fmt"
	"math"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
)

// sectionsOf are a mapping's further analyses: what its results hold, in the order of the page, then what the caller
// gave.
func sectionsOf(r Run) []Section {
	var out []Section
	for _, s := range []*Section{layoutSection(r), retinotopySection(r)} {
		if s != nil {
			out = append(out, *s)
		}
	}
	return append(out, r.Sections...)
}

// layoutSection shows the distributions of regions over layers, or the scores of single layers by region.
func layoutSection(r Run) *Section {
	layers := len(r.Mapping.Info.Layers)
	if r.Results.Regions == nil || layers < 2 {
		return nil
	}
	s := &Section{ID: "layout", Title: "Layers by region", Simulated: r.Mapping.Info.Simulated}
	if share := analyze.Matrix(r.Results.Regions, layers, func(x analyze.RegionLayer) float64 { return x.Share.Estimate }); share != nil {
		s.Text = append(s.Text, "How the predictions of each region spread over the layers. A row sums to 1; the outlined layer has most.")
		s.Charts = append(s.Charts, Chart{layerHeat(r, "shares_by_region", "Share of each layer in each region", "mean share, 0..1", share), "tables/roi_layers.csv"})
		s.Methods = append(s.Methods, "Distributions over layers are means over a region’s vertices of the shares; those of the raw selector, and how many vertices choose each layer most, stand in the table.")
	}
	if alone := analyze.Matrix(r.Results.Regions, layers, func(x analyze.RegionLayer) float64 { return x.R2.Estimate }); alone != nil {
		s.Text = append(s.Text, "How well each layer alone predicts each region, by a ridge regression: scores, not shares, so a row need not sum to anything. The outlined layer is best; neighbours often differ by less than the interval in the table.")
		s.Charts = append(s.Charts, Chart{layerHeat(r, "scores_by_region", "R² of each layer alone in each region", "mean R² on test images", alone), "tables/roi_layers.csv"})
	}
	if s.Charts == nil {
		return nil
	}
	return s
}

// layerHeat is a matrix of regions and layers.
func layerHeat(r Run, name, title, unit string, rows []analyze.MatrixRow) draw.Heat {
	h := draw.Heat{Name: name, Title: title, Unit: unit, XLabel: "layer, first to last", Simulated: r.Mapping.Info.Simulated,
		Note: "Regions in the order of the hierarchy, then by name; the outlined cell of a row is its largest."}
	for _, l := range r.Mapping.Info.Layers {
		h.Columns = append(h.Columns, l.Name)
	}
	var all []float64
	for _, row := range rows {
		h.Rows, h.Values, h.Marks = append(h.Rows, last(row.ROI)), append(h.Values, row.Values), append(h.Marks, row.Best)
		all = append(all, row.Values...)
	}
	h.Lo, h.Hi = 0, 0
	for _, x := range all {
		if !math.IsNaN(x) {
			h.Lo, h.Hi = math.Min(h.Lo, x), math.Max(h.Hi, x)
		}
	}
	h.Hi = math.Max(h.Hi, h.Lo+1e-6)
	first := rows[0]
	h.Alt = fmt.Sprintf("%s: %d regions and %d layers; in %s the largest is %s. The table has every number.", title, len(rows), len(h.Columns), h.Rows[0], h.Columns[first.Best])
	return h
}

// retinotopySection shows where the space selectors look, by region.
func retinotopySection(r Run) *Section {
	rows := r.Results.Retinotopy
	if len(rows) == 0 || rows[0].NVertices == 0 {
		return nil
	}
	s := &Section{ID: "retinotopy", Title: "Implied retinotopy", Simulated: r.Mapping.Info.Simulated, Show: []Show{
		{"roi", "Region", "", ""}, {"n_vertices", capital(r.units()), "", ""}, {"x_lh_mean", "x, left hemisphere", "", ""}, {"x_rh_mean", "x, right hemisphere", "", ""}, {"contralateral", "Looks at the other side", "", ""},
		{"ecc_mean", "Eccentricity (°)", "", ""}, {"ecc_r", "ρ of eccentricity", "", ""}, {"angle_r", "Circular r of angle", "", ""}, {"angle_error", "Angle off by (°)", "", ""}, {"reason", "Remarks", "", ""}}}
	for _, t := range r.Results.Tables {
		if t.Name == "retinotopy" {
			s.Table = t
		}
	}
	all := rows[0]
	text := fmt.Sprintf("Over the %s that read local tokens, the left hemisphere’s look at x = %s and the right one’s at %s on average (−1 left edge, 1 right edge of the picture); %s look at the side opposite to their own.",
		plural(all.NVertices, r.unit(), r.units()), short(all.XLeft), short(all.XRight), percent(all.Contra))
	if math.IsNaN(all.XLeft) && math.IsNaN(all.XRight) {
		text = fmt.Sprintf("%s read local tokens. Their hemispheres are not known, so nothing is said of sides.", capital(plural(all.NVertices, r.unit(), r.units())))
	}
	s.Text = append(s.Text, text)
	if a := r.Results.Atlas; a != nil && all.NAtlas > 2 {
		s.Text = append(s.Text, fmt.Sprintf("Against the atlas (%s): circular correlation of polar angles %s, median difference %s°, rank correlation of eccentricities %s.", a.Name, short(all.AngleR), short(all.AngleError), short(all.EccR)))
		s.Methods = append(s.Methods, "Polar angles are compared by the circular correlation of Jammalamadaka and SenGupta (2001), eccentricities by Spearman's.")
	}
	s.Methods = append(s.Methods, "Image points stand for the visual field with the picture's centre as fixation; points of units whose local share is below 0.1 are left out.")
	return s
}

func percent(x float64) string {
	if math.IsNaN(x) {
		return none
	}
	return short(100*x) + " %"
}
