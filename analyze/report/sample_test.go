package report

import (
	"math"
	"os"
	"strings"
	"testing"

	"cortexmap/analyze"
	"cortexmap/internal/cortex"
	"cortexmap/internal/store"
)

const demo = "../../testdata/demo"

// sampleRun is a made-up mapping of a part of the demo's visual areas: depth rises with the hierarchy, image
// points are contralateral, and the truth is the mapping itself shifted a little. Nothing in it was fitted.
func sampleRun(t *testing.T, every int) Run {
	t.Helper()
	fsys := os.DirFS(demo)
	g, err := cortex.LoadDemo(fsys)
	if err != nil {
		t.Fatal(err)
	}
	areas, err := cortex.VisualAreas(fsys)
	if err != nil {
		t.Fatal(err)
	}
	m := &store.Mapping{Info: sampleInfo(), Truth: &store.Truth{Generator: "lite0", Layers: 16}}
	h := analyze.Hierarchy{Name: "glasser", Levels: make([]analyze.Level, 7)}
	for _, a := range areas {
		l := &h.Levels[a.Level-1]
		l.Name = []string{"V1", "V2–V3", "V3", "V4", "mid", "late", "last"}[a.Level-1]
		l.ROIs = append(l.ROIs, a.Label)
	}
	for side, hemi := range g.Hemis {
		labels, err := cortex.LoadLabels(fsys, "rois/"+hemi.Name+".glasser_360.annot")
		if err != nil {
			t.Fatal(err)
		}
		for v, k := range labels.Vertex {
			if k < 0 || v%every != 0 {
				continue
			}
			for _, a := range areas {
				if labels.Names[k] == a.Label {
					sampleVertex(m, hemi, side, v, a)
				}
			}
		}
	}
	m.Vertices[5].Fitted = false
	m.Weights = append(m.Weights, sampleReadout(m))
	r := Run{Mapping: m, Hierarchy: h, Geometry: g, Difficulty: "Simulated subject: made up for a test.\n\nSecond paragraph."}
	if r.Results, err = analyze.Run(t.Context(), analyze.Input{Mapping: m, Geometry: g, Hierarchy: h, R2Top: math.NaN()}); err != nil {
		t.Fatal(err)
	}
	return r
}

func sampleVertex(m *store.Mapping, hemi *cortex.Hemisphere, side, v int, a cortex.Area) {
	p := hemi.Sphere.Points[v]
	wave := float32(math.Sin(float64(p[1])/9) * math.Cos(float64(p[2])/11))
	level := float32(a.Level-1) / 6
	x := store.NewVertex(hemi.Name, int32(v))
	x.ROIs, x.Fitted = []string{"glasser_360/" + a.Label}, true
	x.Ceiling, x.R2 = 0.4, 0.27+0.08*wave
	x.R2Norm, x.R, x.R2Val = x.R2/x.Ceiling, 0.5, x.R2
	x.Depth = min(1, max(0, 0.1+0.75*level+0.08*wave))
	x.LayerExpected, x.LayerEntropy = 15*x.Depth, 0.5+0.3*wave
	x.LayerArgmax = int32(math.Round(float64(15 * x.Depth)))
	x.Scale, x.LocalShare = level, 1-0.95*level
	contra := []float32{1, -1}[side]
	x.SpaceX, x.SpaceY = contra*(0.45+0.3*wave), -min(1, max(-1, p[2]/40))
	m.Vertices = append(m.Vertices, x)
	for range 16 {
		m.Selector, m.Share = append(m.Selector, 1.0/16), append(m.Share, 1.0/16)
	}
	t := m.Truth
	t.Depth = append(t.Depth, float64(x.LayerExpected)+0.5)
	t.X, t.Y = append(t.X, float64(x.SpaceX)+0.03), append(t.Y, float64(x.SpaceY)-0.04)
	t.Global, t.Sigma, t.Ceiling = append(t.Global, float64(level)), append(t.Sigma, 0.2), append(t.Ceiling, 0.4)
}

// sampleReadout lets every vertex read eight channels whose weights follow its level and its image point.
func sampleReadout(m *store.Mapping) store.Tensor {
	w := store.Tensor{Name: "readout.weight", Shape: []int64{0, 8}}
	for i := range m.Vertices {
		v := &m.Vertices[i]
		if !v.Fitted {
			continue
		}
		w.Shape[0]++
		for c := range 8 {
			angle := float64(c) * math.Pi / 8
			w.Data = append(w.Data, float32(math.Cos(3*float64(v.Depth)*float64(c)+angle)+0.3*math.Sin(float64(v.SpaceX)*4+angle)))
		}
	}
	return w
}

func sampleInfo() store.FitInfo {
	i := store.FitInfo{Key: "0123456789ab", FeaturesKey: "ba9876543210", Model: "lite0", Subject: "simulated", SubjectKind: "simulated",
		Protocol: "sound", Method: "factortopy", Simulated: true, Generator: "lite0", Surface: "fsaverage5", Parameters: 1234567,
		Network:  store.ModelRef{Name: "lite0", Path: "demo:lite0", SHA256: strings.Repeat("ab", 32), Parameters: 4652008, Licence: "Apache-2.0", Origin: "<b>EfficientNet</b> & co"},
		Settings: map[string]any{"channels": 128, "rate": 0.01}, Seconds: map[string]float64{"descent": 31.5, "evaluate": 1.2}, Threads: 2, Library: "1.27.0", Provider: "CPUExecutionProvider",
		Warnings: []store.Warning{{ID: "a-warning", Text: "Something <script>alert(1)</script> to know."}}}
	for l := range 16 {
		i.Layers = append(i.Layers, store.Layer{Index: l, Name: "block" + string(rune('A'+l))})
	}
	for k := range 8 {
		i.Curve = append(i.Curve, store.CurvePoint{Images: 500 * k, Loss: math.NaN(), R2Val: 0.3 * (1 - math.Exp(-float64(k)))})
	}
	i.Split = store.Split{Train: make([]string, 2030), Val: make([]string, 252), Test: make([]string, 256)}
	return i
}

// sampleInput is a whole report about it.
func sampleInput(t *testing.T, runs ...Run) Input {
	t.Helper()
	data, err := os.ReadFile(demo + "/photos/credits.csv")
	if err != nil {
		t.Fatal(err)
	}
	credits, err := ReadCredits("credits.csv", data)
	if err != nil {
		t.Fatal(err)
	}
	return Input{Runs: runs, Credits: credits,
		Sources: []Source{{"fsaverage5 surfaces", "FreeSurfer Software License", "The General Hospital Corporation, Boston"}},
		Provenance: Provenance{Command: "cortexmap run pipeline.yaml --set 'fit.seeds=[0]'", Facts: []Fact{{"cortexmap", "0.1.0"}, {"ONNX Runtime", "1.27.0"}},
			Digests: []Fact{{"demo:lite0", strings.Repeat("cd", 32)}}, Stages: []Stage{{"extract: lite0", "0123456789ab", "done", 12.3}, {"fit", "", "kept", math.NaN()}},
			Config: "out: runs/demo\n", Modules: []string{"example.org/module v1.0.0"}}}
}
