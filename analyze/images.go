package analyze

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// TestSet is what a mapping's scores come from: the responses to its test images, and what it predicted for them.
type TestSet struct {
	Photos    []string  // [N] the photograph that each image was cut from; windows and repeats of one have one name
	Measured  []float32 // [fitted vertices, N]; NaN: no response
	Predicted []float32 // [fitted vertices, N]
}

// ImageScore is the mean score of a region's fitted units with its 95 % interval over test images: how far it could
// move if this very fit were scored on other photographs of the kind. It says nothing of another fit, of other
// people, or of a ceiling that was estimated (ceilings are taken as known).
//
// Photographs are drawn anew with replacement, all windows of one together, since they are alike: with c_g how often
// photograph g was drawn, e the error, and sums over a photograph's images that have a response,
//
//	R²*  = 1 − Σ c_g Σe² / (Σ c_g Σt² − (Σ c_g Σt)² / Σ c_g n_g)
//
// for each unit, r* alike, and their mean over the region's units. The bounds are
//
//	2θ − mean(θ*) ± t √(G/(G−1)) SD(θ*),   t the 97.5 % point of Student's t on G−1 degrees of freedom
//
// (stats.CorrectedInterval). Percentiles of θ*, which are simpler, hold the R² of the population far too rarely with
// few photographs: R² is measured around the mean of the same few images, and so comes out a little low, in every
// draw once more.
type ImageScore struct {
	ROI       string // "": all fitted units
	Measure   string // r2, r, r2_norm
	NVertices int    // that have the score
	NImages   int
	NPhotos   int
	Interval
	Reason string // why bounds are missing

	draws []float64
}

// Draws is how many times photographs were drawn.
func (s *ImageScore) Draws() int { return len(s.draws) }

// imageMeasures are the scores that have intervals over images.
var imageMeasures = []string{"r2", "r", "r2_norm"}

const (
	leastPhotos = 8   // photographs below which a spread over them is not known
	imageChunk  = 256 // units whose draws are held at once
	imageSeed   = 0
)

// ImageScores are the scores of all fitted units together and of each region, by region and then by measure.
func ImageScores(ctx context.Context, in Input) ([]ImageScore, error) {
	b := newImageBootstrap(in)
	for from := 0; from < len(b.units); from += imageChunk {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b.chunk(from, min(from+imageChunk, len(b.units)))
	}
	var out []ImageScore
	for k, name := range b.names {
		for j, measure := range imageMeasures {
			out = append(out, b.score(name, measure, &b.sums[k][j]))
		}
	}
	return out, nil
}

// drawn is the sum over a region's units of a score, as measured and in each draw.
type drawn struct {
	units int
	sum   float64
	draws []float64
}

// imageBootstrap adds up the draws of all regions.
type imageBootstrap struct {
	test   *TestSet
	m      *store.Mapping
	units  []int // rows of the mapping, of fitted vertices
	photo  []int // [N] place of an image's photograph
	photos int
	weight blas64.General // [draws + 1, photos]: how often each was drawn; the first row is the images as they are
	names  []string       // of regions; the first is all units
	member [][]int        // [fitted vertices] the regions it lies in
	sums   [][]drawn      // [regions][measures]
}

func newImageBootstrap(in Input) *imageBootstrap {
	b := &imageBootstrap{test: in.Test, m: in.Mapping, names: append([]string{""}, roiNames(in.Mapping, in.Hierarchy)...)}
	for i := range b.m.Vertices {
		if !b.m.Vertices[i].Fitted {
			continue
		}
		b.units = append(b.units, i)
		var at []int
		for k, name := range b.names {
			if name == "" || In(&b.m.Vertices[i], name) {
				at = append(at, k)
			}
		}
		b.member = append(b.member, at)
	}
	place := map[string]int{}
	for _, p := range b.test.Photos {
		if _, ok := place[p]; !ok {
			place[p] = len(place)
		}
		b.photo = append(b.photo, place[p])
	}
	b.photos = len(place)
	draws := in.Draws
	if b.photos < leastPhotos {
		draws = 0
	}
	b.weight = blas64.General{Rows: draws + 1, Cols: b.photos, Stride: b.photos, Data: make([]float64, (draws+1)*b.photos)}
	for g := range b.photos {
		b.weight.Data[g] = 1
	}
	row := b.weight.Data[b.photos:]
	stats.Bootstrap(b.photos, draws, imageSeed, func(items []int) float64 {
		for _, g := range items {
			row[g]++
		}
		row = row[b.photos:]
		return 0
	})
	b.sums = make([][]drawn, len(b.names))
	for k := range b.sums {
		b.sums[k] = make([]drawn, len(imageMeasures))
		for j := range b.sums[k] {
			b.sums[k][j].draws = make([]float64, draws)
		}
	}
	return b
}

