package analyze

import (
	"context"
	"math"

	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// Atlas is what is known of the units' visual field from elsewhere: a retinotopic mapping or template, or what was
// planted.
type Atlas struct {
	Name  string
	Ecc   []float64 // [V] degrees of visual angle; NaN: outside of the atlas
	Angle []float64 // [V] degrees counter-clockwise from the right horizontal meridian
}

// Retinotopy is the visual field that a region's space selectors imply, by way of
//
//	ecc = (D/2)·√(x² + y²),  angle = atan2(−y, x)       x right, y down, −1..1; D the picture's width in degrees
//
// over the fitted vertices whose local share is at least 0.1: without local tokens an image point means nothing. The
// centre of the picture is taken as the point of fixation.
type Retinotopy struct {
	ROI           string // "": all
	NVertices     int
	XLeft, XRight float64 // mean x of each hemisphere's vertices: the right half of the picture is the left hemisphere's
	Contra        float64 // part of the vertices that look at the other side than they lie on
	Ecc           float64 // mean, degrees; NaN without D
	// against the atlas, over the vertices that it has:
	NAtlas     int
	EccR       float64 // Spearman of the eccentricities
	AngleR     float64 // circular correlation of the angles (stats.Circular)
	AngleError float64 // median |difference| of the angles, degrees
	Reason     string
}

// FindRetinotopy measures every region; nil where there are no space selectors. atlas may be nil.
func FindRetinotopy(ctx context.Context, in Input, atlas *Atlas) ([]Retinotopy, error) {
	if in.Mapping.Selector == nil {
		return nil, nil
	}
	m := in.Mapping
	all := make([]int, 0, len(m.Vertices))
	for i := range m.Vertices {
		if v := &m.Vertices[i]; v.Fitted && !pointless(v) && v.SpaceX == v.SpaceX {
			all = append(all, i)
		}
	}
	out := []Retinotopy{retinotopyOf(m, "", all, atlas)}
	for _, roi := range roiNames(m, in.Hierarchy) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var at []int
		for _, i := range all {
			if In(&m.Vertices[i], roi) {
				at = append(at, i)
			}
		}
		out = append(out, retinotopyOf(m, roi, at, atlas))
	}
	return out, nil
}

func retinotopyOf(m *store.Mapping, roi string, at []int, atlas *Atlas) Retinotopy {
	r := Retinotopy{ROI: roi, NVertices: len(at), Contra: nan, EccR: nan, AngleR: nan, AngleError: nan}
	var left, right, ecc, mine, theirs, a, b, off []float64
	contra, sided := 0.0, 0.0
	for _, i := range at {
		v := &m.Vertices[i]
		x, y := float64(v.SpaceX), float64(v.SpaceY)
		ecc = append(ecc, float64(v.EccDeg))
		switch v.Hemi {
		case "lh":
			left = append(left, x)
		case "rh":
			right = append(right, x)
		}
		if v.Hemi != "" {
			sided++
			if (v.Hemi == "lh") == (x > 0) {
				contra++
			}
		}
		if atlas == nil || math.IsNaN(atlas.Ecc[i]) || math.IsNaN(atlas.Angle[i]) {
			continue
		}
		angle := math.Atan2(-y, x)
		mine, theirs = append(mine, math.Hypot(x, y)), append(theirs, atlas.Ecc[i])
		a, b = append(a, angle), append(b, atlas.Angle[i]*math.Pi/180)
		off = append(off, math.Abs(turnBetween(angle, atlas.Angle[i]*math.Pi/180))*180/math.Pi)
	}
	r.XLeft, r.XRight, r.Ecc, r.NAtlas = stats.Mean(left), stats.Mean(right), stats.Mean(stats.Present(ecc)), len(a)
	if sided > 0 {
		r.Contra = contra / sided
	}
	switch {
	case len(at) == 0:
		r.Reason = "no fitted units that read local tokens"
		return r
	case atlas == nil:
		r.Reason = "the subject has no retinotopic atlas"
		return r
	case len(a) < 3:
		r.Reason = "fewer than three of the units lie in the atlas"
		return r
	}
	r.EccR, r.AngleR, r.AngleError = stats.Spearman(mine, theirs), stats.Circular(a, b), stats.Median(off)
	return r
}

// turnBetween is the smaller turn from b to a, −π..π.
func turnBetween(a, b float64) float64 { return math.Remainder(a-b, 2*math.Pi) }

// Planted is the atlas of a simulated subject: where its units were made to look. nil without a truth.
func Planted(m *store.Mapping) *Atlas {
	if m.Truth == nil {
		return nil
	}
	a := &Atlas{Name: "planted"}
	half := 1.0 // without a size, eccentricity in halves of the picture: ranks are the same
	if d := m.Info.Degrees; d != nil {
		half = *d / 2
	}
	for i := range m.Truth.X {
		x, y := m.Truth.X[i], m.Truth.Y[i]
		a.Ecc, a.Angle = append(a.Ecc, half*math.Hypot(x, y)), append(a.Angle, math.Atan2(-y, x)*180/math.Pi)
	}
	return a
}

// RetinotopyTable is retinotopy.csv.
func RetinotopyTable(m *store.Mapping, atlas *Atlas, rows []Retinotopy) *Table {
	t := &Table{Name: "retinotopy", Title: "Implied retinotopy", Note: "Of the units whose local share is at least 0.1. Angles are counter-clockwise from the right horizontal meridian; the picture’s centre is taken as fixation. Circular correlation after Fisher and Lee 1983: 1 also for angles that are all turned alike, which angle_error shows.", Columns: []Column{
		{"model", "network"}, {"subject", ""}, {"seed", "of the fit"}, {"protocol", ""}, {"roi", "region; empty: all units"}, {"n_vertices", "fitted units that read local tokens"},
		{"x_lh_mean", "mean x of the left hemisphere’s, −1 left … 1 right"}, {"x_rh_mean", "of the right hemisphere’s"}, {"contralateral", "part that looks at the other side, 0..1"}, {"ecc_mean", "degrees of visual angle"},
		{"atlas", "what it is compared with"}, {"n_atlas", "units in both"}, {"ecc_r", "Spearman of eccentricities"}, {"angle_r", "circular correlation of angles"}, {"angle_error", "median |difference|, degrees"}, {"reason", "of what is missing"}, simulatedColumn,
	}}
	name := ""
	if atlas != nil {
		name = atlas.Name
	}
	for _, r := range rows {
		t.Add(m.Info.Model, m.Info.Subject, m.Info.Seed, m.Info.Protocol, r.ROI, r.NVertices, r.XLeft, r.XRight, r.Contra, r.Ecc, name, r.NAtlas, r.EccR, r.AngleR, r.AngleError, r.Reason, m.Info.Simulated)
	}
	return t
}
