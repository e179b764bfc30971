package analyze

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"cortexmap/internal/store"
)

// TestDataCurves: fits that differ in their number of images (and what follows from it) make a curve, others none; the
// agreement is that of the numbers planted.
func TestDataCurves(t *testing.T) {
	regions := map[string]float64{"A": 0.2, "B": 0.4, "C": 0.6, "D": 0.8}
	fit := func(images, seed int, swept string, noise float64) Fitted {
		m := sample(11, 25, regions, "A", "B", "C", "D")
		m.Share = uniform(m)
		random := rand.New(rand.NewPCG(uint64(images), uint64(seed)))
		for i := range m.Vertices {
			m.Vertices[i].Depth += float32(noise * random.NormFloat64())
			m.Vertices[i].SpaceX, m.Vertices[i].SpaceY, m.Vertices[i].LocalShare = float32(noise), 0, 1
		}
		m.Info.Images, m.Info.Seed, m.Info.Swept, m.Info.Method, m.Info.Simulated = images, seed, swept, "factortopy", true
		return Fitted{Mapping: m, Hierarchy: chain("A", "B", "C", "D")}
	}
	all := []Fitted{
		fit(2000, 0, "fit.images=0", 0), fit(250, 0, "fit.images=250", 0.2), fit(500, 0, "fit.images=500", 0.05), // out of order
		fit(2000, 1, "fit.images=0", 0.01), fit(250, 1, "fit.images=250", 0.2),
		fit(2000, 0, "fit.images=0 fit.protocol=paper", 0), // alone of its kind
	}
	other := fit(250, 0, "fit.images=250", 0)
	other.Mapping.Info.Ablation = "centre" // alone, too
	curves, err := DataCurves(t.Context(), append(all, other))
	if err != nil {
		t.Fatal(err)
	}
	if len(curves) != 2 || len(curves[0].Points) != 3 || len(curves[1].Points) != 2 {
		t.Fatalf("%d curves: %+v", len(curves), curves)
	}
	p := curves[0].Points
	for k, want := range []int{250, 500, 2000} {
		if p[k].Mapping.Info.Images != want || p[k].Full != all[0].Mapping {
			t.Errorf("point %d has %d images, want %d", k, p[k].Mapping.Info.Images, want)
		}
	}
	// depths of four regions have sd √0.05; noise of sd 0.2 and 0.05 over 200 units gives r = √(0.05/(0.05+s²))
	near(t, "r with 250", p[0].DepthR, math.Sqrt(0.05/0.09), 0.1)
	near(t, "r with 500", p[1].DepthR, math.Sqrt(0.05/0.0525), 0.02)
	near(t, "depth off with 500", p[1].DepthOff, 0.05*math.Sqrt(2/math.Pi), 0.01)
	near(t, "image points with 500", p[1].SpaceDistance, 0.05, 1e-6)
	near(t, "shares with 500", p[1].JensenShannon, 0, 1e-6)
	near(t, "between seeds with 250", p[0].SeedDepthR, 0.05/0.09, 0.2)
	if !math.IsNaN(p[1].SeedDepthR) || !math.IsNaN(p[2].DepthR) || p[2].Reason == "" || p[0].Units != 200 {
		t.Errorf("points %+v", p)
	}
	text := string(DataTable(curves).CSV())
	if strings.Contains(text, "NaN") || strings.Contains(text, `,"; `) || !strings.Contains(text, "one seed") || strings.Count(text, "\n") != 6 {
		t.Errorf("table:\n%s", text)
	}
	if curves, err = DataCurves(t.Context(), all[:1]); curves != nil || err != nil {
		t.Errorf("of one fit: %v, %v", curves, err)
	}
}

// uniform are shares that are alike in all layers.
func uniform(m *store.Mapping) []float32 {
	layers := len(m.Info.Layers)
	out := make([]float32, len(m.Vertices)*layers)
	for i := range out {
		out[i] = 1 / float32(layers)
	}
	return out
}

// TestDataCurvesOtherTest: fits scored on other images can't agree, and say so.
func TestDataCurvesOtherTest(t *testing.T) {
	fit := func(images int, test string) Fitted {
		m := sample(5, 6, map[string]float64{"A": 0, "B": 1}, "A", "B")
		m.Share = uniform(m)
		m.Info.Images, m.Info.Split.Test = images, []string{test}
		return Fitted{Mapping: m}
	}
	curves, err := DataCurves(t.Context(), []Fitted{fit(10, "aa"), fit(20, "bb")})
	if err != nil {
		t.Fatal(err)
	}
	if p := curves[0].Points[0]; !strings.Contains(p.Reason, "test images") || !math.IsNaN(p.DepthR) {
		t.Errorf("%+v", p)
	}
}
