package report

import (
	"fmt"

	"cortexmap/analyze"
)

// ImageSection says how far a mapping's scores could move on other photographs.
func ImageSection(simulated bool, scores []analyze.ImageScore) Section {
	s := Section{ID: "scores", Title: "Scores over test images", Simulated: simulated}
	names := map[string]string{"r2": "R²", "r": "Pearson’s r", "r2_norm": "R² / noise ceiling"}
	for _, x := range scores {
		switch {
		case x.ROI != "":
		case x.Reason == "":
			s.Text = append(s.Text, fmt.Sprintf("Mean %s of %d units is %s over %d test images of %d photographs.", names[x.Measure], x.NVertices, interval(x.Interval), x.NImages, x.NPhotos))
		default:
			s.Text = append(s.Text, fmt.Sprintf("Mean %s: %s (%s).", names[x.Measure], short(x.Estimate), x.Reason))
		}
	}
	s.Text = append(s.Text, "The bounds are those of this very fit on other photographs of the kind; they hold nothing of other fits or people. Every region’s are in tables/scores.csv, those of differences from the first mapping in tables/score_differences.csv.")
	for _, x := range scores {
		if x.Reason == "" {
			s.Methods = append(s.Methods, fmt.Sprintf("Intervals of scores over images: photographs were drawn anew with replacement (%d draws), all windows of one together; the bounds are corrected for the bias that the draws show and for the number of photographs by Student’s t (Efron and Tibshirani 1993; Hesterberg 2015).", x.Draws()))
			break
		}
	}
	return s
}
