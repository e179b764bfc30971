package analyze

import (
	"math"
	"testing"

	"cortexmap/internal/store"
)

// TestRegionLayers has two regions whose shares and scores are known by hand, and one that is empty.
func TestRegionLayers(t *testing.T) {
	m := sample(3, 2, map[string]float64{"V1": 0, "V2": 1}, "V1", "V2")
	for i := range m.Vertices {
		if i%4 < 2 { // V1
			m.Share, m.Selector = append(m.Share, 0.5, 0.25, 0.25), append(m.Selector, 0.8, 0.1, 0.1)
		} else {
			m.Share, m.Selector = append(m.Share, 0, 0.2, 0.8), append(m.Selector, 0, 0, 1)
		}
	}
	m.Vertices[0].Fitted = false
	for range m.Vertices {
		m.LayerR2 = append(m.LayerR2, 0.1, 0.3, 0.2)
	}
	r := run(t, Input{Mapping: m, Hierarchy: chain("V1", "V2", "V4"), R2Top: nan})
	if len(r.Regions) != 9 {
		t.Fatalf("%d rows", len(r.Regions))
	}
	at := func(k, l int) RegionLayer { return r.Regions[3*k+l] }
	if x := at(0, 0); x.NVertices != 3 || x.Share.Estimate != 0.5 || math.Abs(x.Selector-0.8) > 1e-6 || x.Most != 1 || math.Abs(x.R2.Estimate-0.1) > 1e-6 || !math.IsNaN(x.Share.Lo) {
		t.Errorf("V1: %+v", x)
	}
	if x := at(1, 2); math.Abs(x.Share.Estimate-0.8) > 1e-6 || x.Most != 1 || at(1, 0).Most != 0 {
		t.Errorf("V2: %+v", x)
	}
	if x := at(2, 1); x.NVertices != 0 || !math.IsNaN(x.Share.Estimate) || !math.IsNaN(x.Most) {
		t.Errorf("a region without vertices: %+v", x)
	}
	rows := Matrix(r.Regions, 3, func(x RegionLayer) float64 { return x.R2.Estimate })
	if len(rows) != 2 || rows[0].Best != 1 || rows[1].ROI != "areas/V2" {
		t.Errorf("matrix %+v", rows)
	}
}

// TestRetinotopy: units that look exactly where they were planted to, on the side opposite to their hemisphere, but for
// one; angles are told from the right, counter-clockwise.
func TestRetinotopy(t *testing.T) {
	m := sample(3, 4, map[string]float64{"V1": 0}, "V1")
	m.Share, m.Selector = make([]float32, 24), make([]float32, 24)
	degrees := 8.0
	m.Info.Degrees, m.Truth = &degrees, &store.Truth{Layers: 3}
	for i := range m.Vertices {
		v := &m.Vertices[i]
		v.SpaceX, v.SpaceY = float32(0.2+0.1*float64(i%4)), float32(-0.5+0.2*float64(i%4))
		if v.Hemi == "rh" {
			v.SpaceX = -v.SpaceX
		}
		v.EccDeg = float32(4 * math.Hypot(float64(v.SpaceX), float64(v.SpaceY)))
		m.Truth.X, m.Truth.Y = append(m.Truth.X, float64(v.SpaceX)), append(m.Truth.Y, float64(v.SpaceY))
	}
	m.Vertices[0].LocalShare = 0.05 // reads no place
	rows, err := FindRetinotopy(t.Context(), Input{Mapping: m}, Planted(m))
	if err != nil {
		t.Fatal(err)
	}
	r := rows[0]
	if r.NVertices != 7 || r.NAtlas != 7 || r.Contra != 1 || !(r.XLeft > 0.2) || !(r.XRight < -0.2) || math.Abs(r.EccR-1) > 1e-12 || math.Abs(r.AngleR-1) > 1e-12 || r.AngleError > 1e-4 || r.Reason != "" {
		t.Errorf("%+v", r)
	}
	if a := Planted(m); math.Abs(a.Angle[0]-math.Atan2(0.5, 0.2)*180/math.Pi) > 1e-5 || math.Abs(a.Ecc[0]-4*math.Hypot(0.2, 0.5)) > 1e-5 {
		t.Errorf("up and to the right: %v degrees at %v", a.Angle[0], a.Ecc[0])
	}
	rows, _ = FindRetinotopy(t.Context(), Input{Mapping: m}, nil)
	if r := rows[0]; r.Reason == "" || !math.IsNaN(r.AngleR) || r.Contra != 1 {
		t.Errorf("without an atlas: %+v", r)
	}
}