// moments are a unit's sums over some images: how many have a response, of responses t, predictions y and errors e
// Σt, Σt², Σy, Σy², Σe².
const (
	momentN = iota
	momentT
	momentTT
	momentY
	momentYY
	momentEE
	moments
)

// chunk adds the units from..to.
func (b *imageBootstrap) chunk(from, to int) {
	n := to - from
	var sums, drawn [moments]blas64.General
	for i := range moments {
		sums[i] = blas64.General{Rows: b.photos, Cols: n, Stride: n, Data: make([]float64, b.photos*n)}
		drawn[i] = blas64.General{Rows: b.weight.Rows, Cols: n, Stride: n, Data: make([]float64, b.weight.Rows*n)}
	}
	for u := range n {
		b.add(from+u, func(moment, photo int, x float64) { sums[moment].Data[photo*n+u] += x })
	}
	for i := range moments {
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, b.weight, sums[i], 0, drawn[i])
	}
	for u := range n {
		ceiling := float64(b.m.Vertices[b.units[from+u]].Ceiling)
		var whole [3]float64
		for d := range b.weight.Rows {
			var s [moments]float64
			for i := range moments {
				s[i] = drawn[i].Data[d*n+u]
			}
			scores := imageScores(s, ceiling)
			if d == 0 {
				whole = scores
			}
			for _, k := range b.member[from+u] {
				b.note(k, d, whole, scores)
			}
		}
	}
}

// add sums a unit's images, by photograph. Responses are taken about their mean, which changes no score and keeps the
// sums of squares from cancelling.
func (b *imageBootstrap) add(u int, sum func(moment, photo int, x float64)) {
	n := len(b.photo)
	measured, predicted := b.test.Measured[u*n:(u+1)*n], b.test.Predicted[u*n:(u+1)*n]
	var mean, count float64
	for _, t := range measured {
		if t == t {
			mean, count = mean+float64(t), count+1
		}
	}
	mean /= count
	for i, g := range b.photo {
		if measured[i] != measured[i] {
			continue
		}
		t, y := float64(measured[i])-mean, float64(predicted[i])-mean
		sum(momentN, g, 1)
		sum(momentT, g, t)
		sum(momentTT, g, t*t)
		sum(momentY, g, y)
		sum(momentYY, g, y*y)
		sum(momentEE, g, (t-y)*(t-y))
	}
}

// imageScores are the scores of a unit's moments, NaN where the responses (or, of r, the predictions) don't vary.
func imageScores(s [moments]float64, ceiling float64) [3]float64 {
	const flat = 1e-9 // of the sum of squares: less is rounding
	n := s[momentN]
	sst, ssy := s[momentTT]-s[momentT]*s[momentT]/n, s[momentYY]-s[momentY]*s[momentY]/n
	if !(sst > flat*s[momentTT]) {
		return [3]float64{nan, nan, nan}
	}
	r2, r, norm := 1-s[momentEE]/sst, nan, nan
	if ssy > flat*s[momentYY] {
		ty := (s[momentTT] + s[momentYY] - s[momentEE]) / 2
		r = (ty - s[momentT]*s[momentY]/n) / math.Sqrt(sst*ssy)
	}
	if ceiling >= ceilingFloor {
		norm = r2 / ceiling
	}
	return [3]float64{r2, r, norm}
}

// note adds the scores of draw d, 0 being the images as they are, to region k. A unit without the score there is left
// out; one that has it, but not in a draw (few images, all with one response), keeps its own in that draw.
func (b *imageBootstrap) note(k, d int, whole, scores [3]float64) {
	for j, x := range scores {
		s := &b.sums[k][j]
		switch {
		case math.IsNaN(whole[j]):
		case d == 0:
			s.units, s.sum = s.units+1, s.sum+x
		case math.IsNaN(x):
			s.draws[d-1] += whole[j]
		default:
			s.draws[d-1] += x
		}
	}
}

// score is a region's mean with its bounds.
func (b *imageBootstrap) score(roi, measure string, s *drawn) ImageScore {
	out := ImageScore{ROI: roi, Measure: measure, NVertices: s.units, NImages: len(b.photo), NPhotos: b.photos, Interval: bare(nan)}
	if s.units == 0 {
		out.Reason = "no fitted unit has the score"
		if measure == "r2_norm" {
			out.Reason = "no fitted unit has a noise ceiling that can be divided by"
		}
		return out
	}
	out.Estimate = s.sum / float64(s.units)
	if b.photos < leastPhotos {
		out.Reason = fmt.Sprintf("%d photographs among the test images: an interval over them needs %d", b.photos, leastPhotos)
		return out
	}
	out.draws = slices.Clone(s.draws)
	for d := range out.draws {
		out.draws[d] /= float64(s.units)
	}
	out.Interval, _ = stats.CorrectedInterval(out.Estimate, out.draws, b.photos, 0.95)
	return out
}

