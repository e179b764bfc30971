package strictyaml

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"cortexmap/internal/fault"

	"github.com/google/go-cmp/cmp"
)

type settings struct {
	Out     string         `yaml:"out"`
	Threads int            `yaml:"threads"`
	Small   int8           `yaml:"small"`
	Count   uint           `yaml:"count"`
	Rate    float64        `yaml:"rate"`
	Fast    bool           `yaml:"fast"`
	Pair    [2]float64     `yaml:"pair"`
	Seeds   []int          `yaml:"seeds"`
	Fit     fit            `yaml:"fit"`
	Models  []model        `yaml:"models"`
	Names   map[int]string `yaml:"names"`
	Groups  map[string]fit `yaml:"groups"`
	Degrees *float64       `yaml:"degrees"`
	Any     any            `yaml:"any"`
	Plain   string         // no tag: "plain"
	Hidden  string         `yaml:"-"`
	Common                 // promoted
	hidden  string         // unexported: not a key
}

type Common struct {
	Label string `yaml:"label"`
}

type fit struct {
	Protocol string `yaml:"protocol"`
	Grid     int    `yaml:"grid"`
}

// model is written as a path or as a mapping.
type model struct {
	Path string `yaml:"path"`
	Name string `yaml:"name"`
}

func (m *model) UnmarshalYAML(n *Node) error {
	switch n.Kind() {
	case Scalar:
		m.Path = n.Text()
		return nil
	case List:
		return errors.New("a model is one file")
	}
	type plain model
	return n.Decode((*plain)(m))
}

func defaults() settings {
	return settings{Out: "runs", Threads: 2, Seeds: []int{7, 8, 9}, Fit: fit{"sound", 8}, Names: map[int]string{9: "old"}, hidden: "kept"}
}

