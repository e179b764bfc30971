package analyze

import (
	"context"
	"fmt"

	"cortexmap/internal/cortex"
	"cortexmap/internal/store"
)

// Input is one mapping and what is needed of its data set.
type Input struct {
	Mapping   *store.Mapping
	Geometry  *cortex.Geometry // nil: the units have no place on a surface; no maps, no intervals
	Hierarchy Hierarchy        // without levels: no slope
	Atlas     *Atlas           // of the visual field; nil: what was planted, if anything
	R2Top     float64          // upper end of the R² maps, the same for all plates of a run; NaN: this mapping's own
	Test      *TestSet         // of its scores; nil: not known, and no intervals over images
	Draws     int              // of photographs, for those intervals; 0: none
	Shuffled  *store.Mapping   // the same fit with the responses given to other images (the control of that name); nil: not made
	Bounds    Bounds           // which intervals are given
}

// Bounds says which 95 % intervals of slopes and means are given.
type Bounds string

// BoundsAuto, which "" stands for too: over space on the cortex for one subject (see Field), Student's t over subjects
// for two or more.
//
// BoundsSpatial: over space always. The mean of n subjects then has the half width √(Σ hᵢ²)/n of their own, hᵢ: it
// speaks of these people's cortices, however many they are, and of no others.
//
// BoundsSubjects: over subjects only. What is one subject's has no bounds, since nothing can be said about people.
const (
	BoundsAuto     Bounds = "auto"
	BoundsSpatial  Bounds = "spatial"
	BoundsSubjects Bounds = "subjects"
)

// Results are all analyses of one mapping. What does not apply is nil.
type Results struct {
	ROIs       []ROI         // by hierarchy, then by name
	Alignment  []Alignment   // by quantity: share, expected, argmax; by over: rois, vertices
	Recovery   *Recovery     // of a planted truth; only where the mapping's network generated the responses
	Layers     []Score       // a score a layer and kind; only of methods that fit each layer by itself
	Scores     []ImageScore  // with intervals over test images; nil without a TestSet
	Regions    []RegionLayer // a row a region and layer
	Clusters   *Clusters     // of channels; only of methods whose vertices share channels
	Retinotopy []Retinotopy  // all units, then a row a region; only of methods with a space selector
	Atlas      *Atlas        // that it was compared with
	Maps       []*cortex.Map
	Tables     []*Table
	Warnings   []store.Warning
}

// Run calls every analysis that applies to the mapping.
func Run(ctx context.Context, in Input) (*Results, error) {
	r := &Results{}
	field, err := NewField(ctx, in)
	if err != nil {
		return nil, err
	}
	if r.ROIs, err = ROIs(ctx, in, field); err != nil {
		return nil, err
	}
	r.Tables = append(r.Tables, ROITable(in.Mapping, r.ROIs), MethodTable(in, field))
	if in.Test != nil && in.Draws > 0 {
		if r.Scores, err = ImageScores(ctx, in); err != nil {
			return nil, err
		}
		r.Tables = append(r.Tables, ImageTable(in, r.Scores))
	}
	if r.Regions, err = RegionLayers(ctx, in, field); err != nil {
		return nil, err
	}
	if r.Regions != nil {
		r.Tables = append(r.Tables, RegionLayerTable(in.Mapping, r.Regions))
	}
	if err := r.align(ctx, in, field); err != nil {
		return nil, err
	}
	if in.Mapping.Truth != nil {
		rec := Recover(in.Mapping)
		rec.recoverSlope(in)
		r.Recovery = &rec
		r.Tables = append(r.Tables, RecoveryTable(in.Mapping, rec))
	}
	if r.Layers = LayerScores(in.Mapping); r.Layers != nil {
		r.Tables = append(r.Tables, LayerTable(in.Mapping, r.Layers))
	}
	if r.Atlas = in.Atlas; r.Atlas == nil {
		r.Atlas = Planted(in.Mapping)
	}
	if r.Retinotopy, err = FindRetinotopy(ctx, in, r.Atlas); err != nil {
		return nil, err
	}
	if r.Retinotopy != nil {
		r.Tables = append(r.Tables, RetinotopyTable(in.Mapping, r.Atlas, r.Retinotopy))
	}
	r.Maps = Maps(in)
	if r.Clusters, err = FindClusters(ctx, in); err != nil {
		return nil, err
	}
	if r.Clusters != nil {
		r.Tables = append(r.Tables, ClusterTable(in.Mapping, r.Clusters))
		if m := ClusterMap(in, r.Clusters); m != nil {
			r.Maps = append(r.Maps, m)
		}
	}
	for _, t := range r.Tables {
		identify(t, &in.Mapping.Info)
	}
	r.Warnings = warnings(in, r)
	return r, nil
}

