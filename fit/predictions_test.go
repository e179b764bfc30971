package fit

import (
	"math"
	"testing"

	"cortexmap/internal/store"
)

// predictionsGiveTheScores holds a mapping's predictions against its own scores: R² and r of what is predicted for the
// test images, in the responses' own unit.
func predictionsGiveTheScores(t *testing.T, in Input, m *store.Mapping) {
	t.Helper()
	if m.Predicted == nil || m.Predicted.Images != len(in.Test) {
		t.Fatalf("%s: predictions %+v for %d test images", m.Info.Method, m.Predicted, len(in.Test))
	}
	k := 0
	for u, row := range m.Vertices {
		if !row.Fitted {
			continue
		}
		var s tally
		for i, y := range m.Predicted.Of(k) {
			x := float64(in.Subject.Responses[in.Test[i]*in.Subject.Units+u])
			if x == x {
				s.add(x, float64(y))
			}
		}
		k++
		r2, r := s.scores()
		// The scores were added up from float32 products of standardised responses.
		if math.Abs(r2-float64(row.R2)) > 2e-4 || math.Abs(r-float64(row.R)) > 2e-4 {
			t.Errorf("%s: unit %d has R² %.5f and r %.5f, its predictions %.5f and %.5f", m.Info.Method, u, row.R2, row.R, r2, r)
		}
	}
}
