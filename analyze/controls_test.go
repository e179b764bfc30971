package analyze

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"cortexmap/internal/store"
)

// TestCompareControl: R² and slope stand beside the control's with intervals of their differences; every number that is
// not there has its reason, and no p is 0.
func TestCompareControl(t *testing.T) {
	in := onSurface(t, 4)
	m := in.Mapping
	m.Selector, m.Share = make([]float32, len(m.Vertices)*len(m.Info.Layers)), make([]float32, len(m.Vertices)*len(m.Info.Layers))
	random := rand.New(rand.NewPCG(1, 2))
	place := levelPlaces(in)
	control := *m
	control.Vertices = append([]store.Vertex(nil), m.Vertices...)
	for i := range m.Vertices {
		m.Vertices[i].R2, control.Vertices[i].R2 = float32(0.4+0.02*random.NormFloat64()), float32(0.02*random.NormFloat64())
		m.Vertices[i].Depth = float32(0.1 + 0.6*place[i] + 0.02*random.NormFloat64())
		control.Vertices[i].Depth = float32(0.3 + 0.2*place[i] + 0.02*random.NormFloat64())
	}
	rows, err := CompareControl(t.Context(), Shuffled, in, &control)
	if err != nil {
		t.Fatal(err)
	}
	slopes := 0
	for _, r := range rows {
		empty := math.IsNaN(r.Gain.Lo) || math.IsNaN(r.P)
		if empty == (r.Reason == "") || r.P < leastP {
			t.Errorf("%s %s: %+v", r.What, r.ROI, r)
		}
		if r.What == "slope" {
			slopes++
			near(t, "slope", r.Value, 0.6, 0.02)
			near(t, "the control's", r.Null, 0.2, 0.02)
			if !(r.Gain.Lo <= 0.4 && 0.4 <= r.Gain.Hi && r.Gain.Hi-r.Gain.Lo < 0.1) || r.N != len(m.Vertices) || r.P > 1e-3 {
				t.Errorf("slope over the control: %+v", r)
			}
		}
	}
	if slopes != 1 {
		t.Errorf("%d rows of the slope", slopes)
	}
	if text := string(ControlTable(m, rows).CSV()); strings.Contains(text, "NaN") {
		t.Errorf("NaN in the table:\n%s", text)
	}
	in.Geometry = nil
	if rows, err = CompareControl(t.Context(), RandomWeights, in, &control); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if r.Reason == "" {
			t.Errorf("without a surface %s %s says nothing: %+v", r.What, r.ROI, r)
		}
	}
}
