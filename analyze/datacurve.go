package analyze

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// DataPoint is one fit of a data curve: what a network's mapping onto a subject is worth with fewer training images
// than there are, and how far its maps are those of the fit to most of them ("the full fit", same seed, test images and
// settings). All agreements are over the units fitted in both, R² and slope over the point's own.
type DataPoint struct {
	Mapping       *store.Mapping
	Full          *store.Mapping // itself for the last point, whose agreements are empty
	Units         int            // in both
	R2, R2Norm    Interval       // means, 95 % spatial
	Slope         Interval       // of shares over ROI means, 95 % spatial; NaN without a hierarchy
	DepthR        float64        // Pearson of the depth maps (shares)
	DepthOff      float64        // mean |difference of depth|, 0..1
	LocalR        float64        // Pearson of the maps of local share
	SpaceDistance float64        // median distance of image points in −1..1 coordinates, where both local shares are at least 0.1
	JensenShannon float64        // mean over units of the distance of their shares over layers (JensenShannon)
	R2R           float64        // Pearson of the R² maps
	// SeedDepthR is what DepthR is between two seeds with this point's number of images, mean over the pairs; NaN with one
	// seed. More than that no agreement can mean.
	SeedDepthR float64
	Reason     string // why something is empty
}

// DataCurve is the curve of one network, subject, seed and way of fitting, fewest images first.
type DataCurve struct{ Points []DataPoint }

// DataCurves finds what was fitted with two or more numbers of training images (fit.images), all else being equal, and
// measures each; nil where nothing was.
func DataCurves(ctx context.Context, all []Fitted) ([]DataCurve, error) {
	groups := map[curveKey][]Fitted{}
	var order []curveKey
	for _, f := range all {
		k := curveOf(&f.Mapping.Info)
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], f)
	}
	var out []DataCurve
	for _, k := range order {
		fits := groups[k]
		slices.SortStableFunc(fits, func(a, b Fitted) int { return a.Mapping.Info.Images - b.Mapping.Info.Images })
		full := fits[len(fits)-1]
		if fits[0].Mapping.Info.Images == full.Mapping.Info.Images {
			continue
		}
		var c DataCurve
		for _, f := range fits {
			p, err := dataPoint(ctx, f, full.Mapping)
			if err != nil {
				return nil, err
			}
			p.SeedDepthR = seedAgreement(f.Mapping, all)
			c.Points = append(c.Points, p)
		}
		out = append(out, c)
	}
	return out, nil
}

// curveKey is what the fits of a curve have in common.
type curveKey struct {
	model, subject, protocol, method, settings string
	seed                                       int
}

func curveOf(i *store.FitInfo) curveKey {
	return curveKey{i.Model, i.Subject, i.Protocol, MethodOf(i), otherSettings(i.Swept), i.Seed}
}

// otherSettings is what a sweep set besides the number of images: "fit.images=500 fit.protocol=paper".
func otherSettings(swept string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(swept), func(s string) bool { return strings.HasPrefix(s, "fit.images=") }), " ")
}

// seedAgreement is the mean correlation of a mapping's depths with those of the fits that differ from it in nothing but
// their seed.
func seedAgreement(m *store.Mapping, all []Fitted) float64 {
	var r []float64
	for _, f := range all {
		o := f.Mapping
		k := curveOf(&o.Info)
		k.seed = m.Info.Seed
		if o.Info.Seed != m.Info.Seed && k == curveOf(&m.Info) && o.Info.Images == m.Info.Images && sameUnits(m, o) {
			r = append(r, stats.Pearson(depths(m, "share"), depths(o, "share")))
		}
	}
	return stats.Mean(r)
}

// dataPoint measures one fit.
func dataPoint(ctx context.Context, f Fitted, full *store.Mapping) (DataPoint, error) {
	m := f.Mapping
	p := DataPoint{Mapping: m, Full: full, Slope: bare(nan), DepthR: nan, DepthOff: nan, LocalR: nan, SpaceDistance: nan, JensenShannon: nan, R2R: nan, SeedDepthR: nan}
	field, err := NewField(ctx, f.input())
	if err != nil {
		return p, err
	}
	p.R2, p.R2Norm = wholeMean("r2")(f.input(), field, r2Of(m)), wholeMean("r2_norm")(f.input(), field, values(m, normalised))
	if len(f.Hierarchy.Levels) > 1 && m.Selector != nil {
		p.Slope = align(f.input(), field, "share", "rois", depths(m, "share")).Slope
	}
	switch {
	case m == full:
		p.Reason = "the full fit itself: nothing to agree with"
	case !SameTest(m, full):
		p.Reason = "the full fit has other units or test images"
	default:
		p.agree()
	}
	return p, nil
}

