package analyze

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// BrainRDM are the representational dissimilarity matrices of one region: a list a person, of the pairs i < j of
// pictures, row by row; NaN is no data. For recordings of which nothing else is given.
type BrainRDM struct {
	ROI    string
	People [][]float64
}

// RDMScore is how alike a layer's and a region's dissimilarities are (Kriegeskorte, Mur and Bandettini 2008):
//
//	d_ij = 1 − Pearson over the units of a layer, pictures i and j        the layer's RDM
//	ρ    = Spearman over the pairs i < j, the layer's RDM and the region's
//
// The units are all channels at all cells of the layer's grid; the global token is left out. Of several people, the
// region's RDM is their mean; beside it stands the mean of each person's own ρ, which is what the noise ceiling bounds.
type RDMScore struct {
	ROI    string
	Layer  int
	Name   string
	Depth  float64 // l/(L−1), NaN for L = 1
	Tokens string  // native: the layer's own grid; stored: the fit grid
	Images int
	People int
	// Spearman is ρ with the mean RDM. Its bounds are 95 % percentiles over images drawn anew (1,000 draws), pairs of an
	// image with itself left out: how far ρ would move with other pictures of the kind; nothing about other people.
	Spearman Interval
	// Person is the mean over people of ρ with each one's RDM, its bounds 95 % by t over people; NaN for one.
	Person Interval
	// CeilingLo and CeilingHi bound what Person could reach (Nili et al. 2014): the mean over people of ρ between one's
	// RDM and the mean of the others' (Lo), and the mean of all, ranks averaged (Hi, too high, since it holds one's own).
	CeilingLo, CeilingHi float64
	// P is one-sided, of pictures whose order says nothing (1,000 permutations, (1+k)/(1+n)); Q after Benjamini and
	// Hochberg over the layers of one region and kind of tokens.
	P, Q   float64
	Reason string // why a number is missing
}

const (
	rdmDraws = 1000
	rdmLeast = 8 // images below which an interval over images would be of a handful of pairs
)

// LayerRDM is a layer's dissimilarities over some images, the pairs i < j row by row: 1 − Pearson over the local
// tokens' numbers, NaN for an image whose tokens are all alike. It holds the layer's tokens of all these images.
func LayerRDM(ctx context.Context, f *store.Features, layer int, rows []int) ([]float64, error) {
	n, whole := len(rows), f.RowLen(layer)
	width := whole - f.Layers[layer].Width // without the global token
	tokens := make([]uint16, n*whole)
	if err := f.Read(ctx, layer, rows, tokens); err != nil {
		return nil, err
	}
	mean := make([]float64, n)
	for i := range n {
		for _, h := range tokens[i*whole : i*whole+width] {
			mean[i] += float64(store.Float(h)) / float64(width)
		}
	}
	const block = 512 // columns at a time: float64 of all of them would be four times the tokens
	x, gram := make([]float64, n*block), make([]float64, n*n)
	for at := 0; at < width; at += block {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		cols := min(block, width-at)
		for i := range n {
			for c := range cols {
				x[i*cols+c] = float64(store.Float(tokens[i*whole+at+c])) - mean[i]
			}
		}
		m := blas64.General{Rows: n, Cols: cols, Stride: cols, Data: x}
		blas64.Gemm(blas.NoTrans, blas.Trans, 1, m, m, 1, blas64.General{Rows: n, Cols: n, Stride: n, Data: gram})
	}
	out := make([]float64, 0, n*(n-1)/2)
	for i := range n {
		for j := i + 1; j < n; j++ {
			out = append(out, 1-gram[i*n+j]/math.Sqrt(gram[i*n+i]*gram[j*n+j])) // 0/0 is NaN
		}
	}
	return out, nil
}

