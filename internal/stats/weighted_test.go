package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestOrderSpearman holds the weighted form against Spearman of the items written out as often as they count.
func TestOrderSpearman(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		n := 3 + random.IntN(30)
		x, y, w := make([]float64, n), make([]float64, n), make([]float64, n)
		var a, b []float64
		for i := range n {
			x[i], y[i], w[i] = float64(random.IntN(12)), random.Float64(), float64(random.IntN(4)) // ties in x
			if random.IntN(8) == 0 {
				y[i], w[i] = math.NaN(), 0
			}
			for range int(w[i]) {
				a, b = append(a, x[i]), append(b, y[i])
			}
		}
		got, want := NewOrder(x).Spearman(NewOrder(y), w), Spearman(a, b)
		// both are a few hundred additions in float64
		if math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 1e-12 {
			t.Fatalf("%v %v %v: %v, written out %v", x, y, w, got, want)
		}
	}
	constant := NewOrder([]float64{0.1, 0.1, 0.1})
	if r := constant.Spearman(NewOrder([]float64{1, 2, 3}), []float64{1, 1, 1}); !math.IsNaN(r) {
		t.Errorf("a constant has the correlation %v", r)
	}
}
