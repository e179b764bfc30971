// Package synth makes the simulated subject: a brain whose answer is known, so that a fit can be marked.
//
// The geometry is real (fsaverage5 and the visual areas of Glasser et al. 2016), the pictures are real,
// the network that generates the responses is real; what a unit reads from that network is planted here.
// Nothing in this package passes through a bottleneck, a fit grid or any code of the fit (it may not even
// import it): the truth lies outside the fit's own family, as a brain's does. Everything made from such a
// subject is to be called simulated.
//
// # What is planted
//
// A unit's place on its hemisphere's sphere (radius 100 mm) decides everything but its own channel
// weights. Distances are great circles on that sphere, in mm, within a hemisphere. K(σ) below is the mean
// over the hemisphere's units weighted by exp(-distance²/2σ²).
//
//	(1) place   h = K(10 mm) of (level - 1)/(levels - 1), level: the step of the hierarchy a unit's area is in
//	(2) depth   d = 0.3 + h (L - 1.6), in layer indices; the layers floor(d) and floor(d)+1 share linearly
//	(3) global  s = 1/(1 + exp(-9 (h - 0.6))): local tokens early, global ones late
//	(4) field   σ = 0.06 + 0.24 h, in half-widths of the image
//	(5) centre  x = ± e cos θ,  y = e sin θ, then K(6 mm) of both; + in the left hemisphere
//
// so that the left hemisphere sees the right half of the image, and late units see nearly all of it.
// Image coordinates are the house's: -1..1 from edge to edge, x right, y down. Eccentricity e and polar
// angle θ come from two coordinates of the surface, both taken from the areas themselves:
//
//	(6) u       mm along V1's long axis (the great circle through V1's second principal direction), to the front
//	    e     = (0.04 + 0.76 sqrt((u + 62)² + 8²)/107) (1 - 0.4 h)
//	(7) w       signed mm above that circle;   φ, the place between the borders that it crosses:
//	    V1      φ = |w| / (|w| + to V2)
//	    V2      φ = 1 + to V1 / (to V1 + to V3)
//	    V3      φ = 2 + to V2 / (to V2 + to the areas beyond)
//	    beyond  φ = 3 + to V3 / 25 mm
//	(8) θ     = 75° sign(w) sin(πφ/2)                                in V1
//	    θ     = 75° tanh(w/8 mm) sin²(πφ/2) exp(-max(0, φ - 3)/2)    elsewhere
//
// u = -62 mm is where the early areas meet at the occipital pole: their common fovea. (8) runs from the
// horizontal meridian in the middle of V1 to the vertical one at its border with V2, back to the
// horizontal one at the border with V3, and so on: the mirror reversals by which early areas are told
// apart in a living brain, the lower half of the field (y > 0) dorsal, the upper one ventral. Beyond V3
// the waves die out and the maps become central, contralateral and blurred. This is a caricature of
// retinotopy, chosen to be gentle: a selector that is a smooth function of the sphere has to be able to
// follow it (Description.Smoothness says how gentle it came out).
//
// # What a unit computes
//
// t_l[d, c] are the native tokens of layer l (channel d, cell c of H x W cells), g_l[d] its global token,
// sd_l[d] the local tokens' standard deviation over pictures and cells.
//
//	(9)  field       F[c] ~ exp(-|centre of c - (x, y)|² / 2σ²), summing to 1
//	(10) local_l   = Σ_d w_l[d]/sd_l[d] Σ_c F[c] t_l[d, c]
//	(11) global_l  = Σ_d w_l[d]/sd_l[d] g_l[d]
//	(12) signal    = z( Σ_l share_l ((1 - s) z(local_l) + s z(global_l)) )
//	(13) response  = sqrt(c) signal + sqrt(1 - c) noise
//
// z is the z-score over all pictures, c the noise ceiling of the response as it is handed over. The noise
// is independent in every unit, picture and repeat; the response is the mean of the repeats, and c is the
// mean's. Weights w_l are drawn in feature space, anew for each layer: with W(n) n rows of 20 normal
// numbers in 20 channels drawn at random,
//
//	(14) w_l = sqrt(1/2) Φ W(80) + sqrt(1/2) W(V)
//
// where row v of Φ holds exp(-distance²/2(12 mm)²) to 80 units drawn as centres, scaled to length 1. So
// half of the variance changes smoothly over the cortex and half is the unit's own.
//
// # How it is used
//
// Plant reads places and returns a Plan. The caller measures the generator's native tokens (ChannelStats),
// reads them through Plan.Readouts image by image, which is the only way they are ever held (the demo's
// would be 3 GB), and gives both parts to Plan.Finish. The plan is the same whatever network is fitted
// later. Drawn numbers come from math/rand/v2's PCG with one stream for each purpose, layer and unit,
// named by the seed and by hemisphere and vertex: the same seed gives the same subject, and a unit keeps
// its own weights and noise when other units are left out.
package synth
