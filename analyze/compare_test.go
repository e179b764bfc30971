package analyze

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/store"
)

// comparisons are testdata/reference/compare.json.
type comparisons struct {
	Pairs []struct {
		P, Q     []float64
		Distance float64
	}
	Images int
	Layers []struct {
		Width int
		CKA   float64
	}
}

func readComparisons(t *testing.T) (c comparisons) {
	t.Helper()
	data, err := os.ReadFile("../testdata/reference/compare.json")
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestJensenShannon(t *testing.T) {
	for i, c := range readComparisons(t).Pairs {
		near(t, fmt.Sprintf("distance %d", i), JensenShannon(c.P, c.Q), c.Distance, 1e-12) // sums of 16 numbers in another order
	}
	near(t, "the same", JensenShannon([]float64{1, 2}, []float64{2, 4}), 0, 0)
	near(t, "nothing", JensenShannon([]float64{0, 0}, []float64{1, 0}), nan, 0)
}

// lcg gives the numbers of compare.py's tokens.
func lcg(seed, n int) []float64 {
	out, state := make([]float64, n), seed
	for i := range out {
		state = (state*1103515245 + 12345) % (1 << 31)
		out[i] = float64((state>>16)%257-128) / 64
	}
	return out
}

// features writes a store of the given tokens [images, 65·width] a layer; the images' order may be turned round.
func features(t *testing.T, name string, widths []int, images int, backwards bool, tokens func(layer, image int) []float64) *store.Features {
	t.Helper()
	dir := t.TempDir()
	var layers []store.Layer
	for l, w := range widths {
		layers = append(layers, store.Layer{Index: l, Name: fmt.Sprint("layer", l), Tensor: fmt.Sprint("t", l), Kind: "block", Layout: "NLC", Width: w, Grid: [2]int{8, 8}, Global: "mean", Why: "test"})
	}
	for l := range layers {
		w, err := store.NewFeatureWriter(store.PartPath(dir, layers[l], len(layers), 0), store.FeatureMeta{Layer: layers[l], Tokens: 65, ModelSHA256: strings.Repeat("ab", 32), Key: "0123456789ab"})
		if err != nil {
			t.Fatal(err)
		}
		for k := range images {
			n := k
			if backwards {
				n = images - 1 - k
			}
			var row []byte
			for _, x := range tokens(l, n) {
				row = binary.LittleEndian.AppendUint16(row, store.Half(float32(x)))
			}
			if err := w.Append(sha256.Sum256([]byte{byte(n)}), int64(k), row); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(store.WriteLayers(dir, layers), store.WriteManifest(dir, store.Manifest{Key: "0123456789ab", Model: store.ModelRef{Name: name, SHA256: strings.Repeat("ab", 32)}, ImageSet: "set", Images: images, Grid: 8, Protocol: "sound", Precision: "float32"}))
	if err != nil {
		t.Fatal(err)
	}
	f, err := store.OpenFeatures(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestCKA: two stores in different orders of images, layer by layer as NumPy has it.
func TestCKA(t *testing.T) {
	golden := readComparisons(t)
	var widths []int
	var a, b [][]float64
	for l, g := range golden.Layers {
		widths = append(widths, g.Width)
		n := golden.Images * 65 * g.Width
		x, y := lcg(100+l, n), lcg(200+l, n)
		for i := range y {
			if i%(65*g.Width)%2 == 0 {
				y[i] = x[i] + math.RoundToEven(y[i])/64
			}
		}
		a, b = append(a, x), append(b, y)
	}
	row := func(x [][]float64) func(l, n int) []float64 {
		return func(l, n int) []float64 { return x[l][n*65*widths[l] : (n+1)*65*widths[l]] }
	}
	one := features(t, "a", widths, golden.Images, false, row(a))
	two := features(t, "b", widths, golden.Images, true, row(b))
	s, err := CompareLayers(t.Context(), one, two, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for l, g := range golden.Layers {
		near(t, fmt.Sprint("CKA of layer ", l), s.CKA[l], g.CKA, 1e-6)
	}
	if s.Images != golden.Images || len(SimilarityTable(one, two, s).Rows) != 2 {
		t.Errorf("%d images, %d rows", s.Images, len(SimilarityTable(one, two, s).Rows))
	}
	same, err := CompareLayers(t.Context(), one, one, 10)
	if err != nil || same.Images != 10 || math.Abs(same.CKA[0]-1) > 1e-12 {
		t.Errorf("a network with itself: %+v, %v", same, err)
	}
	constant := features(t, "c", widths, golden.Images, false, func(l, _ int) []float64 { return make([]float64, 65*widths[l]) })
	if s, err = CompareLayers(t.Context(), one, constant, 10); err != nil || !math.IsNaN(s.CKA[0]) {
		t.Errorf("a constant layer: %+v, %v", s, err)
	}
	if _, err = CompareLayers(t.Context(), one, one, 2); fault.ClassOf(err) != fault.Input {
		t.Errorf("two images: %v", err)
	}
}

// changed is a copy of a mapping with other numbers.
func changed(m *store.Mapping, change func(i int, v *store.Vertex)) *store.Mapping {
	c := *m
	c.Vertices = append([]store.Vertex(nil), m.Vertices...)
	for i := range c.Vertices {
		change(i, &c.Vertices[i])
	}
	return &c
}

// withDepths gives the mapping of onSurface depths along the hierarchy, wavy over the cortex, and shares.
func withDepths(in Input) {
	m := in.Mapping
	m.Selector, m.Share = nil, nil
	for i := range m.Vertices {
		v := &m.Vertices[i]
		p := in.Geometry.Hemi(v.Hemi).White.Points[v.Vertex]
		wave := float32(math.Sin(float64(p[1])/11) * math.Cos(float64(p[2])/13))
		level := float32(0)
		for k, l := range in.Hierarchy.Levels {
			for _, roi := range l.ROIs {
				if In(v, roi) {
					level = float32(in.Hierarchy.Place(k))
				}
			}
		}
		v.Depth, v.R2 = 0.2+0.5*level+0.05*wave, 0.2+0.05*wave
		v.LayerExpected, v.LayerArgmax = 15*v.Depth, int32(math.Round(float64(15*v.Depth)))
		for l := range 16 {
			share := float32(0)
			if l == int(v.LayerArgmax) {
				share = 1
			}
			m.Share, m.Selector = append(m.Share, share), append(m.Selector, share)
		}
	}
}

// TestCompare: a planted change is found: later layers in high levels, a better R² in V1 alone.
func TestCompare(t *testing.T) {
	in := onSurface(t, 4)
	withDepths(in)
	after := changed(in.Mapping, func(i int, v *store.Vertex) {
		p := in.Geometry.Hemi(v.Hemi).White.Points[v.Vertex]
		noise := float32(0.01 * math.Sin(float64(p[0])/5+float64(p[2])/7))
		v.Depth += 0.1*(v.Depth-0.2) + noise
		v.R2 += noise
		if In(v, "V1") {
			v.R2 += 0.1
		}
	})
	after.Info.Model, after.Vertices[0].Fitted = "tuned", false
	p := Pair{Before: in.Mapping, After: after, Geometry: in.Geometry, Hierarchy: in.Hierarchy}
	c, err := Compare(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if c.Units != len(in.Mapping.Vertices)-1 {
		t.Errorf("%d units, want %d", c.Units, len(in.Mapping.Vertices)-1)
	}
	for _, s := range c.Slopes {
		if s.Quantity == "share" && s.Over == "rois" && !(s.Slope.Lo < 0.05 && s.Slope.Hi > 0.05 && s.Slope.Lo > 0) {
			t.Errorf("the slope changed by %+v, 0.05 was planted", s.Slope)
		}
		if s.Quantity == "argmax" && s.Slope.Estimate != 0 {
			t.Errorf("argmax did not change, its slope by %v", s.Slope.Estimate)
		}
	}
	for _, r := range c.ROIs {
		switch name := r.Name[strings.LastIndex(r.Name, "/")+1:]; {
		case name == "V1" && (!(r.Q < 0.001) || math.Abs(r.R2.Estimate-0.1) > 0.01):
			t.Errorf("V1's R² changed by %+v, q = %v; 0.1 was planted", r.R2, r.Q)
		case r.JensenShannon != 0:
			t.Errorf("%s: the shares did not change, their distance is %v", name, r.JensenShannon)
		case name == "V4" && r.Q < 0.05:
			t.Errorf("V4's R² changed by %+v with q = %v, nothing was planted", r.R2, r.Q)
		}
	}
	whole, err := CompareArms(t.Context(), Arm{Fits: []*store.Mapping{p.Before}}, Arm{Fits: []*store.Mapping{p.After}}, p.Geometry, p.Hierarchy)
	if err != nil {
		t.Fatal(err)
	}
	table := ComparisonTable(whole)
	for _, row := range table.Rows {
		for i, x := range row {
			if s := Cell(x, 6); s == "NaN" {
				t.Errorf("%s is NaN", table.Columns[i].Name)
			}
		}
	}
	if maps := DifferenceMaps(p, nil); len(maps) != 2 || maps[1].Lo != -maps[1].Hi || !(maps[1].Hi >= 0.1) {
		t.Errorf("difference maps %v", maps)
	}
}

// TestCompareRefuses: other subjects and masks; and it survives nothing in common, one level, no surface.
func TestCompareRefuses(t *testing.T) {
	a := sample(4, 2, map[string]float64{"A": 0, "B": 1}, "A", "B")
	b := sample(4, 3, map[string]float64{"A": 0, "B": 1}, "A", "B")
	if _, err := Compare(t.Context(), Pair{Before: a, After: b}); fault.ClassOf(err) != fault.Input {
		t.Errorf("other units: %v", err)
	}
	if maps := DifferenceMaps(Pair{Before: b, After: a}, nil); maps != nil { // fewer units after than before
		t.Errorf("other units have difference maps: %v", maps)
	}
	none := changed(a, func(_ int, v *store.Vertex) { v.Fitted = false })
	c, err := Compare(t.Context(), Pair{Before: a, After: none, Hierarchy: chain("A", "B")})
	if err != nil || c.Units != 0 {
		t.Fatalf("nothing in common: %+v, %v", c, err)
	}
	whole, err := CompareArms(t.Context(), Arm{Fits: []*store.Mapping{a}}, Arm{Fits: []*store.Mapping{none}}, nil, chain("A", "B"))
	if err != nil {
		t.Fatal(err)
	}
	table := ComparisonTable(whole)
	for _, row := range table.Rows {
		if s := Cell(row[table.Column("change")], 6); s != "" {
			t.Errorf("a change of nothing is %s", s)
		}
	}
}

// TestBeyond: a floor of nothing, where every seed gives the same numbers, is none.
func TestBeyond(t *testing.T) {
	for _, c := range []struct {
		what    string
		x, most float64
		want    string
	}{
		{"r2", 0.02, 0.01, "yes"}, {"r2", -0.02, 0.01, "yes"}, {"r2", 0.005, 0.01, "no"}, {"r2", 0.02, 0, ""}, {"r2", 0.02, math.NaN(), ""}, {"r2", math.NaN(), 0.01, ""},
		{"clusters_rand", 0.3, 0.5, "yes"}, {"clusters_rand", 0.6, 0.5, "no"}, {"clusters_rand", 0.3, 1, ""},
	} {
		if got := beyond(c.what, c.x, c.most); got != c.want {
			t.Errorf("%s %v with a floor of %v: %q, want %q", c.what, c.x, c.most, got, c.want)
		}
	}
}
