package parquet

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/neuroiotest"
)

type row struct {
	A float32  `parquet:"a"`
	B *float64 `parquet:"b,optional"`
	C int32    `parquet:"c"`
	D string   `parquet:"d"`
	E uint32   `parquet:"e"`
	F []int64  `parquet:"f"`
	G int64    `parquet:"g"`
}

// file is a table of n rows in several row groups.
func file(t testing.TB, n int) []byte {
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, parquet.MaxRowsPerRowGroup(7), parquet.Compression(&parquet.Snappy))
	for i := range n {
		x := float64(i) / 3
		r := row{A: float32(i) / 2, B: &x, C: int32(-i), D: "text", E: 1<<31 + uint32(i), F: []int64{1, 2}, G: int64(i) << 40}
		if i%4 == 1 {
			r.B = nil
		}
		if _, err := w.Write([]row{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestColumns(t *testing.T) {
	b := file(t, 20)
	p, err := Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Columns, []string{"a", "b", "c", "e", "g"}) || !slices.Equal(p.Other, []string{"d", "f"}) || p.Rows != 20 {
		t.Fatalf("columns %v, others %v, %d rows", p.Columns, p.Other, p.Rows)
	}
	for k, want := range []func(i int) float64{
		func(i int) float64 { return float64(i) / 2 },
		func(i int) float64 {
			if i%4 == 1 {
				return math.NaN()
			}
			return float64(i) / 3
		},
		func(i int) float64 { return float64(-i) },
		func(i int) float64 { return float64(1<<31 + i) },
		func(i int) float64 { return float64(i << 40) },
	} {
		got, err := p.Column(k)
		if err != nil || len(got) != 20 {
			t.Fatal(len(got), err)
		}
		for i, x := range got {
			if w := want(i); x != w && !(x != x && w != w) {
				t.Errorf("column %s, row %d: %v, want %v", p.Columns[k], i, x, w)
			}
		}
	}
}

// pandas and polars write what is read here.
func TestPandas(t *testing.T) {
	dir := t.TempDir()
	var ok bool
	neuroiotest.Python(t, "pandas, pyarrow, numpy", `
import sys, numpy as np, pandas as pd
x = np.arange(12.).reshape(4, 3); x[1, 2] = np.nan
d = pd.DataFrame(x.astype("f4"), columns=["u0", "u1", "u2"], index=["a", "b", "c", "d"])
d.to_parquet(sys.argv[1] + "/x.parquet")
print("true")`, &ok, dir)
	f, err := os.Open(filepath.Join(dir, "x.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := OpenFile(f, f.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if !slices.Equal(p.Columns, []string{"u0", "u1", "u2"}) || p.Rows != 4 {
		t.Fatalf("%v, %v, %d rows", p.Columns, p.Other, p.Rows)
	}
	got, err := p.Column(2)
	if err != nil || got[0] != 2 || got[1] == got[1] || got[3] != 11 {
		t.Errorf("%v %v", got, err)
	}
}

// read reads everything of a file.
func read(b []byte) error {
	p, err := Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	for k := range p.Columns {
		if _, err := p.Column(k); err != nil {
			return err
		}
	}
	return nil
}

// parquet-go takes what a page claims to be unpacked, up to 256 MiB, before it unpacks it.
func TestBattery(t *testing.T) {
	neuroiotest.Battery(t, neuroiotest.Format{Name: "parquet", File: file(t, 9), Step: 11, Read: read, Most: 300 << 20})
}

func FuzzParse(f *testing.F) {
	f.Add(file(f, 3))
	f.Add([]byte("PAR1\x00\x00\x00\x00PAR1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e *fault.Error
		if err := read(b); err != nil && !errors.As(err, &e) {
			t.Fatalf("an error that is no fault: %v", err)
		}
	})
}
