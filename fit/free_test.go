package fit

import (
	"context"
	"math"
	"testing"

	"cortexmap/internal/ort/orttest"
)

// Units without places find what was planted, each by itself; the scores are those of the weights that are
// written; and with pictures shuffled there is nothing to find. The published protocol learns slowly: it
// must only come out whole.
func TestFreeSelectors(t *testing.T) {
	p := plant(t, 13, 420, 60)
	p.in.Subject.Positions = nil
	for _, protocol := range []string{"sound", "paper"} {
		set := quick(protocol)
		m, err := Run(context.Background(), orttest.Runtime(t), p.in, Options{Settings: &set, Threads: 2, Control: protocol == "sound"})
		if err != nil {
			t.Fatal(err)
		}
		checkShape(t, m, p.in)
		if m.Info.Method != "factortopy_free" || m.Tensor("space.0.weight") != nil || m.Tensor("position.low") != nil {
			t.Errorf("method %s, or tensors of a topology", m.Info.Method)
		}
		ref := referenceOf(t, m, p.in, p.in.Test)
		weightsGiveTheScores(t, protocol, m, ref, ref.forward())
		var layer, space, near float64
		for v, row := range m.Vertices {
			if row.X == row.X || row.SpaceX != row.SpaceX || row.Scale != m.Tensor("scale.free").Data[v] {
				t.Fatalf("%s: unit %d is %+v", protocol, v, row)
			}
			layer += math.Abs(float64(row.LayerExpected)-p.layer[v]) / float64(len(m.Vertices))
			if p.scale[v] < 0.5 {
				space += math.Abs(float64(row.SpaceX) - p.x[v])
				near++
			}
		}
		s := m.Info.Scores
		if protocol == "paper" {
			continue
		}
		if s["r2_norm_mean"] < 0.5 || layer > 0.4 || space/near > 0.25 {
			t.Errorf("R² is %.3f of the ceiling; the layer is off by %.2f of 3, x by %.2f", s["r2_norm_mean"], layer, space/near)
		}
		// 70 test pictures: one unit's r has an SD of 0.12 where there is none, the median of 60 far less.
		if r, ok := s["r_shuffled_median"]; !ok || math.Abs(r) > 0.15 || s["r_median"] < 0.4 {
			t.Errorf("median r %.3f, with pictures shuffled %.3f", s["r_median"], r)
		}
	}
}

// The picks' gradient by themselves: without networks it is what (14) gives, and a unit's picks move by its
// own responses only.
func TestFreePicksAreTheUnitsOwn(t *testing.T) {
	p := plant(t, 14, 180, 20)
	p.in.Subject.Positions = nil
	set := quick("paper") // no shared prior; bottlenecks held
	set.Epochs, set.RateBottleneck, set.Clip, set.Regulariser = 2, 0, 0, 0
	before := fitPlanted(t, p.in, set, 2)
	units := p.in.Subject.Units
	for i := range p.in.Subject.Images.Stimuli {
		p.in.Subject.Responses[i*units+7] = -p.in.Subject.Responses[i*units+7] + float32(i%5)
	}
	after := fitPlanted(t, p.in, set, 2)
	for v, row := range after.Vertices {
		if same := row.SpaceX == before.Vertices[v].SpaceX && row.Scale == before.Vertices[v].Scale; same != (v != 7) {
			t.Errorf("unit %d: picks unchanged is %v when the responses of unit 7 change", v, same)
		}
	}
}
