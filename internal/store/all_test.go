package store

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// TestVertices: the rows of two mappings come back with what says whose they are, their numbers and their lists.
func TestVertices(t *testing.T) {
	path := filepath.Join(t.TempDir(), VerticesName)
	w, err := CreateVertices(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	fitted := NewVertex("lh", 7)
	fitted.Fitted, fitted.R2 = true, 0.25
	for _, m := range []*Mapping{
		{Info: FitInfo{Model: "a", Subject: "s", Seed: 3, Swept: "fit.images=5", Key: "k", Layers: make([]Layer, 2)},
			Vertices: []Vertex{fitted, NewVertex("rh", 1)}, Selector: []float32{0.75, 0.25, 0, 0}},
		{Info: FitInfo{Model: "b", Layers: make([]Layer, 3)}, Vertices: []Vertex{fitted}, Share: []float32{1, 0, 0}},
	} {
		if err := w.Add(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	rows, err := parquet.ReadFile[struct { // as others read it: some columns, by name
		Model    string    `parquet:"model"`
		Seed     int64     `parquet:"seed"`
		Settings string    `parquet:"settings"`
		Vertex   int32     `parquet:"vertex"`
		Fitted   bool      `parquet:"fitted"`
		R2       *float32  `parquet:"r2"`
		Selector []float32 `parquet:"selector,list"`
		Share    []float32 `parquet:"share,list"`
	}](path)
	if err != nil || len(rows) != 3 {
		t.Fatal(len(rows), err)
	}
	r := rows[0]
	if r.Model != "a" || r.Seed != 3 || r.Settings != "fit.images=5" || r.Vertex != 7 || *r.R2 != 0.25 || len(r.Selector) != 2 || r.Selector[0] != 0.75 || len(r.Share) != 0 {
		t.Errorf("%+v", r)
	}
	if rows[1].R2 != nil || len(rows[1].Selector) != 0 || rows[1].Fitted {
		t.Errorf("a vertex that was not fitted has %+v", rows[1])
	}
	if rows[2].Model != "b" || len(rows[2].Share) != 3 || math.IsNaN(float64(*rows[2].R2)) {
		t.Errorf("%+v", rows[2])
	}
}
