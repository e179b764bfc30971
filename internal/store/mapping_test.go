package store

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var nan32 = float32(math.NaN())

// testMapping has three vertices, one of them not fitted, and two layers.
func testMapping() *Mapping {
	a, b, c := NewVertex("lh", 17), NewVertex("lh", 4), NewVertex("rh", 0)
	a.ROIs, a.X, a.Y, a.Z, a.Fitted = []string{"glasser/V1", "streams/early"}, 1, -2, 3.5, true
	a.R2, a.R, a.R2Val, a.Ceiling, a.R2Norm = -0.25, 0, 0.5, 0.04, nan32
	a.LayerArgmax, a.LayerExpected, a.LayerEntropy, a.Depth = 0, 0.25, 0.8, 0.125
	a.Scale, a.LocalShare, a.SpaceX, a.SpaceY, a.Cluster = 0, 1, -1, 0.5, 0
	b.ROIs, b.X, b.Y, b.Z = []string{}, 4, 5, 6
	c.ROIs, c.X, c.Y, c.Z, c.Fitted = []string{"glasser/V2"}, 107, 8, 9, true
	c.R2, c.R, c.R2Val, c.Ceiling, c.R2Norm = 0.3, 0.6, 0.2, 0.6, 0.5
	c.LayerArgmax, c.LayerExpected, c.LayerEntropy, c.Depth = 1, 1, 0, 1
	c.Scale, c.LocalShare, c.SpaceX, c.SpaceY, c.EccDeg, c.AngleDeg, c.Cluster = 1, 0, 0, 0, 0, 359, 3
	return &Mapping{
		Info: FitInfo{Format: Version, Key: "abcdefabcdef", Model: "tiny", Network: ModelRef{Name: "tiny", SHA256: strings.Repeat("ab", 32)},
			Subject: "simulated", SubjectKind: "simulated", Protocol: "sound", Method: "factortopy", Seed: 3, Simulated: true, Generator: "lite0",
			Readout: "sum", Layers: newTestStore().layers, Parameters: 12, Settings: map[string]any{"lr": 0.001}, Images: 100,
			Split:  Split{Train: []string{"aa"}, Val: []string{"bb"}, Test: []string{"cc"}},
			Curve:  []CurvePoint{{0, math.NaN(), 0.1}, {16, 0.5, math.NaN()}},
			Scores: Scores{"r2_mean": 0.025, "r_shuffled": math.NaN()}, LayerScores: []LayerScore{{1, Scores{"r_median": 0.5}}},
			Warnings: []Warning{{"simulated-generator", "favours its generator"}}, Seconds: map[string]float64{"train": 1.5}, Version: "test"},
		Vertices: []Vertex{a, b, c},
		Selector: []float32{0.75, 0.25, nan32, nan32, 0, 1},
		Share:    []float32{0.875, 0.125, nan32, nan32, -0.0625, 1.0625},
		Weights: []Tensor{{"local.0.weight", []int64{2, 3}, []float32{1, 2, 3, 4, 5, 6}}, {"position.range", []int64{1}, []float32{0.1}},
			{"readout.bias", []int64{2}, []float32{-1, float32(math.Inf(1))}}, {"empty", []int64{0, 4}, []float32{}}},
		Truth: &Truth{Generator: "lite0", Layers: 2, Depth: []float64{0, 0.5, 1}, X: []float64{-1, 0, 1}, Y: []float64{0.5, 0, -0.5},
			Global: []float64{0, 0.5, 1}, Sigma: []float64{0.1, 0.2, 0.3}, Ceiling: []float64{0.4, 0.5, 0.6}},
	}
}

var sameMapping = cmp.Options{cmpopts.EquateNaNs(), cmpopts.EquateEmpty()}

func TestMapping(t *testing.T) {
	whole := testMapping()
	ridge := testMapping()
	ridge.Selector, ridge.Truth, ridge.Weights, ridge.Info.Method, ridge.Info.Readout = nil, nil, nil, "ridge", ""
	bare := &Mapping{Info: FitInfo{Format: Version}}
	for name, m := range map[string]*Mapping{"whole": whole, "ridge": ridge, "bare": bare} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "m")
			if err := m.Write(dir); err != nil {
				t.Fatal(err)
			}
			got, err := ReadMapping(dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, got, sameMapping); diff != "" {
				t.Errorf("-written +read:\n%s", diff)
			}
			if err := m.Write(dir); fault.ClassOf(err) != fault.Input {
				t.Errorf("written over another: %v", err)
			}
		})
	}
	if got := whole.Tensor("position.range"); got == nil || got.Data[0] != 0.1 || whole.Tensor("none") != nil {
		t.Errorf("Tensor: %v", got)
	}
}

// Two writes are the same bytes, file by file.
func TestMappingBytes(t *testing.T) {
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	if err := testMapping().Write(a); err != nil {
		t.Fatal(err)
	}
	if err := testMapping().Write(b); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{MappingName, SharesName, WeightsName, FitName, TruthName} {
		x, err := durable.Digest(filepath.Join(a, name))
		y, _ := durable.Digest(filepath.Join(b, name))
		if err != nil || x != y {
			t.Errorf("%s differs: %v", name, err)
		}
	}
}

