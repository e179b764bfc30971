package analyze

import (
	"fmt"
	"math"

	"cortexmap/internal/cortex"
	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// What several fits of a Spread differ in.
const (
	OverSeeds  = "seeds"        // start and order of training
	OverHalves = "half-samples" // the half of the training photographs that they saw
)

// Spread says how far a mapping's numbers move between several fits of one network to one subject, vertex by vertex.
//
//	mean, sd     over the fits, sd with n − 1
//	space        the mean point; sd is √(Σ|pᵢ − p̄|²/(n − 1)), in coordinates −1..1
//	angle        the direction of Σ e^{iθ}; sd is the circular one, √(−2 ln |Σ e^{iθ}/n|), in degrees
//	layer_argmax the most frequent, the lower of equals; in place of sd the part of the fits that agree with it
//
// Between seeds it is what an optimiser leaves open. Over half-samples, fits to random halves of the training
// photographs, sd estimates the standard error of a fit to all of them (delete-d jackknife with d = n/2, whose factor
// (n − d)/d is 1: Shao & Wu 1989, Annals of Statistics 17, 1176): what the choice of photographs leaves open. Neither
// says anything about other people.
type Spread struct {
	Over     string // OverSeeds, OverHalves
	Fits     int
	Info     store.FitInfo // of the first fit
	Sources  []string      // the fits' keys
	Numbers  []SpreadOf
	Disagree float64       // part of the fitted vertices whose expected layer differs by more than two between fits; NaN without selectors
	Maps     []*cortex.Map // mean and sd of each number, two maps each; nil without a place on a surface
}

// SpreadOf is one number's mean and sd, a vertex each; NaN where not all fits have it.
type SpreadOf struct {
	Name, Title, Unit string
	Mean, SD          []float64
}

// spreadNumbers are the numbers of a vertex whose mean and sd are the plain ones.
var spreadNumbers = []struct {
	name, title, unit string
	get               func(*store.Vertex) float64
}{
	{"r2", "R² on test images", "fraction of variance", func(v *store.Vertex) float64 { return float64(v.R2) }},
	{"r", "Pearson r on test images", "", func(v *store.Vertex) float64 { return float64(v.R) }},
	{"r2_norm", "R² / noise ceiling", "", normalised},
	{"depth", "depth of the shares, 0 first layer, 1 last", "", func(v *store.Vertex) float64 { return float64(v.Depth) }},
	{"layer_expected", "expected layer of the selector", "layer index from 0", func(v *store.Vertex) float64 { return float64(v.LayerExpected) }},
	{"layer_entropy", "entropy of the layer selector, 0 sure, 1 uniform", "", func(v *store.Vertex) float64 { return float64(v.LayerEntropy) }},
	{"scale", "scale selector, 0 local, 1 global", "", func(v *store.Vertex) float64 { return float64(v.Scale) }},
	{"local_share", "share of local tokens", "fraction of variance", func(v *store.Vertex) float64 { return float64(v.LocalShare) }},
	{"space_x", "image point, −1 left edge, 1 right edge", "", func(v *store.Vertex) float64 { return float64(v.SpaceX) }},
	{"space_y", "image point, −1 top edge, 1 bottom edge", "", func(v *store.Vertex) float64 { return float64(v.SpaceY) }},
	{"ecc_deg", "eccentricity of the image point", "degree of visual angle", func(v *store.Vertex) float64 { return float64(v.EccDeg) }},
}

// NewSpread measures two or more fits. It panics on fits of different vertices or layers, as Average does.
func NewSpread(over string, fits []*store.Mapping, g *cortex.Geometry) *Spread {
	s := &Spread{Over: over, Fits: len(fits), Info: fits[0].Info, Disagree: nan}
	mean := Average(fits...) // checks that the fits are alike
	for _, f := range fits {
		s.Sources = append(s.Sources, f.Info.Key)
	}
	for _, n := range spreadNumbers {
		s.add(n.name, n.title, n.unit, fits, n.get, func(x []float64) (float64, float64) { return stats.Mean(x), stats.SD(x) })
	}
	s.space(fits)
	s.add("angle_deg", "polar angle of the image point, circular mean and SD", "degree", fits, func(v *store.Vertex) float64 { return float64(v.AngleDeg) }, circular)
	s.add("layer_argmax", "most frequent layer of the largest selector; in place of SD the part of the fits that agree", "layer index from 0", fits,
		func(v *store.Vertex) float64 {
			if v.LayerArgmax < 0 {
				return nan
			}
			return float64(v.LayerArgmax)
		}, mode)
	s.disagree(fits)
	if Placed(g, mean) {
		in := Input{Mapping: mean, Geometry: g}
		for _, n := range s.Numbers {
			s.Maps = append(s.Maps, s.mapOf(in, n, "mean", n.Mean), s.mapOf(in, n, "sd", n.SD))
		}
	}
	return s
}

// add takes one number's mean and sd at every vertex; a number that no vertex has is left out.
func (s *Spread) add(name, title, unit string, fits []*store.Mapping, get func(*store.Vertex) float64, of func(x []float64) (mean, sd float64)) {
	n := SpreadOf{Name: name, Title: title, Unit: unit}
	each := make([][]float64, len(fits))
	for k, f := range fits {
		each[k] = values(f, get)
	}
	x := make([]float64, len(fits))
	for i := range each[0] {
		mean, sd := nan, nan
		for k := range fits {
			x[k] = each[k][i]
		}
		if len(stats.Present(x)) == len(x) {
			mean, sd = of(x)
		}
		n.Mean, n.SD = append(n.Mean, mean), append(n.SD, sd)
	}
	if len(stats.Present(n.Mean)) > 0 {
		s.Numbers = append(s.Numbers, n)
	}
}

// space adds the distance from the mean point, beside the mean's distance from the picture's centre.
func (s *Spread) space(fits []*store.Mapping) {
	x, y := s.Number("space_x"), s.Number("space_y")
	if x == nil || y == nil {
		return
	}
	n := SpreadOf{Name: "space", Title: "image point: distance of the mean from the picture's centre, and of the fits from the mean", Unit: "half widths of the picture"}
	for i := range x.Mean {
		n.Mean = append(n.Mean, math.Hypot(x.Mean[i], y.Mean[i]))
		n.SD = append(n.SD, math.Hypot(x.SD[i], y.SD[i])) // Σ|p − p̄|² is the axes' sum
	}
	s.Numbers = append(s.Numbers, n)
}

// circular is the mean direction of angles in degrees, −180..180, and their circular standard deviation.
func circular(deg []float64) (mean, sd float64) {
	var c, s float64
	for _, d := range deg {
		sin, cos := math.Sincos(d * math.Pi / 180)
		c, s = c+cos/float64(len(deg)), s+sin/float64(len(deg))
	}
	r := min(1, math.Hypot(c, s))
	return math.Atan2(s, c) * 180 / math.Pi, math.Sqrt(-2*math.Log(r)) * 180 / math.Pi
}

// mode is the most frequent of whole numbers, the lowest of equals, and the part that it has.
func mode(x []float64) (most, part float64) {
	count := map[float64]int{}
	for _, v := range x {
		count[v]++
	}
	most = math.Inf(1)
	for v, n := range count {
		if n > count[most] || n == count[most] && v < most {
			most = v
		}
	}
	return most, float64(count[most]) / float64(len(x))
}

// disagree counts the vertices whose expected layer differs by more than two layers between two fits.
func (s *Spread) disagree(fits []*store.Mapping) {
	far, all := 0, 0
	for i := range fits[0].Vertices {
		lo, hi := math.Inf(1), math.Inf(-1)
		known := true
		for _, f := range fits {
			x := float64(f.Vertices[i].LayerExpected)
			known = known && f.Vertices[i].Fitted && !math.IsNaN(x)
			lo, hi = min(lo, x), max(hi, x)
		}
		if known {
			all++
			if hi-lo > 2 {
				far++
			}
		}
	}
	if all > 0 {
		s.Disagree = float64(far) / float64(all)
	}
}

// Number finds a number by name, or nil.
func (s *Spread) Number(name string) *SpreadOf {
	for i := range s.Numbers {
		if s.Numbers[i].Name == name {
			return &s.Numbers[i]
		}
	}
	return nil
}

func (s *Spread) mapOf(in Input, n SpreadOf, of string, x []float64) *cortex.Map {
	words := map[string]string{"mean": "mean", "sd": "spread"}[of]
	m := newMap(in, n.Name+"_"+of, fmt.Sprintf("%s over %d %s: %s", words, s.Fits, s.Over, n.Title), n.Unit, cortex.RuleSequential, 0, top(nan, x), x)
	m.Note = fmt.Sprintf("Standard deviations over %d %s; where a number has none in some fit there is none here. They say nothing about other people.", s.Fits, s.Over)
	return m
}

// Shown are the maps that a report shows: the spread of depth, image point and R².
func (s *Spread) Shown() (out []*cortex.Map) {
	for _, m := range s.Maps {
		switch m.Name {
		case "depth_sd", "space_sd", "r2_sd":
			shown := *m
			shown.Name = m.Name + "_" + s.Over
			out = append(out, &shown)
		}
	}
	return out
}

// SpreadTable is spread.csv: a row a number.
func SpreadTable(s *Spread) *Table {
	t := &Table{Name: "spread", Title: "Spread between fits", Note: "Standard deviations of a vertex between fits, and their distribution over vertices; not between people.", Columns: []Column{
		{"model", "network"}, {"subject", ""}, {"protocol", ""}, {"method", "with its ablation"}, {"settings", "what a sweep set"},
		{"over", "what the fits differ in: seeds, or half-samples (random halves of the training photographs)"}, {"n_fits", ""},
		{"quantity", "as in mapping.parquet; space: distance from the mean point"}, {"mean", "over vertices, of the mean over fits"},
		{"sd_mean", "over vertices, of the sd over fits; of layer_argmax: the part of fits that agree"}, {"sd_median", ""}, {"sd_p95", "95th percentile over vertices"},
		{"disagree", "of layer_expected: part of the vertices where two fits differ by more than two layers"}, {"n_vertices", "that have it in all fits"}, simulatedColumn,
	}}
	i := &s.Info
	for _, n := range s.Numbers {
		disagree := nan
		if n.Name == "layer_expected" {
			disagree = s.Disagree
		}
		sd := stats.Present(n.SD)
		t.Add(i.Model, i.Subject, i.Protocol, MethodOf(i), i.Swept, s.Over, s.Fits, n.Name, stats.Mean(stats.Present(n.Mean)), stats.Mean(sd),
			stats.Quantile(sd, 0.5), stats.Quantile(sd, 0.95), disagree, len(sd), i.Simulated)
	}
	return t
}