func TestDecode(t *testing.T) {
	cases := []struct {
		name, text string
		change     func(*settings)
	}{
		{"nothing but braces", "{}", func(s *settings) {}},
		{"a comment and a key", "# hello\nout: x # there\n", func(s *settings) { s.Out = "x" }},
		{"document marks", "---\nout: x\n...\n", func(s *settings) { s.Out = "x" }},
		{"windows line ends and mark", "\ufeffout: x\r\nthreads: 3\r\n", func(s *settings) { s.Out, s.Threads = "x", 3 }},
		{"a key without a value keeps the default", "out:\nfit:\nseeds: ~\n", func(s *settings) {}},
		{"part of a struct", "fit: {grid: 4}", func(s *settings) { s.Fit.Grid = 4 }},
		{"numbers", "threads: +3\nsmall: -128\ncount: 18446744073709551615\nrate: 1e-3\npair: [1, .5]", func(s *settings) {
			s.Threads, s.Small, s.Count, s.Rate, s.Pair = 3, -128, math.MaxUint64, 1e-3, [2]float64{1, 0.5}
		}},
		{"hexadecimal", "threads: 0x10", func(s *settings) { s.Threads = 16 }},
		{"a number for a text stays as written", "out: 0123", func(s *settings) { s.Out = "0123" }},
		{"yes is a text", "out: yes", func(s *settings) { s.Out = "yes" }},
		{"true is not", "fast: true", func(s *settings) { s.Fast = true }},
		{"quoted and block texts", "out: \"a: b\"\nplain: |\n  one\n  two\n", func(s *settings) { s.Out, s.Plain = "a: b", "one\ntwo\n" }},
		{"a list is replaced", "seeds: [1]", func(s *settings) { s.Seeds = []int{1} }},
		{"a block list", "seeds:\n- 1\n- 2\n", func(s *settings) { s.Seeds = []int{1, 2} }},
		{"an empty list", "seeds: []", func(s *settings) { s.Seeds = []int{} }},
		{"a map is replaced", "names: {1: V1, 2: V2}", func(s *settings) { s.Names = map[int]string{1: "V1", 2: "V2"} }},
		{"a map of structs", "groups:\n  a: {grid: 1}", func(s *settings) { s.Groups = map[string]fit{"a": {Grid: 1}} }},
		{"a pointer", "degrees: 8.4", func(s *settings) { x := 8.4; s.Degrees = &x }},
		{"string or mapping", "models: [a.onnx, {path: b.onnx, name: b}]", func(s *settings) { s.Models = []model{{"a.onnx", ""}, {"b.onnx", "b"}} }},
		{"anything", "any: {a: [1, 2.5, x, true, null]}", func(s *settings) {
			s.Any = map[string]any{"a": []any{uint64(1), 2.5, "x", true, nil}}
		}},
		{"promoted", "label: me", func(s *settings) { s.Label = "me" }},
		{"anchors, aliases and merging", "x-a: &a {grid: 3, protocol: paper}\nfit: {<<: *a, grid: 5}\nx-out: &o there\nout: *o\n",
			func(s *settings) { s.Fit, s.Out = fit{"paper", 5}, "there" }},
		{"merging a list", "x-a: &a {grid: 3}\nx-b: &b {grid: 4, protocol: paper}\nfit:\n  <<: [*a, *b]\n", func(s *settings) { s.Fit = fit{"paper", 3} }},
		{"quoted numbers are texts", "any: ['1e-3', \"1\", 1e-3, 1.e2, .5, 1_0]", func(s *settings) { s.Any = []any{"1e-3", "1", 1e-3, 100.0, 0.5, uint64(10)} }},
		{"tags", "out: !!str 12\nrate: !!float 3\n", func(s *settings) { s.Out, s.Rate = "12", 3 }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, want := defaults(), defaults()
			c.change(&want)
			if err := Decode("f.yaml", []byte(c.text), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(settings{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	cases := []struct{ name, text, at, what, fix string }{
		{"unknown key", "out: x\nfit:\n  gird: 8\n", "f.yaml:3:3: gird: 8", `unknown key "gird" in fit`, "did you mean grid?"},
		{"unknown key at the top", "thread: 8", "f.yaml:1:1: thread: 8", `unknown key "thread"`, "did you mean threads?"},
		{"nothing near", "fit: {zebra: 1}", "f.yaml:1:7: fit: {zebra: 1}", `unknown key "zebra" in fit`, "the keys here are protocol, grid"},
		{"unexported field", "hidden: 1", "f.yaml:1:1: hidden: 1", `unknown key "hidden"`, ""},
		{"a broken number", "out: x\nthreads: 1.5\n", "f.yaml:2:10: threads: 1.5", `threads: it must be a whole number, not "1.5"`, ""},
		{"1.0 is not written as a whole number", "threads: 1.0", "f.yaml:1:10: threads: 1.0", `threads: it must be a whole number, not "1.0"`, ""},
		{"too large", "small: 128", "f.yaml:1:8: small: 128", "small: 128 is out of range: -128 to 127", ""},
		{"below zero", "count: -1", "f.yaml:1:8: count: -1", "count: -1 is out of range: 0 to 18446744073709551615", ""},
		{"too large for int64", "threads: 9223372036854775808", "f.yaml:1:10: threads: 9223372036854775808", "threads: 9223372036854775808 is out of range: -9223372036854775808 to 9223372036854775807", ""},
		{"text for a number", "fit:\n  grid: eight", "f.yaml:2:9: grid: eight", `fit.grid: it must be a whole number, not "eight"`, ""},
		{"text for a list", "seeds: 0", "f.yaml:1:8: seeds: 0", `seeds: it must be a list, not "0"`, ""},
		{"list for a text", "out: [a]", "f.yaml:1:6: out: [a]", "out: it must be a text, not a list", ""},
		{"list item", "seeds:\n- 1\n- x\n", "f.yaml:3:3: - x", `seeds.1: it must be a whole number, not "x"`, ""},
		{"true for a text", "out: true", "f.yaml:1:6: out: true", `out: it must be a text, not "true"`, ""},
		{"text for true", "fast: yes", "f.yaml:1:7: fast: yes", `fast: it must be true or false, not "yes"`, ""},
		{"not finite", "rate: .nan", "f.yaml:1:7: rate: .nan", `rate: it must be a number, not ".nan"`, ""},
		{"wrong length", "pair: [1]", "f.yaml:1:7: pair: [1]", "pair: it must be a list of 2, not of 1", ""},
		{"scalar for a mapping", "fit: sound", "f.yaml:1:6: fit: sound", `fit: it must be a mapping (key: value), not "sound"`, ""},
		{"key of a map", "names: {V1: 1}", "f.yaml:1:9: names: {V1: 1}", `names: the key "V1" must be a whole number`, ""},
		{"inside what reads itself", "models:\n- path: a\n  nme: b\n", "f.yaml:3:3: nme: b", `unknown key "nme" in models.0`, "did you mean name?"},
		{"error of what reads itself", "models: [[a]]", "f.yaml:1:10: models: [[a]]", "models.0: a model is one file", ""},
		{"a second document", "out: x\n---\nout: y\n", "f.yaml:2:1: ---", "a second document begins; one file is one document", "split the file, or delete the line ---"},
		{"an empty file", "", "f.yaml", "the file is empty", "write at least one key, or {} where every default is meant"},
		{"only comments", "# nothing\n", "f.yaml", "the file is empty", "write at least one key, or {} where every default is meant"},
		{"a list at the top", "- a", "f.yaml:1:1: - a", "it must be a mapping (key: value), not a list", ""},
		{"a text at the top", "hello", "f.yaml:1:1: hello", `it must be a mapping (key: value), not "hello"`, ""},
		{"unclosed", "out: [a\n", "f.yaml:1:6: out: [a", "no valid YAML: ", ""},
		{"tab", "fit:\n\tgrid: 8\n", "f.yaml:2:1: grid: 8", "no valid YAML: ", ""},
		{"key given twice", "out: a\nout: b\n", "f.yaml:2:1: out: b", "", ""},
		{"no such anchor", "out: *a", "f.yaml:1:6: out: *a", "out: there is no anchor &a before this *a", ""},
		{"merged text", "fit: {<<: a}", "f.yaml:1:11: fit: {<<: a}", "it must be a mapping, to be merged with <<", ""},
		{"foreign tag", "out: !secret a", "f.yaml:1:6: out: !secret a", "out: the tag !secret doesn't go", ""},
		{"no text", "out: \xff", "f.yaml", "no text in UTF-8", ""},
		{"too deep", strings.Repeat("[", 200), "f.yaml", "brackets are nested more than 100 deep", ""},
		{"too large a file", strings.Repeat("# hello\n", 1<<18), "f.yaml", "2097152 bytes", ""},
		{"long line", "zebra: " + strings.Repeat("é", 100), "f.yaml:1:1: zebra: " + strings.Repeat("é", 72) + "…", "unknown key", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := defaults()
			err := Decode("f.yaml", []byte(c.text), &s)
			var f *fault.Error
			if !errors.As(err, &f) || f.Class != fault.Input {
				t.Fatalf("%v", err)
			}
			if f.At != c.at || !strings.Contains(f.What, c.what) || c.fix != "" && f.Fix != c.fix {
				t.Errorf("got  %q at %q fix %q\nwant %q at %q fix %q", f.What, f.At, f.Fix, c.what, c.at, c.fix)
			}
		})
	}
}

// A few lines of aliases can stand for 2^30 values: they are counted, not followed for ever.
func TestAliasesMultiply(t *testing.T) {
	text := "x-a0: &a0 [1, 1]\n"
	for i := range 30 {
		text += fmt.Sprintf("x-a%d: &a%d [*a%d, *a%d]\n", i+1, i+1, i, i)
	}
	s := defaults()
	if err := Decode("f.yaml", []byte(text+"any: *a30\n"), &s); err == nil || !strings.Contains(err.Error(), "aliases multiply") {
		t.Errorf("%v", err)
	}
	// Laid over, they are walked as well.
	if err := Set(&s, "any", text); err == nil || !strings.Contains(err.Error(), "aliases multiply") {
		t.Errorf("Set: %v", err)
	}
}

func TestSet(t *testing.T) {
	const text = "out: x\nfit: &f {grid: 8}\ngroups: {a: *f, b: *f}\nmodels: [a]\n"
	cases := []struct {
		name, key, value string
		change           func(*settings)
	}{
		{"a scalar", "threads", "5", func(s *settings) { s.Threads = 5 }},
		{"inside", "fit.protocol", "paper", func(s *settings) { s.Fit.Protocol = "paper" }},
		{"a list", "seeds", "[0, 1]", func(s *settings) { s.Seeds = []int{0, 1} }},
		{"a block list", "seeds", "- 0\n- 1\n", func(s *settings) { s.Seeds = []int{0, 1} }},
		{"an empty text", "out", "", func(s *settings) { s.Out = "" }},
		{"one of two aliases", "groups.a.grid", "1", func(s *settings) { s.Groups["a"] = fit{Grid: 1} }},
		{"a new way", "groups.c.grid", "1", func(s *settings) { s.Groups["c"] = fit{Grid: 1} }},
		{"a list of either form", "models", "[b, {path: c}]", func(s *settings) { s.Models = []model{{Path: "b"}, {Path: "c"}} }},
		{"a whole mapping", "fit", "{grid: 2}", func(s *settings) { s.Fit = fit{"sound", 2} }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d, err := Parse("f.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			got, want := defaults(), defaults()
			if err := d.Decode(&want); err != nil {
				t.Fatal(err)
			}
			c.change(&want)
			if err := d.Set(c.key, c.value); err != nil {
				t.Fatal(err)
			}
			if err := d.Decode(&got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(settings{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSetFaults(t *testing.T) {
	for _, c := range []struct{ key, value, at, what, fix string }{
		{"fit.gird", "1", "--set fit.gird", `unknown key "gird" in fit`, "did you mean grid?"},
		{"ftt.grid", "1", "--set ftt.grid", `unknown key "ftt"`, "did you mean fit?"},
		{"fit.grid", "1.5", "--set fit.grid", `fit.grid: it must be a whole number, not "1.5"`, ""},
		{"seeds", "[0, x]", "--set seeds", `seeds.1: it must be a whole number, not "x"`, ""},
		{"models.0.path", "b", "--set models.0.path", `models is a list: it has no key "0"`, "give the whole value: --set models=…"},
		{"out.dir", "b", "--set out.dir", `out is a text: it has no key "dir"`, "give the whole value: --set out=…"},
		{"fit..grid", "b", "--set fit..grid", `"fit..grid" is no dotted key`, "write for instance --set fit.seeds=[0,1]"},
		{"", "b", "--set ", `"" is no dotted key`, ""},
		{"out", "[a", "--set out:1:1: [a", "no valid YAML", ""},
	} {
		t.Run(c.key, func(t *testing.T) {
			d, err := Parse("f.yaml", []byte("out: x\nmodels: [a]\nfit: {grid: 8}"))
			if err != nil {
				t.Fatal(err)
			}
			s := defaults()
			if err = d.Set(c.key, c.value); err == nil {
				err = d.Decode(&s)
			}
			var f *fault.Error
			if !errors.As(err, &f) || f.At != c.at || !strings.Contains(f.What, c.what) || c.fix != "" && f.Fix != c.fix {
				t.Errorf("got %#v\nwant %+v", err, c)
			}
		})
	}
	s := defaults()
	if err := Set(&s, "fit.grid", "3"); err != nil || s.Fit != (fit{"sound", 3}) {
		t.Errorf("Set on a struct: %v, %v", err, s.Fit)
	}
	if err := Set(&s, "fit.gird", "3"); err == nil || !strings.Contains(err.Error(), "did you mean grid?") {
		t.Errorf("Set on a struct: %v", err)
	}
}

func TestWhere(t *testing.T) {
	d, err := Parse("f.yaml", []byte("out: x\nfit:\n  seeds: [3,\n    4]\n  grid: 8\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Set("fit.grid", "9"); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"out": "f.yaml:1:6: out: x", "fit.seeds": "f.yaml:3:10: seeds: [3,", "fit.seeds.1": "f.yaml:4:5: 4]",
		"fit.grid": "--set fit.grid", "fit.none": "f.yaml:3:3: seeds: [3,", "none": "f.yaml", "none.none": "f.yaml", "fit.seeds.9": "f.yaml:3:10: seeds: [3,",
	} {
		if got := d.Where(key); got != want {
			t.Errorf("%s is at %q, want %q", key, got, want)
		}
	}
	if !d.Has("fit.seeds.0") || d.Has("fit.none") || d.Get("fit.seeds").Items()[1].Text() != "4" || d.Get("fit").Keys()[0] != "seeds" {
		t.Error("Has, Get")
	}
	if err := d.Fault("fit.seeds", "%d is below 0", -1); err.Error() != "fit.seeds: -1 is below 0 (f.yaml:3:10: seeds: [3,)" {
		t.Errorf("Fault: %v", err)
	}
}

func TestNearest(t *testing.T) {
	valid := []string{"grid", "protocol", "ort_lib", "out", "seeds"}
	for name, want := range map[string]string{
		"gird": "grid", "gridd": "grid", "Grid": "grid", "grids": "grid", "seed": "seeds", "prtocl": "protocol", "ort-lib": "ort_lib",
		"zebra": "", "ou": "out", "o": "", "": "", "threads": "",
	} {
		if got := Nearest(name, valid); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// FuzzDecode: whatever the text is, there is an answer or a fault of class Input, with a place.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"out: x", "a: &a [*a]", "fit: {<<: {grid: 1}}", "? a\n: b", "- - - a", "models: [{path: !!str 1}]", "a: |\n b\n", "%YAML 1.2\n---\na: 1", "a: !!binary x", "<<: 1", "\"a\\u0000\": 1", "x: >-\n\n  a", "{a, b: }"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := defaults()
		err := Decode("f.yaml", data, &s)
		var e *fault.Error
		if err != nil && (!errors.As(err, &e) || e.Class != fault.Input || !strings.HasPrefix(e.At, "f.yaml")) {
			t.Errorf("%v", err)
		}
		_ = Set(&s, "any", string(data))
	})
}