// agree fills the agreements with the full fit.
func (p *DataPoint) agree() {
	m, full := p.Mapping, p.Full
	local := func(v *store.Vertex) float64 { return float64(v.LocalShare) }
	p.DepthR, p.LocalR, p.R2R = stats.Pearson(depths(m, "share"), depths(full, "share")), stats.Pearson(values(m, local), values(full, local)), stats.Pearson(r2Of(m), r2Of(full))
	var off, way, js []float64
	layers := len(m.Info.Layers)
	for i := range m.Vertices {
		a, b := &m.Vertices[i], &full.Vertices[i]
		if !a.Fitted || !b.Fitted {
			continue
		}
		p.Units++
		off = append(off, math.Abs(float64(a.Depth)-float64(b.Depth)))
		if !pointless(a) && !pointless(b) {
			way = append(way, math.Hypot(float64(a.SpaceX)-float64(b.SpaceX), float64(a.SpaceY)-float64(b.SpaceY)))
		}
		if m.Share != nil && full.Share != nil {
			js = append(js, JensenShannon(positive(m.Share[i*layers:(i+1)*layers]), positive(full.Share[i*layers:(i+1)*layers])))
		}
	}
	p.DepthOff, p.SpaceDistance, p.JensenShannon = stats.Mean(off), stats.Median(way), stats.Mean(js)
	if m.Share == nil {
		p.Reason = "the method has no selectors: only R² can agree"
	}
}

// positive are shares without their negative parts, which a distribution can't have.
func positive(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = max(0, float64(v))
	}
	return out
}

// DataTable is data_curve.csv: a row a fit.
func DataTable(all []DataCurve) *Table {
	t := &Table{Name: "data_curve", Title: "What training images buy", Note: "Each fit beside the one with most training images of the same network, subject, seed and settings; intervals are 95 % and spatial, of one subject.", Columns: []Column{
		{"model", "network"}, {"subject", ""}, {"seed", "of the fit"}, {"protocol", ""}, {"method", "with what is taken away"}, {"settings", "what a sweep set besides"},
		{"images", "training images"}, {"full_images", "those of the full fit"}, {"n_vertices", "units fitted in both"},
		{"r2_mean", "mean R² on test images"}, {"r2_lo", "95 %"}, {"r2_hi", "95 %"}, {"r2_norm_mean", "mean R² / noise ceiling"}, {"r2_norm_lo", "95 %"}, {"r2_norm_hi", "95 %"},
		{"slope", "of the hierarchy, shares over levels"}, {"slope_lo", "95 %"}, {"slope_hi", "95 %"},
		{"depth_r", "Pearson of the depth maps"}, {"depth_off", "mean |difference of depth|, 0..1"}, {"local_share_r", "Pearson of the maps of local share"},
		{"space_distance", "median distance of image points, the picture is 2 wide"}, {"js_distance", "mean Jensen-Shannon distance of the shares over layers, 0..1"}, {"r2_r", "Pearson of the R² maps"},
		{"seed_depth_r", "depth_r between seeds with as many images"}, {"reason", "of what is missing"}, simulatedColumn,
	}}
	for _, c := range all {
		for _, p := range c.Points {
			i := &p.Mapping.Info
			reason := p.Reason
			if math.IsNaN(p.SeedDepthR) {
				reason = also(reason, "one seed")
			}
			if math.IsNaN(p.R2.Lo) {
				reason = also(reason, noSpatial)
			}
			t.Add(i.Model, i.Subject, i.Seed, i.Protocol, MethodOf(i), otherSettings(i.Swept), i.Images, p.Full.Info.Images, p.Units,
				p.R2.Estimate, p.R2.Lo, p.R2.Hi, p.R2Norm.Estimate, p.R2Norm.Lo, p.R2Norm.Hi, p.Slope.Estimate, p.Slope.Lo, p.Slope.Hi,
				p.DepthR, p.DepthOff, p.LocalR, p.SpaceDistance, p.JensenShannon, p.R2R, p.SeedDepthR, reason, i.Simulated)
		}
	}
	return t
}

// Name tells a curve from others, for people.
func (c DataCurve) Name() string {
	i := &c.Points[0].Mapping.Info
	return strings.TrimSpace(fmt.Sprintf("%s onto %s, %s, seed %d %s", i.Model, i.Subject, MethodOf(i), i.Seed, otherSettings(i.Swept)))
}