// ImageDifference is one mapping's mean score minus another's, of the same units and test images: its interval is that
// of ImageScore over the differences within each draw, its p that of Student's t on the same degrees of freedom.
type ImageDifference struct {
	ROI, Measure string
	NPhotos      int
	Interval
	P, Q   float64 // two-sided, of no difference; Q after Benjamini and Hochberg over the regions of a measure
	Reason string
}

// DifferImages subtracts the scores of one mapping from those of another, which were drawn alike.
func DifferImages(of, from []ImageScore) []ImageDifference {
	var out []ImageDifference
	var p []float64 // of regions
	for _, a := range of {
		k := slices.IndexFunc(from, func(b ImageScore) bool { return b.ROI == a.ROI && b.Measure == a.Measure })
		if k < 0 {
			continue
		}
		b := from[k]
		d := ImageDifference{ROI: a.ROI, Measure: a.Measure, NPhotos: a.NPhotos, Interval: bare(a.Estimate - b.Estimate), P: nan, Q: nan}
		switch {
		case a.Reason != "":
			d.Reason = a.Reason
		case b.Reason != "":
			d.Reason = b.Reason
		case a.NVertices != b.NVertices:
			d.Reason = fmt.Sprintf("%d units have the score of one, %d that of the other", a.NVertices, b.NVertices)
		default:
			draws := make([]float64, len(a.draws))
			for i := range draws {
				draws[i] = a.draws[i] - b.draws[i]
			}
			d.Interval, d.P = stats.CorrectedInterval(d.Estimate, draws, d.NPhotos, 0.95)
		}
		out, p = append(out, d), append(p, d.P)
		if d.ROI == "" {
			p[len(p)-1] = nan
		}
	}
	for i, q := range fdrWithin(p, func(i int) string { return out[i].Measure }) {
		out[i].Q = q
	}
	return out
}

// ImageTable is scores.csv.
func ImageTable(in Input, scores []ImageScore) *Table {
	i := &in.Mapping.Info
	t := &Table{Name: "scores", Title: "Scores and their intervals over test images",
		Note: "Photographs drawn anew with replacement, all windows of one together: how far this fit's score could move on other photographs of the kind. Nothing of other fits or people; ceilings are taken as known.",
		Columns: fitColumns([]Column{
			{"roi", "region; empty: all fitted units"}, {"measure", "r2, r (Pearson), r2_norm (R² / noise ceiling)"},
			{"n_vertices", "fitted units that have the score"}, {"n_images", "test images"}, {"n_photos", "photographs that they were cut from"},
			{"mean", "over units"}, {"lo", "95 % over photographs"}, {"hi", "95 % over photographs"}, {"draws", "of photographs"}, {"reason", "of what is missing"}, simulatedColumn,
		})}
	for _, s := range scores {
		t.Add(fitCells(i, s.ROI, s.Measure, s.NVertices, s.NImages, s.NPhotos, s.Estimate, s.Lo, s.Hi, s.Draws(), s.Reason, i.Simulated)...)
	}
	return t
}

// ImageDifferenceTable is score_differences.csv: rows of one mapping and the one that it is compared with.
func ImageDifferenceTable(of, from *store.Mapping, all []ImageDifference) *Table {
	i, f := &of.Info, &from.Info
	t := &Table{Name: "score_differences", Title: "Scores beside those of the first mapping, on the same photographs",
		Note: "Mean score of this mapping minus the first one's of the same subject, units and test images; photographs drawn anew for both together.",
		Columns: fitColumns([]Column{
			{"from_model", "of the first mapping"}, {"from_seed", ""}, {"from_method", ""}, {"from_ablation", ""},
			{"roi", "region; empty: all fitted units"}, {"measure", "r2, r, r2_norm"}, {"n_photos", "photographs among the test images"},
			{"difference", "this − first"}, {"lo", "95 % over photographs"}, {"hi", "95 % over photographs"},
			{"p", "two-sided, of no difference"}, {"q", "false discovery rate, over the regions"}, {"reason", "of what is missing"}, simulatedColumn,
		})}
	for _, d := range all {
		t.Add(fitCells(i, f.Model, f.Seed, f.Method, ablationOf(f), d.ROI, d.Measure, d.NPhotos, d.Estimate, d.Lo, d.Hi, d.P, d.Q, d.Reason, i.Simulated)...)
	}
	return t
}

// SameTest says whether two mappings were scored on the same images and units.
func SameTest(a, b *store.Mapping) bool {
	return sameUnits(a, b) && slices.Equal(a.Info.Split.Test, b.Info.Split.Test)
}
