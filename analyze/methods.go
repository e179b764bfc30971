package analyze

import (
	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// MethodTable is methods.csv, a row a mapping: what FactorTopy, its ablations and the baselines are worth on the
// same tokens and split. Means and intervals are over fitted units; an interval is spatial (see Field) and empty
// where units have no place on a surface.
func MethodTable(in Input, field *Field) *Table {
	m := in.Mapping
	info := &m.Info
	t := &Table{Name: "methods", Title: "Methods on the same tokens and split",
		Note: "Means over fitted units, with 95 % spatial intervals of this one subject; r_shuffled_median is the median r of the same fit with the responses given to other pictures, where that was made (analyze.controls: shuffled, of the first seed; ridge always).",
		Columns: []Column{
			{"model", "network"}, {"subject", ""}, {"seed", "of the fit"}, {"protocol", ""}, {"method", "factortopy, factortopy_free (every unit picks for itself), ridge_layers, ridge_all, banded"},
			{"ablation", "what is taken away from FactorTopy"}, {"n_vertices", "fitted units"}, {"n_train", "training images"},
			{"r2_mean", "mean R² on test images"}, {"r2_lo", "95 %"}, {"r2_hi", "95 %"},
			{"r_mean", "mean Pearson r"}, {"r_lo", "95 %"}, {"r_hi", "95 %"}, {"r_median", "median Pearson r"}, {"r_shuffled_median", "control: median Pearson r with the responses given to other pictures"},
			{"r2_norm_mean", "mean of R² / noise ceiling, never clipped"}, {"r2_norm_lo", "95 %"}, {"r2_norm_hi", "95 %"},
			{"params", "fitted numbers"}, {"seconds", "of the fit"}, simulatedColumn,
		}}
	var at []int
	for i := range m.Vertices {
		if m.Vertices[i].Fitted {
			at = append(at, i)
		}
	}
	mean := func(name string, get func(*store.Vertex) float64) stats.Interval {
		return field.mean(name, values(m, get), at)
	}
	r2 := mean("r2_mean", func(v *store.Vertex) float64 { return float64(v.R2) })
	r := mean("r_mean", func(v *store.Vertex) float64 { return float64(v.R) })
	norm := mean("r2_norm_mean", normalised)
	seconds := 0.0
	for _, s := range sortedNames(info.Seconds) {
		seconds += info.Seconds[s]
	}
	t.Add(info.Model, info.Subject, info.Seed, info.Protocol, info.Method, ablationOf(info), len(at), info.Images,
		r2.Estimate, r2.Lo, r2.Hi, r.Estimate, r.Lo, r.Hi, Summarise(m).R, shuffledMedian(in), norm.Estimate, norm.Lo, norm.Hi,
		info.Parameters, seconds, info.Simulated)
	return t
}

// shuffledMedian is the median r of what a fit makes of nothing: of the control mapping, else of the control that the fit
// itself made (of a ridge a layer that of the layer chosen); NaN where there is neither.
func shuffledMedian(in Input) float64 {
	if in.Shuffled != nil {
		return Summarise(in.Shuffled).R
	}
	if r, ok := in.Mapping.Info.Scores["r_shuffled_median"]; ok {
		return r
	}
	if best, ok := Chosen(LayerScores(in.Mapping), "r_shuffled_median"); ok {
		return best.Value
	}
	return nan
}

func sortedNames(x map[string]float64) []string {
	set := map[string]bool{}
	for name := range x {
		set[name] = true
	}
	return sorted(set)
}

// ablationOf is what is taken away, "" for nothing.
func ablationOf(i *store.FitInfo) string {
	if i.Ablation == "none" {
		return ""
	}
	return i.Ablation
}

// MethodOf is a mapping's method with what was taken away: fits that differ in it are no seeds of each other.
func MethodOf(i *store.FitInfo) string {
	if a := ablationOf(i); a != "" && a != "no_topology" { // factortopy_free says that one
		return i.Method + ", " + a
	}
	return i.Method
}