// ScoreRDMs compares every layer of a store with every region, over the images given (rows of the store, in the order
// of the regions' pictures).
func ScoreRDMs(ctx context.Context, f *store.Features, rows []int, regions []BrainRDM, seed uint64) ([]RDMScore, error) {
	layers := make([][]float64, len(f.Layers))
	orders := make([]*stats.Order, len(f.Layers))
	for l := range layers {
		var err error
		if layers[l], err = LayerRDM(ctx, f, l, rows); err != nil {
			return nil, err
		}
		orders[l] = stats.NewOrder(layers[l])
	}
	var out []RDMScore
	for _, region := range regions {
		brain := newRegionRDM(region, len(rows), seed)
		from := len(out)
		var p []float64
		for l := range layers {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			s := brain.score(layers[l], orders[l])
			s.Layer, s.Name, s.Depth, s.Tokens = l, f.Layers[l].Name, nan, "stored"
			if last := len(layers) - 1; last > 0 {
				s.Depth = float64(l) / float64(last)
			}
			if f.Manifest.Grid == 0 {
				s.Tokens = "native"
			}
			out, p = append(out, s), append(p, s.P)
		}
		for l, q := range stats.FDR(p) {
			out[from+l].Q = q
		}
	}
	return out, nil
}

// regionRDM is a region prepared for many layers.
type regionRDM struct {
	BrainRDM
	images   int
	mean     []float64
	order    *stats.Order
	weights  [][]float64 // of the bootstrap's draws, by pair
	shuffles [][]int     // of the permutations, by image
	lo, hi   float64     // noise ceiling
}

func newRegionRDM(b BrainRDM, images int, seed uint64) *regionRDM {
	r := &regionRDM{BrainRDM: b, images: images, mean: meanOf(b.People)}
	r.order = stats.NewOrder(r.mean)
	r.lo, r.hi = rdmCeiling(b.People)
	if images < rdmLeast {
		return r
	}
	stats.Bootstrap(images, rdmDraws, seed, func(items []int) float64 {
		times := make([]float64, images)
		for _, i := range items {
			times[i]++
		}
		r.weights = append(r.weights, pairwise(times))
		return 0
	})
	random := rand.New(rand.NewPCG(seed, 0x7065726d)) // a stream of its own beside the bootstrap's
	for range rdmDraws {
		r.shuffles = append(r.shuffles, random.Perm(images))
	}
	return r
}

// pairwise is how often each pair i < j stands in a sample that holds image i so many times.
func pairwise(times []float64) []float64 {
	out := make([]float64, 0, len(times)*(len(times)-1)/2)
	for i := range times {
		for j := i + 1; j < len(times); j++ {
			out = append(out, times[i]*times[j])
		}
	}
	return out
}

// meanOf is the mean over people of each pair, missing ones left out.
func meanOf(people [][]float64) []float64 {
	out := make([]float64, len(people[0]))
	column := make([]float64, len(people))
	for k := range out {
		for p := range people {
			column[p] = people[p][k]
		}
		out[k] = stats.Mean(column)
	}
	return out
}

// rdmCeiling is Nili et al.'s; NaN for one person.
func rdmCeiling(people [][]float64) (lo, hi float64) {
	if len(people) < 2 {
		return nan, nan
	}
	ranked := make([][]float64, len(people))
	for p := range people {
		ranked[p] = stats.Ranks(people[p])
	}
	all := meanOf(ranked)
	var below, above []float64
	for p := range people {
		var others [][]float64
		for q := range people {
			if q != p {
				others = append(others, ranked[q])
			}
		}
		below = append(below, stats.Spearman(people[p], meanOf(others)))
		above = append(above, stats.Spearman(people[p], all))
	}
	return stats.Mean(below), stats.Mean(above)
}

