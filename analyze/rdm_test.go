package analyze

import (
	"math"
	"math/rand/v2"
	"testing"

	"cortexmap/internal/stats"
)

// TestRDMCeiling has people who share a structure to a known degree, by hand: with two people the lower bound is their
// own correlation, and everybody's RDM alike gives 1 and 1.
func TestRDMCeiling(t *testing.T) {
	a, b := []float64{1, 2, 3, 4, 5, 6}, []float64{2, 1, 3, 4, 6, 5}
	lo, hi := rdmCeiling([][]float64{a, b})
	if want := stats.Spearman(a, b); math.Abs(lo-want) > 1e-12 || !(hi > lo && hi < 1) {
		t.Errorf("bounds %v and %v, the two agree to %v", lo, hi, want)
	}
	if lo, hi := rdmCeiling([][]float64{a, a, a}); math.Abs(lo-1) > 1e-12 || math.Abs(hi-1) > 1e-12 {
		t.Errorf("people who agree have bounds %v and %v", lo, hi)
	}
	if lo, hi := rdmCeiling([][]float64{a}); !math.IsNaN(lo) || !math.IsNaN(hi) {
		t.Errorf("one person has bounds %v and %v", lo, hi)
	}
}

// noisy are RDMs of people around a structure.
func noisy(random *rand.Rand, truth []float64, people int, noise float64) [][]float64 {
	out := make([][]float64, people)
	for p := range out {
		for _, x := range truth {
			out[p] = append(out[p], x+noise*random.NormFloat64())
		}
	}
	return out
}

// TestScoreRDM: a layer that is the structure itself is found, one that has nothing to do with it has a p that is
// uniform over cases, and of a handful of pictures there is no interval, with the reason.
func TestScoreRDM(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	const images = 20
	draw := func() []float64 {
		x := make([]float64, images*(images-1)/2)
		for k := range x {
			x[k] = random.Float64()
		}
		return x
	}
	truth := draw()
	brain := newRegionRDM(BrainRDM{ROI: "IT", People: noisy(random, truth, 6, 0.5)}, images, 1)
	s := brain.score(truth, stats.NewOrder(truth))
	if s.Spearman.Estimate < 0.6 || s.Spearman.Lo > s.Spearman.Estimate || s.P > 0.002 || s.People != 6 || s.Reason != "" || !(s.Person.Estimate <= s.CeilingHi+0.1) {
		t.Errorf("the structure itself: %+v", s)
	}
	low := 0
	const cases = 60
	for range cases {
		if other := draw(); brain.score(other, stats.NewOrder(other)).P < 0.1 {
			low++
		}
	}
	// binomial(60, 0.1): more than 14 has a probability below 0.001
	if low > 14 {
		t.Errorf("p below 0.1 in %d of %d unrelated layers", low, cases)
	}
	few := newRegionRDM(BrainRDM{ROI: "IT", People: [][]float64{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}}, 5, 1)
	x := []float64{1, 2, 3, 4, 5, 6, 7, 8, 10, 9}
	if s := few.score(x, stats.NewOrder(x)); math.IsNaN(s.Spearman.Estimate) || !math.IsNaN(s.Spearman.Lo) || !math.IsNaN(s.P) || s.Reason == "" {
		t.Errorf("five pictures: %+v", s)
	}
	flat := make([]float64, len(truth))
	if s := brain.score(flat, stats.NewOrder(flat)); !math.IsNaN(s.Spearman.Estimate) || s.Reason == "" {
		t.Errorf("a layer that sees no difference: %+v", s)
	}
}
