package store

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/internal/fault"
)

// predicting is testMapping with predictions of three test images for its two fitted vertices: of responses around
// 100,000, as raw scanner units are, and of a unit that predicts its mean.
func predicting() *Mapping {
	m := testMapping()
	m.Info.Split.Test = []string{"cc", "dd", "ee"}
	m.Predicted = &Predictions{Images: 3, Values: []float32{100000, 100001, 100003, -2, -2, -2}}
	return m
}

func TestPredictions(t *testing.T) {
	m := predicting()
	dir := filepath.Join(t.TempDir(), "m")
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := ReadPredictions(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	// float16 of at most two standard deviations (1.25 each) is 2^-10 of them; float32 near 100,000 is 2^-7.
	for i, want := range m.Predicted.Values {
		if math.Abs(float64(got.Values[i]-want)) > 1.25*0x1p-10+0x1p-7 {
			t.Errorf("prediction %d is %v, not %v", i, got.Values[i], want)
		}
	}
	if x := got.Of(1); len(x) != 3 || x[2] != -2 {
		t.Errorf("of the second vertex: %v", x)
	}
	without := filepath.Join(t.TempDir(), "m")
	if err := testMapping().Write(without); err != nil {
		t.Fatal(err)
	}
	if p, err := ReadPredictions(without, testMapping()); p != nil || err != nil {
		t.Errorf("of a mapping without: %v, %v", p, err)
	}
}

func TestPredictionsDamaged(t *testing.T) {
	cases := map[string]struct {
		want   string
		damage func(path string, m *Mapping) error
	}{
		"cut":             {"cut short", func(path string, _ *Mapping) error { return truncate(path, 5) }},
		"other images":    {"test images", func(_ string, m *Mapping) error { m.Info.Split.Test = m.Info.Split.Test[:2]; return nil }},
		"another subject": {"row 0", func(_ string, m *Mapping) error { m.Vertices[0].Vertex++; return nil }},
		"fewer vertices":  {"2 rows", func(_ string, m *Mapping) error { m.Vertices[2].Fitted = false; return nil }},
		"more vertices":   {"row 1", func(_ string, m *Mapping) error { m.Vertices[1].Fitted = true; return nil }},
		"another table": {"missing", func(path string, _ *Mapping) error {
			return copyFile(path, filepath.Join(filepath.Dir(path), WeightsName))
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir, m := filepath.Join(t.TempDir(), "m"), predicting()
			if err := m.Write(dir); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, PredictionsName)
			if err := c.damage(path, m); err != nil {
				t.Fatal(err)
			}
			_, err := ReadPredictions(dir, m)
			if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q and the path", err, c.want)
			}
		})
	}
}