// score compares one layer.
func (r *regionRDM) score(layer []float64, order *stats.Order) RDMScore {
	none := Interval{Estimate: nan, Lo: nan, Hi: nan}
	s := RDMScore{ROI: r.ROI, Images: r.images, People: len(r.People), Spearman: none, Person: none, CeilingLo: r.lo, CeilingHi: r.hi, P: nan, Q: nan}
	s.Spearman.Estimate = stats.Spearman(layer, r.mean)
	if len(r.People) > 1 {
		var each []float64
		for _, person := range r.People {
			each = append(each, stats.Spearman(layer, person))
		}
		s.Person = stats.TInterval(each, 0.95)
	}
	switch {
	case math.IsNaN(s.Spearman.Estimate):
		s.Reason = "the dissimilarities of the layer or of the region are all alike"
		return s
	case r.weights == nil:
		s.Reason = fmt.Sprintf("%d images: intervals and tests over images need %d", r.images, rdmLeast)
		return s
	}
	draws := make([]float64, len(r.weights))
	w := make([]float64, len(layer))
	for d, weights := range r.weights {
		for k := range w {
			w[k] = weights[k]
			if math.IsNaN(layer[k]) || math.IsNaN(r.mean[k]) {
				w[k] = 0
			}
		}
		draws[d] = order.Spearman(r.order, w)
	}
	s.Spearman = stats.PercentileInterval(s.Spearman.Estimate, draws, 0.95)
	s.P = stats.PermutationP(s.Spearman.Estimate, r.permuted(layer))
	return s
}

// permuted are the correlations with the pictures' order shuffled.
func (r *regionRDM) permuted(layer []float64) []float64 {
	ranks, mean := stats.Ranks(layer), stats.Ranks(r.mean)
	square := make([]float64, r.images*r.images)
	k := 0
	for i := range r.images {
		for j := i + 1; j < r.images; j++ {
			square[i*r.images+j], square[j*r.images+i] = ranks[k], ranks[k]
			k++
		}
	}
	null := make([]float64, len(r.shuffles))
	x := make([]float64, len(ranks))
	for d, at := range r.shuffles {
		k := 0
		for i := range r.images {
			for j := i + 1; j < r.images; j++ {
				x[k] = square[at[i]*r.images+at[j]]
				k++
			}
		}
		null[d] = stats.Pearson(x, mean)
	}
	return null
}

// RDMTable is rdms.csv: a row a layer, region and kind of tokens.
func RDMTable(model, subject string, simulated bool, scores []RDMScore) *Table {
	t := &Table{Name: "rdms", Title: "Representational similarity", Note: "Spearman of the dissimilarities of pairs of pictures (1 − Pearson over a layer's units), with the mean over people (spearman) and with each person's own (person). Bounds: images drawn anew; t over people. Ceiling: Nili et al. 2014.", Columns: []Column{
		{"model", "network"}, {"subject", ""}, {"roi", "region"}, {"tokens", "native grid, or the stored fit grid"}, {"layer", "0-based index"}, {"name", "of the layer"}, {"depth", "0 first … 1 last"},
		{"n_images", ""}, {"n_people", ""}, {"spearman", "with the mean RDM, −1..1"}, {"spearman_lo", "95 % over images"}, {"spearman_hi", "95 % over images"},
		{"person", "mean over people of each one's, −1..1"}, {"person_lo", "95 % over people"}, {"person_hi", "95 % over people"}, {"ceiling_lo", "of person, from the others"}, {"ceiling_hi", "of person, from all"},
		{"p", "one-sided, pictures permuted"}, {"q", "over the layers, false discovery rate"}, {"reason", "of what is missing"}, simulatedColumn,
	}}
	for _, s := range scores {
		t.Add(model, subject, s.ROI, s.Tokens, s.Layer, s.Name, s.Depth, s.Images, s.People, s.Spearman.Estimate, s.Spearman.Lo, s.Spearman.Hi,
			s.Person.Estimate, s.Person.Lo, s.Person.Hi, s.CeilingLo, s.CeilingHi, s.P, s.Q, s.Reason, simulated)
	}
	return t
}

// BestRDM is the layer most like a region by one kind of tokens; false if none has a number.
func BestRDM(scores []RDMScore, roi, tokens string) (best RDMScore, ok bool) {
	for _, s := range scores {
		if s.ROI == roi && s.Tokens == tokens && !math.IsNaN(s.Spearman.Estimate) && (!ok || s.Spearman.Estimate > best.Spearman.Estimate) {
			best, ok = s, true
		}
	}
	return best, ok
}
