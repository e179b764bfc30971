package report

import (
	"fmt"
	"math"
	"slices"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
	"cortexmap/internal/store"
)

var nan = math.NaN()

// RDMSection shows how alike a network's layers and a subject's regions are: a chart a region, and the table.
func RDMSection(model, subject string, simulated bool, scores []analyze.RDMScore) Section {
	s := Section{ID: "rdms", Title: "Representational similarity: " + model + " and " + subject, Simulated: simulated,
		Table: analyze.RDMTable(model, subject, simulated, scores),
		Show: []Show{{"roi", "Region", "", ""}, {"tokens", "Tokens", "", ""}, {"name", "Layer", "", ""}, {"depth", "Depth (0..1)", "", ""},
			{"spearman", "Spearman, mean RDM [95 %, images]", "spearman_lo", "spearman_hi"}, {"person", "Mean over people [95 %, people]", "person_lo", "person_hi"}, {"q", "q", "", ""}, {"reason", "Remarks", "", ""}},
		Text: []string{"Two pictures that a region answers to alike should look alike to the layer that resembles it. Nothing is fitted: each layer's dissimilarities are ranked against the region's."},
	}
	var rois []string
	for _, x := range scores {
		if !slices.Contains(rois, x.ROI) {
			rois = append(rois, x.ROI)
		}
	}
	people := 0
	for _, roi := range rois {
		s.Charts = append(s.Charts, Chart{rdmChart(model, subject, roi, simulated, scores), "tables/rdms.csv"})
		if best, ok := analyze.BestRDM(scores, roi, shownTokens(scores)); ok {
			people = max(people, best.People)
			s.Text = append(s.Text, fmt.Sprintf("%s: %s is most alike, Spearman %s over the pairs of %s.%s", roi, best.Name, interval(best.Spearman), plural(best.Images, "picture", "pictures"), ceilingWords(best)))
		}
	}
	s.Methods = []string{"Representational dissimilarities of a layer are 1 − Pearson between pictures over all channels and cells (native grid, and the stored fit grid beside it); they are compared with the recorded ones by Spearman's correlation over pairs of pictures (Kriegeskorte, Mur and Bandettini 2008). Bounds over images are 95 % bootstrap percentiles (1,000 draws); p is one-sided of 1,000 permutations of the pictures, (1 + k)/(1 + n), and q follows Benjamini and Hochberg over the layers."}
	if people > 1 {
		s.Methods = append(s.Methods, "The noise ceiling over people is that of Nili et al. (2014).")
	}
	return s
}

// shownTokens is the kind of tokens that words and charts speak of.
func shownTokens(scores []analyze.RDMScore) string {
	for _, x := range scores {
		if x.Tokens == "native" {
			return "native"
		}
	}
	return "stored"
}

func ceilingWords(x analyze.RDMScore) string {
	if math.IsNaN(x.CeilingLo) {
		return ""
	}
	return fmt.Sprintf(" Over %d people the mean of each one's own is %s; the noise ceiling is %s to %s.", x.People, interval(x.Person), short(x.CeilingLo), short(x.CeilingHi))
}

// rdmChart is one region's correlation against layer, by kind of tokens.
func rdmChart(model, subject, roi string, simulated bool, scores []analyze.RDMScore) draw.Chart {
	c := draw.Chart{Name: "rdms_" + store.SafeName(model) + "_" + store.SafeName(subject) + "_" + store.SafeName(roi), Title: fmt.Sprintf("Which layer of %s is like %s", model, roi), XLabel: "layer, first to last",
		YLabel: "Spearman of dissimilarities, layer and region (−1..1)", XLo: -0.5, YLo: nan, YHi: nan, Simulated: simulated,
		Note: "Points with 95 % intervals over images (bootstrap); of several people the mean dissimilarities are compared."}
	for _, tokens := range []string{"native", "stored"} {
		series := draw.Series{Name: tokens + " tokens", Join: true, Secondary: tokens == "stored"}
		for _, x := range scores {
			if x.ROI != roi || x.Tokens != tokens {
				continue
			}
			series.X, series.Y = append(series.X, float64(x.Layer)), append(series.Y, x.Spearman.Estimate)
			series.Lo, series.Hi = append(series.Lo, x.Spearman.Lo), append(series.Hi, x.Spearman.Hi)
			if len(c.XTicks) < len(series.X) {
				c.XTicks = append(c.XTicks, draw.Tick{At: float64(x.Layer), Name: x.Name})
			}
		}
		if series.X != nil {
			c.Series = append(c.Series, series)
			c.XHi = float64(len(series.X)) - 0.5
		}
	}
	if len(c.Series) > 1 {
		c.Series[1].Lo, c.Series[1].Hi = nil, nil // two sets of bars would hide each other
	}
	if best, ok := analyze.BestRDM(scores, roi, shownTokens(scores)); ok {
		c.Alt = fmt.Sprintf("Spearman's correlation of dissimilarities against layer for %s: highest at %s, %s. The table has every layer.", roi, best.Name, short(best.Spearman.Estimate))
	}
	return c
}
