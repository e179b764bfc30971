package fit

import (
	"math"
	"testing"
)

// What an ablation holds has one value in every unit, with and without places; the written weights still give the
// scores; and each reaches less than the whole model does, by more than noise where the plant needs what is
// taken away.
func TestAblations(t *testing.T) {
	p := plant(t, 21, 420, 60)
	whole := fitPlanted(t, p.in, quick("sound"), 2).Info.Scores["r2_norm_mean"]
	bare := p.in
	subject := *p.in.Subject
	subject.Positions = nil
	bare.Subject = &subject
	for _, c := range []struct {
		word  string
		layer int
		worse float64 // in parts of the ceiling: the plant spreads over three layers, all of the width, and both paths
	}{{"layer:1", 1, 0.05}, {Centre, -1, 0.05}, {Local, -1, 0.05}, {Global, -1, 0.05}} {
		for _, in := range []Input{p.in, bare} {
			set := quick("sound")
			set.Ablation = c.word
			m := fitPlanted(t, in, set, 2)
			checkShape(t, m, in)
			if m.Info.Ablation != c.word {
				t.Errorf("%s is recorded as %q", c.word, m.Info.Ablation)
			}
			ref := referenceOf(t, m, in, in.Test)
			weightsGiveTheScores(t, c.word, m, ref, ref.forward())
			for v, row := range m.Vertices {
				switch {
				case c.layer >= 0 && (int(row.LayerArgmax) != c.layer || row.LayerExpected != float32(c.layer) || row.LayerEntropy != 0):
					t.Fatalf("%s: unit %d reads layer %v", c.word, v, row.LayerExpected)
				case c.word == Centre && (row.SpaceX != 0 || row.SpaceY != 0):
					t.Fatalf("%s: unit %d looks at %v, %v", c.word, v, row.SpaceX, row.SpaceY)
				case c.word == Local && (row.Scale != 0 || math.Abs(float64(row.LocalShare)-1) > 1e-6):
					t.Fatalf("%s: unit %d has scale %v, local share %v", c.word, v, row.Scale, row.LocalShare)
				case c.word == Global && (row.Scale != 1 || row.LocalShare > 1e-6 || row.SpaceX == row.SpaceX):
					t.Fatalf("%s: unit %d has scale %v, local share %v, looks at %v", c.word, v, row.Scale, row.LocalShare, row.SpaceX)
				}
			}
			if in.Subject.Positions == nil {
				continue
			}
			if got := m.Info.Scores["r2_norm_mean"]; !(got > 0.1 && got < whole-c.worse) {
				t.Errorf("%s reaches %.3f of the ceiling, the whole model %.3f", c.word, got, whole)
			}
		}
	}
}

func TestAblationWords(t *testing.T) {
	for _, word := range []string{"", NoAblation, NoTopology, "layer:0", Centre, Local, Global, NoFactorisation} {
		if _, err := heldBy(word, 1); err != nil {
			t.Errorf("%q: %v", word, err)
		}
	}
	for _, word := range []string{"layer", "layer:", "layer:-1", "layer:x", "no"} {
		if _, err := heldBy(word, 1); err == nil {
			t.Errorf("%q is taken", word)
		}
	}
	if _, err := heldBy("layer:3", 3); err == nil {
		t.Error("a layer that isn't there is held")
	}
}
