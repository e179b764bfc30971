package analyze

import (
	"math"
	"os"
	"testing"

	"cortexmap/internal/cortex"
	"cortexmap/internal/store"
)

// sample is a mapping of two hemispheres' units, n in each of the given regions and each hemisphere, without
// a surface; depth is the region's.
func sample(layers, n int, depth map[string]float64, order ...string) *store.Mapping {
	m := &store.Mapping{Info: store.FitInfo{Model: "net", Subject: "s1", Protocol: "sound", Method: "factortopy", Network: store.ModelRef{Parameters: 12}}}
	for range layers {
		m.Info.Layers = append(m.Info.Layers, store.Layer{Name: "layer"})
	}
	m.Selector, m.Share = []float32{}, []float32{}
	for _, hemi := range cortex.Sides {
		for _, roi := range order {
			for range n {
				v := store.NewVertex(hemi, int32(len(m.Vertices)))
				v.ROIs, v.Fitted = []string{"areas/" + roi}, true
				v.R2, v.Ceiling, v.R, v.R2Norm = 0.2, 0.4, 0.5, 0.5
				d := depth[roi]
				v.Depth, v.LayerExpected, v.LayerArgmax = float32(d), float32(d)*float32(layers-1), int32(math.Round(d*float64(layers-1)))
				v.LayerEntropy, v.Scale, v.LocalShare, v.SpaceX, v.SpaceY = 0.5, float32(d), float32(1-d), 0.1, -0.2
				m.Vertices = append(m.Vertices, v)
			}
		}
	}
	return m
}

// chain is a hierarchy of single regions.
func chain(names ...string) Hierarchy {
	h := Hierarchy{Name: "own"}
	for _, n := range names {
		h.Levels = append(h.Levels, Level{Name: n, ROIs: []string{n}})
	}
	return h
}

// run calls all analyses and fails on a NaN in any table: what is missing is empty.
func run(t *testing.T, in Input) *Results {
	t.Helper()
	r, err := Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range r.Tables {
		for _, row := range table.Rows {
			for i, c := range row {
				if text := Cell(c, 6); text == "NaN" || text == "Inf" {
					t.Errorf("%s: %s is %q", table.Name, table.Columns[i].Name, text)
				}
			}
		}
	}
	return r
}

func find(t *testing.T, all []Alignment, quantity, over string) Alignment {
	t.Helper()
	for _, a := range all {
		if a.Quantity == quantity && a.Over == over {
			return a
		}
	}
	t.Fatalf("no alignment of %s over %s", quantity, over)
	return Alignment{}
}

// near fails if got is further than tol from want; NaN wants NaN.
func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if math.IsNaN(want) != math.IsNaN(got) || math.Abs(got-want) > tol {
		t.Errorf("%s: got %v, want %v within %v", what, got, want, tol)
	}
}

// onSurface is a mapping of every n-th vertex of the demo's seven-level hierarchy.
func onSurface(t testing.TB, every int) Input {
	t.Helper()
	fsys := os.DirFS("../testdata/demo")
	g, err := cortex.LoadDemo(fsys)
	if err != nil {
		t.Fatal(err)
	}
	areas, err := cortex.VisualAreas(fsys)
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Mapping: sample(16, 0, nil), Geometry: g, Hierarchy: Hierarchy{Name: "glasser", Levels: make([]Level, 7)}, R2Top: math.NaN()}
	in.Mapping.Info.Surface = "fsaverage5"
	level := map[string]int{}
	for _, a := range areas {
		level[a.Label] = a.Level
		l := &in.Hierarchy.Levels[a.Level-1]
		l.Name, l.ROIs = "level", append(l.ROIs, a.Label)
	}
	for _, h := range g.Hemis {
		labels, err := cortex.LoadLabels(fsys, "rois/"+h.Name+".glasser_360.annot")
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range labels.Vertex {
			if k < 0 || i%every != 0 || level[labels.Names[k]] == 0 {
				continue
			}
			v := store.NewVertex(h.Name, int32(i))
			v.ROIs, v.Fitted, v.R2 = []string{"glasser_360/" + labels.Names[k]}, true, 0.1
			in.Mapping.Vertices = append(in.Mapping.Vertices, v)
		}
	}
	return in
}
