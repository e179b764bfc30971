package stats

import "math"

// SlopeWeights are the weights a of vertices for which aᵀy is the slope of the least-squares line over levels'
// means: level[v] is a vertex's level, 0..K−1 (−1: in none), place[k] the x of level k. Levels without a
// vertex are left out. A vertex may count for part of a level only: part[v] is its weight within it (nil: all
// alike), as where a level is the unweighted mean of several ROIs' means. All NaN if fewer than two levels with
// different places have vertices.
func SlopeWeights(level []int, place, part []float64) []float64 {
	weight := make([]float64, len(place)) // of each level, then its factor
	for v, k := range level {
		if k >= 0 {
			weight[k] += partOf(part, v)
		}
	}
	var n, mean, norm float64
	for k, w := range weight {
		if w > 0 {
			n, mean = n+1, mean+place[k]
		}
	}
	mean /= n
	for k, w := range weight {
		if w > 0 {
			norm += square(place[k] - mean)
		}
	}
	if norm == 0 || n < 2 {
		norm = math.NaN()
	}
	a := make([]float64, len(level))
	for v, k := range level {
		if k >= 0 {
			a[v] = (place[k] - mean) / norm * partOf(part, v) / weight[k]
		}
	}
	return a
}

func partOf(part []float64, v int) float64 {
	if part == nil {
		return 1
	}
	return part[v]
}
