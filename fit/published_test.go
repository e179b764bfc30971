package fit

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/torch"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
)

// goldenState is a published state and what PyTorch makes of it (testdata/reference/published.py).
func goldenState(t *testing.T) (state []byte, want struct {
	Positions [][3]float32
	Space     [][2]float64
	Layer     [][]float64
	Scale     []float64
	Local     [][][][]float64 // [L][D][8][8]
	Global    [][]float64     // [L][D]
	Responses []float64
}) {
	t.Helper()
	const dir = "../testdata/reference/checkpoints/"
	f, err := os.Open(dir + "published.pt.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if state, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(dir + "published.json")
	if err == nil {
		err = json.Unmarshal(data, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	return state, want
}

// placesFor is a mapping with vertices at some positions, and one without a place in the middle.
func placesFor(positions [][3]float32) *store.Mapping {
	m := &store.Mapping{Info: store.FitInfo{Subject: "subj01"}}
	for i, p := range positions {
		if i == 4 {
			m.Vertices = append(m.Vertices, store.NewVertex("lh", 99))
		}
		v := store.NewVertex("lh", int32(i))
		v.X, v.Y, v.Z = p[0], p[1], p[2]
		m.Vertices = append(m.Vertices, v)
	}
	return m
}

// TestPublished: a published state picks and predicts here as it does in PyTorch, to 1e-5 (float32 against
// float64).
func TestPublished(t *testing.T) {
	state, want := goldenState(t)
	m, err := Published(t.Context(), orttest.Runtime(t), bytes.NewReader(state), int64(len(state)), placesFor(want.Positions), 1)
	if err != nil {
		t.Fatal(err)
	}
	tokens := make([][]uint16, len(want.Local))
	for l, d := range want.Local {
		tokens[l] = make([]uint16, 65*len(d))
		for c := range d {
			for y := range 8 {
				for x := range 8 {
					tokens[l][(8*y+x)*len(d)+c] = store.Half(float32(d[c][y][x]))
				}
			}
			tokens[l][64*len(d)+c] = store.Half(float32(want.Global[l][c]))
		}
	}
	y, err := Predict(m, tokens, 1)
	if err != nil {
		t.Fatal(err)
	}
	near := func(what string, v int, got, want float64) {
		t.Helper()
		if !(math.Abs(got-want) <= 1e-5) {
			t.Errorf("vertex %d: %s is %v, PyTorch's %v", v, what, got, want)
		}
	}
	v := 0
	for u, row := range m.Vertices {
		if !row.Fitted {
			if u != 4 || row.SpaceX == row.SpaceX {
				t.Errorf("row %d is %+v", u, row)
			}
			continue
		}
		near("x", v, float64(row.SpaceX), want.Space[v][0])
		near("y", v, float64(row.SpaceY), want.Space[v][1])
		near("scale", v, float64(row.Scale), want.Scale[v])
		for l, p := range want.Layer[v] {
			near("layer", v, float64(m.Selector[u*3+l]), p)
		}
		near("response", v, y[u], want.Responses[v])
		v++
	}
	if v != len(want.Positions) {
		t.Errorf("%d vertices are fitted", v)
	}
}

func TestPublishedRefuses(t *testing.T) {
	state, want := goldenState(t)
	rt := orttest.Runtime(t)
	read := func(b []byte, like *store.Mapping) error {
		_, err := Published(t.Context(), rt, bytes.NewReader(b), int64(len(b)), like, 1)
		return err
	}
	other, err := os.ReadFile("../testdata/reference/checkpoints/tensors.pt")
	if err != nil {
		t.Fatal(err)
	}
	p := &published{like: placesFor(want.Positions)}
	if p.state, err = torch.Read(bytes.NewReader(state), int64(len(state))); err != nil {
		t.Fatal(err)
	}
	delete(p.state, "scale_selector_mlp.3.bias")
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"another subject":  {read(state, placesFor(want.Positions[1:])), "has 9 vertices, subj01 has 8 with a place"},
		"another network":  {read(other, placesFor(want.Positions)), "no state of FactorTopy; it has state_dict.bfloat, "},
		"something else":   {read([]byte("PK"), placesFor(want.Positions)), "no checkpoint"},
		"a tensor is gone": {p.read(), "scale_selector_mlp.3.bias has shape [], [128] is needed"},
	} {
		if fault.ClassOf(c.err) != fault.Input || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, c.err, c.want)
		}
	}
}
