package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestCircular: a turned copy correlates with 1, its mirror image with −1, what is independent with about 0 (standard
// deviation 1/√n), and angles on either side of the seam are near each other.
func TestCircular(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var a, turned, mirrored, other []float64
	for range 2000 {
		x := math.Pi + 0.6*random.NormFloat64() // around the seam
		a, turned, mirrored = append(a, math.Remainder(x, 2*math.Pi)), append(turned, x+1), append(mirrored, -x)
		other = append(other, 0.6*random.NormFloat64())
	}
	for name, c := range map[string]struct {
		b            []float64
		want, within float64
	}{"turned": {turned, 1, 1e-9}, "mirrored": {mirrored, -1, 1e-9}, "independent": {other, 0, 4 / math.Sqrt(2000)}} {
		if r := Circular(a, c.b); !(math.Abs(r-c.want) <= c.within) {
			t.Errorf("%s: %v", name, r)
		}
	}
	// Two hemispheres that look at opposite sides have no mean direction to speak of. The correlation is the pairs' all the same.
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 2))
		var a, b []float64
		for i := range 30 {
			x := float64(i%2)*math.Pi + 0.5*random.NormFloat64()
			a, b = append(a, x), append(b, x+0.1*random.NormFloat64())
		}
		if r := Circular(a, b); !(r > 0.8) { // of one side alone 0.5/√(0.5²+0.1²) = 0.98, with 30 pairs at least 0.9
			t.Errorf("two sides, seed %d: %v", seed, r)
		}
		var num, aa, bb float64
		for i := range a {
			for j := range i {
				x, y := math.Sin(a[i]-a[j]), math.Sin(b[i]-b[j])
				num, aa, bb = num+x*y, aa+x*x, bb+y*y
			}
		}
		if r, want := Circular(a, b), num/math.Sqrt(aa*bb); math.Abs(r-want) > 1e-12 {
			t.Errorf("%v, pair by pair %v", r, want)
		}
	}
	if r := Circular([]float64{1, 1}, []float64{2, 3}); !math.IsNaN(r) {
		t.Errorf("a constant: %v", r)
	}
	if r := Circular([]float64{0, math.Pi}, []float64{1, 2}); !math.IsNaN(r) {
		t.Errorf("half a turn and nothing between: %v", r)
	}
}
