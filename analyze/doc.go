// Package analyze computes what is said about mappings: numbers a region, a slope along the hierarchy, the
// recovery of a planted truth, and maps of the cortex. One file an analysis; each is a function on a
// mapping that returns a documented struct, and every struct can give tidy tables.
//
// # Quantities
//
// Layers are numbered l = 0..L−1 in data order; the depth of layer l is l/(L−1), undefined for L = 1. A
// vertex has three depths, and every result says which one it was computed from:
//
//	share     Σ_l share_l·l/(L−1), share_l the part of the prediction's variance that comes through layer l
//	expected  Σ_l s_l·l/(L−1), s the layer selector
//	argmax    (argmax_l s_l)/(L−1)
//
// Shares come first: a layer with small features needs a large selector to say the same.
//
// # Means and intervals
//
// A region's mean is over its fitted vertices that have the number. One subject's intervals are spatial:
// neighbouring vertices are copies of each other, so the variance of a weighted sum Σ a_v y_v is aᵀΣa, with
// Σ a covariance over the distance along the cortex that is fitted to the residuals within each hemisphere
// (see Field). They say how far the number could move if the same cortex were measured again with other
// noise of the same smoothness; they say nothing about other people. Of several subjects they are of Student's t over
// them; Bounds can say otherwise.
//
// # Comparisons
//
// Compare pairs two mappings of the same units: every number is the mean of the vertices' differences, so its
// spatial interval is that of the difference map. p values of regions' R² are two-sided of that interval, q values
// Benjamini and Hochberg's over the regions. JensenShannon compares what layers contribute, CompareLayers (CKA)
// the networks' tokens, adjusted Rand the channel clusters.
//
// # Channels
//
// FindClusters groups vertices that read the shared channels alike; FindTopChannels finds, on tokens of the layers' own
// grids, the channels that a region reads most and the photographs that drive them (TopChannel).
//
// # Missing numbers
//
// NaN is a number that is not there; tables leave its cell empty, and a result that is undefined carries a
// warning with the reason. Nothing is ever replaced by 0.
package analyze
