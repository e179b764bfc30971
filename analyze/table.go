package analyze

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/store"
)

// Table is a tidy table: a row an observation. Cells are string, bool, int, int64 or float64; NaN is a
// missing value. Fractions are fractions, never percent.
type Table struct {
	Name    string // file stem, lower_snake: rois, alignment, …
	Title   string // for people
	Note    string // what a reader must know, "" for none
	Columns []Column
	Rows    [][]any
}

// Column is a name for files and a few words for people.
type Column struct {
	Name string // lower_snake
	Doc  string // meaning and unit
}

// Add appends a row; a wrong number of cells is a bug.
func (t *Table) Add(cells ...any) {
	if len(cells) != len(t.Columns) {
		panic(fmt.Sprintf("analyze: table %s has %d columns, a row of %d cells was added", t.Name, len(t.Columns), len(cells)))
	}
	t.Rows = append(t.Rows, cells)
}

// fitColumns begin the tables whose rows are of one fit, and fitCells their rows.
func fitColumns(more []Column) []Column {
	return append([]Column{{"model", "network"}, {"subject", ""}, {"seed", "of the fit"}, {"protocol", ""}, {"method", ""}, {"ablation", "what is taken away"}}, more...)
}

func fitCells(i *store.FitInfo, more ...any) []any {
	return append([]any{i.Model, i.Subject, i.Seed, i.Protocol, i.Method, ablationOf(i)}, more...)
}

// Column is the index of a column, -1 if there is none of that name.
func (t *Table) Column(name string) int {
	for i, c := range t.Columns {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// Insert puts a column with one value in all rows behind the one that is named.
func (t *Table) Insert(behind string, c Column, value any) {
	at := t.Column(behind) + 1
	t.Columns = slices.Insert(slices.Clone(t.Columns), at, c)
	for i, row := range t.Rows {
		t.Rows[i] = slices.Insert(slices.Clone(row), at, value)
	}
}

// Join appends the rows of tables with the same columns to a copy of the first.
func Join(tables ...*Table) *Table {
	var out *Table
	for _, t := range tables {
		switch {
		case t == nil:
		case out == nil:
			c := *t
			c.Rows = append([][]any(nil), t.Rows...)
			out = &c
		default:
			for _, row := range t.Rows {
				out.Add(row...)
			}
		}
	}
	return out
}

// CSV is the table as RFC 4180 text with a header; numbers have six significant digits.
func (t *Table) CSV() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	header := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		header[i] = c.Name
	}
	w.Write(header) // writing to a bytes.Buffer can't fail
	for _, row := range t.Rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = Cell(c, 6)
		}
		w.Write(cells)
	}
	w.Flush()
	return b.Bytes()
}

// Markdown is the table for a README or a comment, numbers with three significant digits.
func (t *Table) Markdown() []byte {
	var b bytes.Buffer
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	head, rule := make([]string, len(t.Columns)), make([]string, len(t.Columns))
	for i, c := range t.Columns {
		head[i], rule[i] = c.Name, "---"
		if t.numeric(i) {
			rule[i] = "---:"
		}
	}
	line(head)
	line(rule)
	for _, row := range t.Rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = strings.ReplaceAll(strings.ReplaceAll(Cell(c, 3), "|", `\|`), "\n", " ")
		}
		line(cells)
	}
	if t.Note != "" {
		fmt.Fprintf(&b, "\n%s\n", t.Note)
	}
	return b.Bytes()
}

// Parquet is the table as a Parquet file: whole numbers as int64, numbers as double (null where missing), texts
// and truths as such. The title and the note are metadata (cortexmap.title, cortexmap.note).
func (t *Table) Parquet() ([]byte, error) {
	columns := make([]store.TableColumn, len(t.Columns))
	for i, c := range t.Columns {
		columns[i] = store.TableColumn{Name: c.Name, Values: t.values(i)}
	}
	return store.TableParquet(columns, map[string]string{"cortexmap.title": t.Title, "cortexmap.note": t.Note})
}

// values is a column in the one type that its cells have in common: whole numbers among others are numbers,
// anything among texts is text.
func (t *Table) values(col int) any {
	var floats, whole, truths int
	for _, row := range t.Rows {
		switch row[col].(type) {
		case float64:
			floats++
		case int, int64:
			whole++
		case bool:
			truths++
		}
	}
	n := len(t.Rows)
	switch {
	case whole == n && n > 0:
		return column(t, col, func(c any) int64 { return reflect.ValueOf(c).Int() })
	case truths == n && n > 0:
		return column(t, col, func(c any) bool { return c.(bool) })
	case floats+whole == n && n > 0:
		return column(t, col, func(c any) float64 {
			if x, ok := c.(float64); ok {
				return x
			}
			return float64(reflect.ValueOf(c).Int())
		})
	}
	return column(t, col, func(c any) string { return Cell(c, 17) })
}

func column[T any](t *Table, col int, of func(any) T) []T {
	out := make([]T, len(t.Rows))
	for i, row := range t.Rows {
		out[i] = of(row[col])
	}
	return out
}

var latex = strings.NewReplacer(`\`, `\textbackslash{}`, `_`, `\_`, `%`, `\%`, `&`, `\&`, `#`, `\#`, `$`, `\$`,
	`{`, `\{`, `}`, `\}`, `~`, `\textasciitilde{}`, `^`, `\textasciicircum{}`)

// TeX is the table as a LaTeX tabular (package booktabs), numbers with three significant digits.
func (t *Table) TeX() []byte {
	var b bytes.Buffer
	spec, head := "", make([]string, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = latex.Replace(c.Name)
		if t.numeric(i) {
			spec += "r"
		} else {
			spec += "l"
		}
	}
	if t.Note != "" {
		fmt.Fprintf(&b, "%% %s\n", strings.ReplaceAll(t.Note, "\n", " "))
	}
	fmt.Fprintf(&b, "\\begin{tabular}{%s}\n\\toprule\n%s \\\\\n\\midrule\n", spec, strings.Join(head, " & "))
	for _, row := range t.Rows {
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = latex.Replace(Cell(c, 3))
			if _, isNumber := c.(float64); isNumber && strings.HasPrefix(cells[i], "-") {
				cells[i] = "$-$" + cells[i][1:]
			}
		}
		fmt.Fprintf(&b, "%s \\\\\n", strings.Join(cells, " & "))
	}
	b.WriteString("\\bottomrule\n\\end{tabular}\n")
	return b.Bytes()
}

// numeric says whether a column holds numbers.
func (t *Table) numeric(col int) bool {
	for _, row := range t.Rows {
		switch row[col].(type) {
		case string, bool:
			return false
		}
	}
	return true
}

// Cell writes one value; floats get so many significant digits, what is missing is empty.
func Cell(c any, digits int) string {
	switch x := c.(type) {
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return ""
		}
		s := strconv.FormatFloat(x, 'g', digits, 64)
		if strings.Contains(s, "e") && math.Abs(x) >= 1e-4 && math.Abs(x) < 1e15 {
			s = strconv.FormatFloat(x, 'f', 0, 64)
		}
		if s == "-0" {
			return "0"
		}
		return s
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case int:
		return strconv.Itoa(x)
	case int64:
		return strconv.FormatInt(x, 10)
	}
	panic(fmt.Sprintf("analyze: a table's cell can't be a %T", c))
}
