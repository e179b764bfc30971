package store

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// TestTableParquet: columns keep their order, names and types; NaN is null; a table of no rows is a file.
func TestTableParquet(t *testing.T) {
	columns := []TableColumn{{"zeta", []string{"a", ""}}, {"n", []int64{7, -1}}, {"value", []float64{math.NaN(), 0.25}}, {"alpha", []bool{true, false}}}
	data, err := TableParquet(columns, map[string]string{"cortexmap.title": "A table"})
	if err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if title, _ := f.Lookup("cortexmap.title"); title != "A table" || f.NumRows() != 2 {
		t.Errorf("%d rows, title %q", f.NumRows(), title)
	}
	for i, c := range f.Schema().Columns() {
		if c[0] != columns[i].Name {
			t.Errorf("column %d is %s, want %s", i, c[0], columns[i].Name)
		}
	}
	r := parquet.NewReader(f)
	defer r.Close()
	rows := make([]parquet.Row, 2)
	if n, _ := r.ReadRows(rows); n != 2 {
		t.Fatalf("%d rows are read", n)
	}
	if got := fmt.Sprint(rows[0][0], rows[0][1], rows[0][2].IsNull(), rows[0][3], rows[1][1], rows[1][2]); got != "a 7 true true -1 0.25" {
		t.Errorf("read back: %s", got)
	}
	data, err = TableParquet([]TableColumn{{"x", []float64{}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if f, err = parquet.OpenFile(bytes.NewReader(data), int64(len(data))); err != nil || f.NumRows() != 0 {
		t.Errorf("an empty table: %v", err)
	}
}
