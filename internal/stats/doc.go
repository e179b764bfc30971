// Package stats is the arithmetic of claims: scores, noise ceilings, intervals, and corrections for many
// tests. Pure functions on float64, which keep no state and never draw from a hidden random source.
//
// # Scores
//
//	R2        1 − Σ(y−ŷ)² / Σ(y−ȳ)²; ȳ over the same items. May be negative
//	Pearson   cov(x,y) / (sd x · sd y); linear agreement, blind to slope and offset
//	Spearman  Pearson of the ranks, ties share their mean rank
//	Kendall   tau-b: (concordant − discordant) / √((pairs − ties x)(pairs − ties y))
//
// r² equals R² only where slope and offset are right, so a table always says which one it holds. A constant
// has no correlation with anything: the answer is NaN, to be counted and reported, never 0.
//
// # Noise ceilings
//
// A response to image i in trial t is signal plus noise, y_it = s_i + e_it. With n = σ_s/σ_e (ncsnr), the
// part of the variance of an average over k trials that a perfect model of the signal explains is
//
//	NC = n² / (n² + 1/k)                       for k trials of every image
//	NC = n² / (n² + mean_i(1/k_i))             where images have different numbers of trials
//
// It bounds R² and r²; √NC bounds r. Allen et al. 2022, Nature Neuroscience 25, "noise ceiling estimation".
//
// # Intervals and tests
//
// Bootstrap redraws images, never vertices: neighbours are copies of each other. Where a claim is made of a
// map over one brain, Spatial estimates how far neighbours are copies and gives the variance of any
// weighted sum over vertices (see there). Over subjects there is TInterval. PermutationP counts the observed
// arrangement among the permuted ones; FDR is Benjamini and Hochberg's.
//
// # Groups
//
// CosineKMeans and Ward make groups of vectors, AdjustedRand compares two partitions. All three are
// deterministic and always end.
//
// # Missing values
//
// NaN is missing. Functions of one slice leave it out; functions of pairs leave a pair out if either is
// missing. What remains may be too little: the answer is NaN then. Lengths that disagree panic.
package stats
