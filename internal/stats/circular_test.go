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
	if r := Circular([]float64{1, 1}, []float64{2, 3}); !math.IsNaN(r) {
		t.Errorf("a constant: %v", r)
	}
	if r := Circular([]float64{0, math.Pi}, []float64{1, 2}); !math.IsNaN(r) {
		t.Errorf("no mean direction: %v", r)
	}
}
