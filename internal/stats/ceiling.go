package stats

import "math"

// Ceiling is the part of the variance that a perfect model explains, 0..1, for a unit with this ncsnr
// (signal's over noise's standard deviation) whose test responses are averages: q is 1/k for k trials of
// every image, MeanInverse where the numbers of trials differ.
//
//	NC = ncsnr² / (ncsnr² + q)
//
// NaN for a missing or negative ncsnr. Fraction, never percent: NSD's files are converted where they are read.
func Ceiling(ncsnr, q float64) float64 {
	if math.IsNaN(ncsnr) || ncsnr < 0 {
		return math.NaN()
	}
	if math.IsInf(ncsnr, 1) {
		return 1
	}
	if ncsnr == 0 {
		return 0
	}
	return ncsnr * ncsnr / (ncsnr*ncsnr + q)
}

// MeanInverse is the mean of 1/k over images seen k times; images never seen are left out. With A, B, C
// images seen 3, 2, 1 times it is (A/3 + B/2 + C)/(A + B + C).
func MeanInverse(trials []int) float64 {
	sum, n := 0.0, 0
	for _, k := range trials {
		if k > 0 {
			sum, n = sum+1/float64(k), n+1
		}
	}
	return sum / float64(n)
}

// NCSNR estimates a unit's ratio of the signal's standard deviation to the noise's from single trials:
// trials[t] is the response in trial t, of image image[t] (0-based). Numbers of repeats may differ, images
// seen once count for the signal; NaN trials are left out.
//
// One-way analysis of variance with random effects: with I images, n_i trials each, N in all,
//
//	noise²  = MSW = Σ_it (y_it − ȳ_i)² / (N − I)
//	signal² = (MSB − MSW) / n₀,   MSB = Σ_i n_i (ȳ_i − ȳ)² / (I − 1),   n₀ = (N − Σ n_i²/N) / (I − 1)
//
// clipped at 0. For equal repeats this is NSD's "total variance − noise variance" but for a factor of
// (N − 1)/(N − n). The clipping inflates ceilings where there are few images: 200 images of 3 trials without
// any signal give a mean ceiling of 0.045. NaN if no image was repeated, or fewer than two were seen.
// Searle, Casella & McCulloch 1992, Variance Components, section 3.6.
func NCSNR(trials []float64, image []int) float64 {
	if len(trials) != len(image) {
		panic("stats: NCSNR: lengths differ")
	}
	sums, counts, total, trialsN := perImage(trials, image)
	var images, squares, within, between float64
	for i, n := range counts {
		if n > 0 {
			images++
			squares += n * n
			between += n * square(sums[i]/n-total/trialsN)
		}
	}
	for t, y := range trials {
		if !math.IsNaN(y) {
			within += square(y - sums[image[t]]/counts[image[t]])
		}
	}
	if images < 2 || trialsN == images {
		return math.NaN()
	}
	noise := within / (trialsN - images)
	n0 := (trialsN - squares/trialsN) / (images - 1)
	signal := max(0, (between/(images-1)-noise)/n0)
	if signal == 0 {
		return 0 // also where there is neither signal nor noise
	}
	return math.Sqrt(signal / noise)
}

// perImage sums each image's trials.
func perImage(trials []float64, image []int) (sums, counts []float64, total, n float64) {
	images := 0
	for _, i := range image {
		images = max(images, i+1)
	}
	sums, counts = make([]float64, images), make([]float64, images)
	for t, y := range trials {
		if !math.IsNaN(y) {
			sums[image[t]] += y
			counts[image[t]]++
			total, n = total+y, n+1
		}
	}
	return sums, counts, total, n
}
