package analyze

import (
	"math"
	"slices"

	"cortexmap/internal/store"
)

// Score is how well one layer by itself predicts the responses, by one measure (r_median, r2_mean, …).
type Score struct {
	Layer int     // 0-based
	Name  string  // the layer's
	Depth float64 // l/(L−1), NaN for L = 1
	Score string  // the measure's name: what it is and how it is summed up over units
	Value float64
}

// LayerScores lists the scores of a mapping that was fitted layer by layer (ridge), by measure and then by
// layer; nil for other methods.
func LayerScores(m *store.Mapping) []Score {
	names := map[string]bool{}
	for _, l := range m.Info.LayerScores {
		for name := range l.Scores {
			names[name] = true
		}
	}
	var out []Score
	for _, name := range sorted(names) {
		for _, l := range m.Info.LayerScores {
			value, ok := l.Scores[name]
			if !ok {
				continue
			}
			s := Score{Layer: l.Layer, Depth: nan, Score: name, Value: value}
			if last := len(m.Info.Layers) - 1; last > 0 {
				s.Depth = float64(l.Layer) / float64(last)
			}
			if l.Layer < len(m.Info.Layers) {
				s.Name = m.Info.Layers[l.Layer].Name
			}
			out = append(out, s)
		}
	}
	return out
}

// Best is the layer with the largest value of one measure; false if none has a value.
func Best(scores []Score, measure string) (Score, bool) {
	of := slices.DeleteFunc(slices.Clone(scores), func(s Score) bool { return s.Score != measure || math.IsNaN(s.Value) })
	if len(of) == 0 {
		return Score{}, false
	}
	return slices.MaxFunc(of, func(a, b Score) int {
		if a.Value < b.Value {
			return -1
		}
		return 1
	}), true
}

// Chosen is the layer that validation images prefer (largest r_val_median) with its value of a measure on
// test images; the test images' own favourite where there are no validation scores. A layer that was chosen
// on the images it is scored on would look better than it is.
func Chosen(scores []Score, measure string) (Score, bool) {
	by, ok := Best(scores, "r_val_median")
	if !ok {
		return Best(scores, measure)
	}
	for _, s := range scores {
		if s.Layer == by.Layer && s.Score == measure {
			return s, true
		}
	}
	return Score{}, false
}

// LayerTable is layers.csv: a row a layer and measure.
func LayerTable(m *store.Mapping, scores []Score) *Table {
	t := &Table{Name: "layers", Title: "Scores of single layers", Columns: []Column{
		{"model", "network"}, {"subject", ""}, {"seed", "of the fit"}, {"protocol", ""}, {"method", "how each layer was fitted"},
		{"layer", "0-based index"}, {"name", "of the layer"}, {"depth", "0 first … 1 last"}, {"score", "measure, and how it is summed up over units"},
		{"value", ""}, {"n_vertices", "fitted units"}, simulatedColumn,
	}}
	n := len(m.Vertices) - unfitted(m)
	for _, s := range scores {
		t.Add(m.Info.Model, m.Info.Subject, m.Info.Seed, m.Info.Protocol, m.Info.Method, s.Layer, s.Name, s.Depth, s.Score, s.Value, n, m.Info.Simulated)
	}
	return t
}
