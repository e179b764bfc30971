package subject

import (
	"math"
	"slices"

	"cortexmap/internal/stats"
)

// publishedShared is how many of the 1,000 shared pictures have 3, 2, 1 and 0 repeats, by the number of sessions
// (users.md section 5).
var publishedShared = map[int][4]int{40: {1000, 0, 0, 0}, 32: {614, 213, 103, 70}, 30: {515, 251, 141, 93}}

// generalVertices is the number of vertices of nsdgeneral on fsaverage.
const generalVertices = 37984

// inspect says of an NSD subject what its owner can hold against the published numbers, and does so where the
// same vertices and sessions are looked at.
func (n *nsd) inspect(c *checker) {
	s := n.s
	if !c.failed["nsd-sessions"] {
		c.Counts["sessions"], c.Counts["sessions_used"], c.Counts["trials_a_session"] = len(n.sessions), n.used, n.trials
	}
	if !c.failed["pictures"] && s.Trials != nil {
		n.inspectShared(c)
	}
	if c.failed["values"] || c.failed["ceiling"] || s.NCSNR == nil {
		return
	}
	thousandth := func(x float64) float64 { return math.Round(1000*x) / 1000 }
	median := stats.Median(widened(s.NCSNR))
	three := stats.Ceiling(median, 1.0/nsdRepeats)
	c.Counts["ncsnr_median"], c.Counts["ncsnr_max"] = thousandth(median), thousandth(float64(slices.Max(s.NCSNR)))
	c.Counts["ceiling_median_percent_of_3_trials"] = math.Round(1000*three) / 10
	if n.repeated < fewRepeats {
		return
	}
	own := stats.Median(n.squares)
	c.Counts["ncsnr_median_of_these_trials"] = thousandth(own)
	if own < median/2 || own > 2*median {
		c.add("ncsnr-differs", Warn, c.b.folder.place(n.betas()),
			"near 0: trials and pictures are shifted against each other; else the files of ncsnr are another subject's or of another preparation",
			"the median ncsnr of the trials is %.3f, that of NSD's files %.3f", own, median)
	}
	if i := n.number - 1; i < len(publishedNCSNR) && s.Units >= generalVertices-generalVertices/100 && s.Units <= generalVertices {
		c.Counts["ncsnr_median_published_in_nsdgeneral"] = publishedNCSNR[i]
		if math.Abs(median-publishedNCSNR[i]) > 0.0015 { // published to three digits
			c.add("ncsnr-published", Warn, c.b.folder.place(n.betas()), "check mask, subject and preparation: betas_fithrf_GLMdenoise_RR inside nsdgeneral was published",
				"the median ncsnr is %.3f, published is %.3f", median, publishedNCSNR[i])
		}
	}
}

// inspectShared counts the shared pictures by their repeats.
func (n *nsd) inspectShared(c *checker) {
	times := map[int]int{}
	for _, row := range n.design.picture[:n.used*n.trials] {
		times[row]++
	}
	var by [4]int
	for row := range n.design.shared {
		by[3-min(times[row], 3)]++
	}
	c.Counts["shared_pictures_by_3_2_1_0_repeats"] = by
	if want, known := publishedShared[n.used]; known && n.trials == sessionTrials && by != want {
		c.add("counts-published", Warn, c.b.folder.place(nsdDesign), "download the design again",
			"shared pictures with 3, 2, 1 and 0 repeats are %v, published for %d sessions %v", by, n.used, want)
	}
}
