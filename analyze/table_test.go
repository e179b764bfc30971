package analyze

import (
	"fmt"
	"math"
	"testing"
)

func TestTable(t *testing.T) {
	x := &Table{Name: "x", Note: "Simulated.", Columns: []Column{{"a_b", ""}, {"n", ""}, {"value", ""}, {"yes", ""}}}
	x.Add(`say "hi", 50 % | _`, 3, -0.123456789, true)
	x.Add("", int64(12345678), math.NaN(), false)
	x.Add("big", 0, 12345678.0, false)
	for _, c := range []struct{ name, got, want string }{
		{"csv", string(x.CSV()), "a_b,n,value,yes\n\"say \"\"hi\"\", 50 % | _\",3,-0.123457,true\n,12345678,,false\nbig,0,12345678,false\n"},
		{"md", string(x.Markdown()), "| a_b | n | value | yes |\n| --- | ---: | ---: | --- |\n| say \"hi\", 50 % \\| _ | 3 | -0.123 | true |\n|  | 12345678 |  | false |\n| big | 0 | 12345678 | false |\n\nSimulated.\n"},
		{"tex", string(x.TeX()), "% Simulated.\n\\begin{tabular}{lrrl}\n\\toprule\na\\_b & n & value & yes \\\\\n\\midrule\nsay \"hi\", 50 \\% | \\_ & 3 & $-$0.123 & true \\\\\n & 12345678 &  & false \\\\\nbig & 0 & 12345678 & false \\\\\n\\bottomrule\n\\end{tabular}\n"},
	} {
		if c.got != c.want {
			t.Errorf("%s is\n%s\nwant\n%s", c.name, c.got, c.want)
		}
	}
}

func TestCell(t *testing.T) {
	for _, c := range []struct {
		in   any
		want string
	}{{math.Inf(1), ""}, {math.Copysign(0, -1), "0"}, {1e-7, "1e-07"}, {0.1 + 0.2, "0.3"}, {123456.7, "123457"}, {1234567.0, "1234567"}, {"x", "x"}} {
		if got := Cell(c.in, 6); got != c.want {
			t.Errorf("%v is written %q, want %q", c.in, got, c.want)
		}
	}
}

func TestJoin(t *testing.T) {
	a := &Table{Name: "x", Columns: []Column{{"a", ""}}, Rows: [][]any{{1}}}
	b := &Table{Name: "x", Columns: []Column{{"a", ""}}, Rows: [][]any{{2}}}
	if j := Join(a, nil, b); len(j.Rows) != 2 || len(a.Rows) != 1 {
		t.Errorf("joined %v, the first is now %v", j.Rows, a.Rows)
	}
}

// TestTableColumns: a column has the one type that its cells share.
func TestTableColumns(t *testing.T) {
	x := &Table{Columns: []Column{{"text", ""}, {"n", ""}, {"value", ""}, {"yes", ""}, {"mixed", ""}}}
	x.Add("a", 3, 0.5, true, 2)
	x.Add("b", int64(4), 2, false, "two")
	for i, want := range []string{"[]string[a b]", "[]int64[3 4]", "[]float64[0.5 2]", "[]bool[true false]", "[]string[2 two]"} {
		if v := x.values(i); fmt.Sprintf("%T%v", v, v) != want {
			t.Errorf("column %d is %T%v, want %s", i, v, v, want)
		}
	}
	if data, err := x.Parquet(); err != nil || string(data[:4]) != "PAR1" {
		t.Errorf("%v", err)
	}
}