func TestMappingDamaged(t *testing.T) {
	cases := []struct {
		name, file, text string
		damage           func(dir string) error
	}{
		{"no fit", FitName, "not finished", func(dir string) error { return os.Remove(filepath.Join(dir, FitName)) }},
		{"cut fit", FitName, "JSON", func(dir string) error { return truncate(filepath.Join(dir, FitName), 5) }},
		{"later format", FitName, "reads up to", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, FitName), []byte(`{"format": 99}`), 0o666)
		}},
		{"no vertices", MappingName, "missing", func(dir string) error { return os.Remove(filepath.Join(dir, MappingName)) }},
		{"cut vertices", MappingName, "cut short", func(dir string) error { return truncate(filepath.Join(dir, MappingName), 5) }},
		{"another table", MappingName, "column hemi is missing", func(dir string) error {
			return copyFile(filepath.Join(dir, MappingName), filepath.Join(dir, WeightsName))
		}},
		{"fewer shares", SharesName, "4 rows", func(dir string) error {
			m := testMapping()
			m.Vertices, m.Selector, m.Share = m.Vertices[:2], m.Selector[:4], m.Share[:4]
			return m.writeShares(filepath.Join(dir, SharesName))
		}},
		{"another subject's shares", SharesName, "row 0 is of lh 18", func(dir string) error {
			m := testMapping()
			m.Vertices[0].Vertex++
			return m.writeShares(filepath.Join(dir, SharesName))
		}},
		{"another readout", WeightsName, "cortexmap.readout", func(dir string) error {
			m := testMapping()
			m.Info.Readout = "mean"
			return m.writeWeights(filepath.Join(dir, WeightsName))
		}},
		{"a short tensor", WeightsName, "shape", func(dir string) error {
			m := testMapping()
			m.Weights[0].Shape[0]++
			return m.writeWeights(filepath.Join(dir, WeightsName))
		}},
		{"another truth", TruthName, "2 units", func(dir string) error {
			t := &Truth{Layers: 2, Depth: []float64{0, 1}, X: []float64{0, 1}, Y: []float64{0, 1}, Global: []float64{0, 1}, Sigma: []float64{0, 1}, Ceiling: []float64{0, 1}}
			return t.Write(filepath.Join(dir, TruthName))
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "m")
			if err := testMapping().Write(dir); err != nil {
				t.Fatal(err)
			}
			if err := c.damage(dir); err != nil {
				t.Fatal(err)
			}
			_, err := ReadMapping(dir)
			if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), filepath.Join(dir, c.file)) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v; want %q and %q", err, c.file, c.text)
			}
		})
	}
}

// What an interrupted write left behind is no mapping, and the next write goes over it.
func TestMappingInterrupted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	m := testMapping()
	if err := os.MkdirAll(dir+durable.PartialSuffix, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := m.writeVertices(filepath.Join(dir+durable.PartialSuffix, MappingName)); err != nil {
		t.Fatal(err)
	}
	if durable.Exists(dir) {
		t.Fatal("a half mapping under the final name")
	}
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadMapping(dir); err != nil {
		t.Error(err)
	}
}

func TestMappingShapes(t *testing.T) {
	cases := map[string]func(*Mapping){
		"selectors": func(m *Mapping) { m.Selector = m.Selector[1:] },
		"weights":   func(m *Mapping) { m.Weights[0].Data = nil },
		"truth":     func(m *Mapping) { m.Truth.X = nil },
		"units":     func(m *Mapping) { m.Truth = &Truth{} },
		"predicted": func(m *Mapping) { m.Predicted = &Predictions{Images: 1, Values: []float32{1, 2, 3}} },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if r := recover(); !strings.HasPrefix(fmt.Sprint(r), "store: ") {
					t.Errorf("panic %v", r)
				}
			}()
			m := testMapping()
			spoil(m)
			_ = m.WriteFiles(t.TempDir())
		})
	}
}

func TestMatrix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.npy")
	want := []float32{1, -2, nan32, 4, 5, 6.5}
	if err := WriteMatrix(path, 2, 3, want); err != nil {
		t.Fatal(err)
	}
	rows, cols, got, err := ReadMatrix(path)
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); rows != 2 || cols != 3 || err != nil || diff != "" {
		t.Errorf("%d x %d, %v, %s", rows, cols, err, diff)
	}
	if info, _ := os.Stat(path); info.Size() != 128+24 {
		t.Errorf("%d bytes, want a header of 128 and 24", info.Size())
	}
	for cut := range int64(152) {
		if err := os.Truncate(path, 151-cut); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := ReadMatrix(path); fault.ClassOf(err) != fault.Input {
			t.Errorf("cut at %d: %v", 151-cut, err)
		}
	}
	if _, _, _, err := ReadMatrix(path + "x"); fault.ClassOf(err) != fault.Input {
		t.Errorf("missing: %v", err)
	}
}

func FuzzReadMatrix(f *testing.F) {
	path := filepath.Join(f.TempDir(), "m.npy")
	if err := WriteMatrix(path, 2, 1, []float32{1, 2}); err != nil {
		f.Fatal(err)
	}
	data, _ := os.ReadFile(path)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "m.npy")
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		rows, cols, x, err := ReadMatrix(path)
		if err == nil && len(x) != rows*cols {
			t.Errorf("%d x %d: %d numbers", rows, cols, len(x))
		}
	})
}
