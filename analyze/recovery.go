package analyze

import (
	"math"

	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// Recovery is how much of a planted truth a fit found again. It exists only for the network that generated
// the simulated responses: another network's layers are other layers.
type Recovery struct {
	R2OverCeilingMean float64 // mean over vertices of r2 / ceiling
	LayerExpectedMAE  float64 // |expected layer of the selector − planted layer|, in layers
	DepthMAE          float64 // |depth of the shares − planted depth|, 0..1
	SpaceErrorMedian  float64 // distance of image points in −1..1 coordinates, where the planted local share is above 0.5
	LocalShareMAE     float64 // |local share − planted local share|, 0..1
	NVertices         int     // fitted
	NSpace            int     // of them those that SpaceErrorMedian is over
	// Slope of shares over ROI means beside that of the planted depths over the same vertices: selectors are smooth and
	// shrink towards each other, so that slopes through whole fits are biased, which no interval knows. NaN without a hierarchy.
	SlopePlanted, Slope float64
}

// Recover compares a mapping with its truth, vertex by vertex: mapping.Truth has a number a unit in the
// order of mapping.Vertices. It panics if the mapping has no truth or the lengths disagree.
func Recover(m *store.Mapping) Recovery {
	t := m.Truth
	if len(t.Depth) != len(m.Vertices) {
		panic("analyze: truth and vertices differ in length")
	}
	last := float64(t.Layers - 1)
	var layer, depth, local, space []float64
	r := Recovery{SlopePlanted: nan, Slope: nan}
	for i := range m.Vertices {
		v := &m.Vertices[i]
		if !v.Fitted {
			continue
		}
		r.NVertices++
		layer = append(layer, math.Abs(float64(v.LayerExpected)-t.Depth[i]))
		depth = append(depth, math.Abs(float64(v.Depth)-t.Depth[i]/last))
		local = append(local, math.Abs(float64(v.LocalShare)-(1-t.Global[i])))
		if 1-t.Global[i] > 0.5 {
			r.NSpace++
			space = append(space, math.Hypot(float64(v.SpaceX)-t.X[i], float64(v.SpaceY)-t.Y[i]))
		}
	}
	r.R2OverCeilingMean = stats.Mean(values(m, normalised))
	r.LayerExpectedMAE, r.DepthMAE, r.LocalShareMAE = stats.Mean(layer), stats.Mean(depth), stats.Mean(local)
	r.SpaceErrorMedian = stats.Median(space)
	return r
}

// recoverSlope fills the slopes.
func (r *Recovery) recoverSlope(in Input) {
	if len(in.Hierarchy.Levels) < 2 {
		return
	}
	t := in.Mapping.Truth
	found := depths(in.Mapping, "share")
	planted := make([]float64, len(found))
	for i := range planted {
		planted[i] = nan
		if !math.IsNaN(found[i]) {
			planted[i] = t.Depth[i] / float64(t.Layers-1)
		}
	}
	off := &Field{off: true}
	r.SlopePlanted, r.Slope = align(in, off, "planted", "rois", planted).Slope.Estimate, align(in, off, "share", "rois", found).Slope.Estimate
}

// RecoveryTable is recovery.csv.
func RecoveryTable(m *store.Mapping, r Recovery) *Table {
	t := &Table{Name: "recovery", Title: "Recovery of the planted truth", Note: "Simulated responses; for the network that made them only.", Columns: []Column{
		{"model", "network"}, {"subject", ""}, {"seed", "of the fit"}, {"protocol", ""},
		{"r2_over_ceiling_mean", "mean of R² / noise ceiling"}, {"layer_expected_mae", "mean error of the selector's expected layer, in layers"},
		{"depth_mae", "mean error of the shares' depth, 0..1"}, {"space_error_median", "median distance of image points, −1..1 coordinates, where the planted local share is above 0.5"},
		{"local_share_mae", "mean error of the local share, 0..1"}, {"slope_planted", "of the planted depths over the hierarchy's levels"}, {"slope_found", "of the shares; the difference is the fit's bias"}, {"n_vertices", "fitted units"}, {"generator", "network that made the responses"}, simulatedColumn,
	}}
	t.Add(m.Info.Model, m.Info.Subject, m.Info.Seed, m.Info.Protocol, r.R2OverCeilingMean, r.LayerExpectedMAE, r.DepthMAE,
		r.SpaceErrorMedian, r.LocalShareMAE, r.SlopePlanted, r.Slope, r.NVertices, m.Info.Generator, m.Info.Simulated)
	return t
}
