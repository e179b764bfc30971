package stats

import "math"

// Circular is the correlation of two angles in radians, −1..1 (Fisher and Lee 1983, Biometrika 70):
//
//	r = Σ sin(a_i−a_j) sin(b_i−b_j) / √(Σ sin²(a_i−a_j) · Σ sin²(b_i−b_j)),  sums over pairs i < j
//	  = (ΣCC·ΣSS − ΣCS·ΣSC) / √(…)    with C, S the cosine and sine, of a and then of b
//
// It is 1 where b is a turned by any angle and −1 where it is a's mirror image. Unlike correlations about mean directions
// (Jammalamadaka and SenGupta 2001) it needs none: the two hemispheres look at opposite sides, where a mean direction
// is a matter of chance, and then so is the sign. Pairs with a missing angle are left out; NaN where one side does not
// vary but by half turns.
func Circular(a, b []float64) float64 {
	a, b = pairs("Circular", a, b)
	ab, aa, bb := turns(a, b), turns(a, a), turns(b, b)
	const flat = 1e-12 // of n²: less is rounding
	if n := float64(len(a)); !(aa > flat*n*n) || !(bb > flat*n*n) {
		return math.NaN()
	}
	return max(-1, min(1, ab/math.Sqrt(aa*bb)))
}

// turns is the sum over pairs i < j of sin(a_i−a_j) sin(b_i−b_j).
func turns(a, b []float64) float64 {
	var cc, ss, cs, sc float64
	for i := range a {
		sa, ca := math.Sincos(a[i])
		sb, cb := math.Sincos(b[i])
		cc, ss, cs, sc = cc+ca*cb, ss+sa*sb, cs+ca*sb, sc+sa*cb
	}
	return cc*ss - cs*sc
}
