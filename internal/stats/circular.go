package stats

import "math"

// Circular is the correlation of two angles in radians, −1..1 (Jammalamadaka and SenGupta 2001, Topics in Circular
// Statistics):
//
//	r = Σ sin(a−ā) sin(b−b̄) / √(Σ sin²(a−ā) · Σ sin²(b−b̄))
//
// ā and b̄ the mean directions. Pairs with a missing angle are left out; NaN where one side does not vary, or has no mean
// direction because it goes round evenly.
func Circular(a, b []float64) float64 {
	a, b = pairs("Circular", a, b)
	ma, oka := direction(a)
	mb, okb := direction(b)
	if !oka || !okb || constant(a) || constant(b) {
		return math.NaN()
	}
	var ab, aa, bb float64
	for i := range a {
		x, y := math.Sin(a[i]-ma), math.Sin(b[i]-mb)
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return max(-1, min(1, ab/math.Sqrt(aa*bb)))
}

// direction is the mean direction; false for one whose resultant is nothing but rounding.
func direction(a []float64) (float64, bool) {
	var s, c float64
	for _, x := range a {
		s, c = s+math.Sin(x), c+math.Cos(x)
	}
	return math.Atan2(s, c), math.Hypot(s, c) > 1e-9*float64(len(a)+1)
}