// align adds the alignment of a mapping with selectors.
func (r *Results) align(ctx context.Context, in Input, field *Field) (err error) {
	switch {
	case in.Mapping.Selector == nil:
	case len(in.Hierarchy.Levels) == 0:
		r.Tables = append(r.Tables, AlignmentTable(in, unordered()))
	default:
		if r.Alignment, err = Align(ctx, in, field); err != nil {
			return err
		}
		r.Tables = append(r.Tables, AlignmentTable(in, r.Alignment), LevelTable(in, r.Alignment))
	}
	return nil
}

// identify adds the columns method and ablation, without which the rows of a run's mappings can't be told apart.
func identify(t *Table, i *store.FitInfo) {
	if t.Column("method") < 0 {
		behind := "protocol"
		if t.Column(behind) < 0 {
			behind = "seed"
		}
		t.Insert(behind, Column{"method", "factortopy, factortopy_free, or a baseline"}, i.Method)
	}
	if t.Column("ablation") < 0 {
		t.Insert("method", Column{"ablation", "what is taken away from FactorTopy"}, ablationOf(i))
	}
}

// warnings are what a reader must know before any number.
func warnings(in Input, r *Results) []store.Warning {
	var out []store.Warning
	info := &in.Mapping.Info
	if info.Simulated {
		out = append(out, store.Warning{ID: "simulated", Text: "The responses are simulated: every number and map here describes a planted cortex, not a brain."})
		if info.Generator != "" && info.Generator != info.Model {
			out = append(out, store.Warning{ID: "favours-generator",
				Text: fmt.Sprintf("The simulated responses were made from %s: comparisons of networks on this subject favour it, and nothing is recovered of the truth with %s.", info.Generator, info.Model)})
		}
	}
	for _, a := range r.Alignment {
		if a.Over == "rois" && a.Quantity == "share" && len(a.Missing) > 0 {
			out = append(out, store.Warning{ID: "levels-left-out", Text: fmt.Sprintf("No fitted vertices in %s of the hierarchy %s: left out, the other levels keep their places.", list(a.Missing), in.Hierarchy.Name)})
		}
	}
	if n := unfitted(in.Mapping); n > 0 {
		out = append(out, store.Warning{ID: "not-fitted", Text: fmt.Sprintf("Not fitted, for want of data or variance: %d of %d units.", n, len(in.Mapping.Vertices))})
	}
	if n := low(in.Mapping); n > 0 && n < len(in.Mapping.Vertices)-unfitted(in.Mapping) { // of all, the fit says no-ceiling
		out = append(out, store.Warning{ID: "low-ceiling", Text: fmt.Sprintf("Noise ceiling below %.2f or unknown: %d units, left out of means of R² / ceiling.", ceilingFloor, n)})
	}
	return out
}

func unfitted(m *store.Mapping) int {
	n := 0
	for i := range m.Vertices {
		if !m.Vertices[i].Fitted {
			n++
		}
	}
	return n
}

// low counts fitted units whose ceiling is unknown or too small.
func low(m *store.Mapping) int {
	n := 0
	for i := range m.Vertices {
		if v := &m.Vertices[i]; v.Fitted && !(float64(v.Ceiling) >= ceilingFloor) {
			n++
		}
	}
	return n
}
