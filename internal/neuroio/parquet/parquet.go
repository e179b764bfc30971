// Package parquet reads tables of numbers from Apache Parquet files, as pandas, polars, DuckDB and R write them: a
// column a unit, a row a picture.
//
// # The format
//
// Source: apache/parquet-format. "PAR1", the pages of row group after row group and column after column, a footer
// (Thrift), its length as uint32 little-endian, "PAR1". parquet-go decodes pages; this package says which columns are
// numbers, gives them as float64 with NaN for null, and keeps what a damaged file says from costing memory or a panic.
//
// # What is read
//
// Columns of the top level of type FLOAT, DOUBLE, INT32 and INT64 (whole numbers with or without sign), compressed by
// snappy, gzip, zstd, brotli or LZ4_RAW, or not. Text, lists, dates, decimals and nested columns are no numbers; Open
// leaves them out, and Other names them. pandas' __index_level_0__ is the index that DataFrame.to_parquet saved
// besides; it is left out likewise.
//
// # Bounds
//
// A column is read into memory of its own, 8 bytes a row; rows are counted as they come, not as the footer claims. A page
// that lies about its size costs up to 256 MiB for a moment, which is parquet-go's own bound.
package parquet

import (
	"errors"
	"io"
	"math"
	"os"
	"strings"

	"github.com/parquet-go/parquet-go"

	"cortexmap/internal/fault"
)

// Table is an open file.
type Table struct {
	Columns []string // numeric ones, in the file's order
	Other   []string // columns that hold no numbers
	Rows    int

	file   *os.File // nil: Parse's caller keeps it
	parsed *parquet.File
	leaf   []int  // of each of Columns
	plain  []bool // of each of Columns: whole numbers without sign
}

// OpenFile opens a file, which now belongs to the table: Close closes it, and so does a failure. path is what
// faults call it.
func OpenFile(f *os.File, path string) (*Table, error) {
	info, err := f.Stat()
	if err == nil {
		var t *Table
		if t, err = Parse(f, info.Size()); err == nil {
			t.file = f
			return t, nil
		}
	}
	f.Close()
	var e *fault.Error
	if errors.As(err, &e) {
		return nil, e.In("%s", path)
	}
	return nil, err
}

// Parse reads the footer of a file of size bytes.
func Parse(r io.ReaderAt, size int64) (t *Table, err error) {
	defer guard(&err)
	if err := checkFooter(r, size); err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(r, size, parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return nil, damaged(err)
	}
	t = &Table{parsed: f, Rows: int(f.NumRows())}
	leaf := 0
	for _, c := range f.Root().Columns() {
		switch {
		case c.Leaf() && !c.Repeated() && isNumber(c.Type()) && !strings.HasPrefix(c.Name(), "__index_level_"):
			t.Columns, t.leaf = append(t.Columns, c.Name()), append(t.leaf, leaf)
			l := c.Type().LogicalType()
			t.plain = append(t.plain, l != nil && strings.HasSuffix(l.String(), "false)"))
		default:
			t.Other = append(t.Other, c.Name())
		}
		leaf += leaves(c)
	}
	return t, nil
}

// checkFooter looks at the length that the file's end claims, which parquet-go would believe.
func checkFooter(r io.ReaderAt, size int64) error {
	var end [8]byte
	if size < 12 {
		return fault.Inputf("the file is no Parquet: it has %d bytes", size)
	}
	if _, err := r.ReadAt(end[:], size-8); err != nil {
		return err
	}
	if string(end[4:]) != "PAR1" {
		return fault.Inputf("the file is no Parquet, or it was cut short: it doesn't end with PAR1").Remedy("write or download it again")
	}
	n := int64(end[0]) | int64(end[1])<<8 | int64(end[2])<<16 | int64(end[3])<<24
	if n > size-12 {
		return fault.Inputf("the Parquet footer claims %d bytes, the file has %d", n, size).Remedy("write or download it again")
	}
	return nil
}

func leaves(c *parquet.Column) int {
	if c.Leaf() {
		return 1
	}
	n := 0
	for _, child := range c.Columns() {
		n += leaves(child)
	}
	return n
}

func isNumber(t parquet.Type) bool {
	switch t.Kind() {
	case parquet.Float, parquet.Double:
		return true
	case parquet.Int32, parquet.Int64:
		l := t.LogicalType()
		return l == nil || strings.HasPrefix(l.String(), "INT")
	}
	return false
}

// Close lets go of the file.
func (t *Table) Close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}

// Column reads column i of Columns, [Rows]; null is NaN.
func (t *Table) Column(i int) (out []float64, err error) {
	defer guard(&err)
	values := make([]parquet.Value, 1024)
	for _, g := range t.parsed.RowGroups() {
		pages := g.ColumnChunks()[t.leaf[i]].Pages()
		if out, err = readPages(pages, values, out, t.Rows, t.plain[i]); err != nil {
			return nil, err
		}
	}
	if len(out) != t.Rows {
		return nil, fault.Inputf("column %s has %d rows, the file %d", t.Columns[i], len(out), t.Rows).Remedy("write or download the file again")
	}
	return out, nil
}

func readPages(pages parquet.Pages, values []parquet.Value, out []float64, most int, plain bool) ([]float64, error) {
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, damaged(err)
		}
		reader := page.Values()
		for {
			n, err := reader.ReadValues(values)
			for _, v := range values[:n] {
				out = append(out, number(v, plain))
			}
			if len(out) > most {
				return nil, fault.Inputf("a column has more rows than the file claims, %d", most)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || n == 0 {
				return nil, damaged(err)
			}
		}
		parquet.Release(page)
	}
}

func number(v parquet.Value, plain bool) float64 {
	switch {
	case v.IsNull():
		return math.NaN()
	case v.Kind() == parquet.Float:
		return float64(v.Float())
	case v.Kind() == parquet.Double:
		return v.Double()
	case plain && v.Kind() == parquet.Int32:
		return float64(v.Uint32())
	case plain:
		return float64(v.Uint64())
	case v.Kind() == parquet.Int32:
		return float64(v.Int32())
	}
	return float64(v.Int64())
}

func damaged(err error) error {
	return fault.Inputf("the Parquet file can't be read: %v", err).Remedy("write or download it again")
}

// guard turns a panic of parquet-go, which some damaged files cause, into a fault.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fault.Inputf("the Parquet file can't be read: %v", r).Remedy("write or download it again")
	}
}
