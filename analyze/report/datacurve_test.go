package report

import (
	"testing"

	"cortexmap/analyze/draw"
)

// TestAgreementRange: correlations are shown below 1, from the tenth below the least.
func TestAgreementRange(t *testing.T) {
	for least, want := range map[float64]float64{0.994: 0.9, 0.87: 0.8, 0.3: 0.3, -0.02: -0.1, nan: 0.9} {
		if lo, hi := agreementRange([]draw.Series{{Y: []float64{nan, 0.999}}, {Y: []float64{least}}}); lo != want || hi != 1 {
			t.Errorf("%v: from %v to %v, want %v to 1", least, lo, hi, want)
		}
	}
}
