package report

import (
	"math"
	"strings"
	"testing"
)

// TestMethodsOfIntervals: spatial intervals are described where there are some, and nowhere else (no surface,
// analyze.interval: subjects).
func TestMethodsOfIntervals(t *testing.T) {
	r := sampleRun(t, 40)
	if len(r.Results.Alignment) == 0 {
		t.Fatal("the sample has no alignment")
	}
	said := func() bool { return strings.Contains(strings.Join(methods(r), "\n"), "spatial") }
	if !said() {
		t.Error("the intervals are not described")
	}
	for i := range r.Results.Alignment {
		r.Results.Alignment[i].Slope.Lo, r.Results.Alignment[i].Slope.Hi = math.NaN(), math.NaN()
	}
	if said() {
		t.Error("intervals are described that are not there")
	}
}
