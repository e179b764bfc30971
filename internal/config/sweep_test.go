package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cortexmap/internal/fault"
)

const base = "models: [a.onnx]\nsubjects: [s]\n"

func labels(c *Config) []string {
	var out []string
	for _, s := range c.Settings() {
		out = append(out, s.Label)
	}
	return out
}

// TestSweep: product multiplies, zip walks together, exclude leaves out; each setting is a configuration of
// its own, with the defaults that follow from it.
func TestSweep(t *testing.T) {
	c, err := load(t, base+`
fit: {images: 100}
sweep:
  product:
    fit.protocol: [sound, paper]
    fit.split.val: [0.1, 0.2]
  zip:
    extract.layers: [blocks, [a, b]]
    fit.images: [500, 0]
  exclude:
    - {fit.protocol: paper, fit.split.val: 0.2}
    - {fit.images: 0, fit.split.val: 0.2}
  groups: {all: [a]}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"fit.protocol=sound fit.split.val=0.1 extract.layers=blocks fit.images=500",
		`fit.protocol=sound fit.split.val=0.1 extract.layers=["a","b"] fit.images=0`,
		"fit.protocol=sound fit.split.val=0.2 extract.layers=blocks fit.images=500",
		"fit.protocol=paper fit.split.val=0.1 extract.layers=blocks fit.images=500",
		`fit.protocol=paper fit.split.val=0.1 extract.layers=["a","b"] fit.images=0`,
	}
	if d := cmp.Diff(want, labels(c)); d != "" {
		t.Error(d)
	}
	last := c.Settings()[4].Config
	if last.Fit.Protocol != "paper" || last.Fit.Split.Test != paperTest || len(last.Extract.Layers) != 2 || last.Fit.Images != 0 {
		t.Errorf("the last setting is %+v", last.Fit)
	}
	if c.Fit.Images != 100 || c.Fit.Protocol != "sound" {
		t.Errorf("the file's own settings are %+v", c.Fit)
	}
}

// TestSweepOverridden: --set reaches below what is swept, and into the sweep itself.
func TestSweepOverridden(t *testing.T) {
	c, err := load(t, base+"sweep: {product: {fit.images: [1, 2]}}\n", Override{Key: "fit.protocol", Value: "paper"}, Override{Key: "sweep.product", Value: "{fit.images: [5, 6, 7]}"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"fit.images=5", "fit.images=6", "fit.images=7"}, labels(c)); d != "" {
		t.Error(d)
	}
	for _, s := range c.Settings() {
		if s.Config.Fit.Protocol != "paper" {
			t.Errorf("%s: protocol %s", s.Label, s.Config.Fit.Protocol)
		}
	}
}

// TestSweepsThatAreWrong: what can't be swept, or asked of a cluster, is refused where it stands.
func TestSweepsThatAreWrong(t *testing.T) {
	for _, c := range []struct{ text, want, at string }{
		{"sweep: {product: {fit.imagse: [1]}}", "unknown key \"imagse\"", "test.yaml:3"},
		{"sweep: {product: {fit.images: [1, many]}}", "fit.images", "test.yaml:3"},
		{"sweep: {product: {fit.images: [-1]}}", "-1 is not between", "test.yaml:3"},
		{"sweep: {product: {fit.images: 5}}", "a list of values", "test.yaml:3"},
		{"sweep: {product: {fit.images: []}}", "a list of values", "test.yaml:3"},
		{"sweep: {product: {fit.images: [5, 5]}}", "5 stands twice", "test.yaml:3"},
		{"sweep: {product: {fit.seeds: [[1], [2]]}}", "seeds always multiply", "test.yaml:3"},
		{"sweep: {product: {models: [[a], [b]]}}", "networks always multiply", "test.yaml:3"},
		{"sweep: {product: {analyze.interval: [auto]}}", "results are made once", "test.yaml:3"},
		{"sweep: {product: {sweep.product: [1]}}", "multiplies already", "test.yaml:3"},
		{"sweep: {product: {out: [a, b]}}", "one output folder", "test.yaml:3"},
		{"sweep: {product: {extract.batch: [1, 2]}}", "doesn't change numbers", "test.yaml:3"},
		{"sweep: {product: {fit.split: [{val: 0.2}], fit.split.val: [0.1]}}", "swept twice", "test.yaml:3"},
		{"sweep: {zip: {fit.images: [1, 2], fit.split.val: [0.1]}}", "1 values, fit.images has 2", "test.yaml:3"},
		{"sweep: {product: {fit.images: [1]}, exclude: [{fit.images: 2}]}", "no setting of the sweep", "test.yaml:3"},
		{"sweep: {product: {fit.images: [1]}, exclude: [{fit.images: 1}]}", "nothing is left", "test.yaml:3"},
		{"sweep: {exclude: [{fit.images: 1}]}", "nothing is swept", "test.yaml:3"},
		{"sweep: {prodcut: {}}", "did you mean product", "test.yaml:3"},
		{"sweep: {product: {'': [1]}}", "no dotted key", "test.yaml:3"},
		{"sweep: {product: {x-a: [1]}}", "x-a", "test.yaml:3"},
		{"sweep: {product: {fit.images.x: [1]}}", "fit.images", ""},
		{"slurm: {cpus: -1}", "less than 0", "test.yaml:3"},
		{"slurm: {fit: {at_once: -1}}", "less than 0", "test.yaml:3"},
		{"slurm: {extra: [--constraint, avx512]}", "no long option", "test.yaml:3"},
		{"slurm: {extract: {extra: ['--array=0-3']}}", "--array can't be given here", "test.yaml:3"},
		{fmt.Sprintf("sweep: {product: {fit.images: [%s], fit.split.seed: [%s]}}", numbers(200), numbers(200)), "more than 10000 settings", "test.yaml:3"},
	} {
		_, err := load(t, base+c.text+"\n")
		var f *fault.Error
		if !errors.As(err, &f) || f.Class != fault.Input || !strings.Contains(f.Error(), c.want) || !strings.Contains(f.At, c.at) {
			t.Errorf("%.60s: %v, want %q at %s", c.text, err, c.want, c.at)
		}
	}
}

func numbers(n int) string {
	var words []string
	for i := range n {
		words = append(words, fmt.Sprint(i))
	}
	return strings.Join(words, ",")
}

// TestRecordIsAFile: what run.json keeps of a configuration is one that says the same.
func TestRecordIsAFile(t *testing.T) {
	c, err := load(t, base+`
extract: {layers: [a, b]}
analyze: {hierarchy: [V1, {high: [FFA, PPA]}]}
sweep: {product: {fit.images: [1, 2], fit.split: [{val: 0.1}, {val: 0.2}]}, exclude: [{fit.images: 2}], groups: {x: [a]}}
slurm: {partition: long, cpus: 3, at_once: 50, extra: ["--mem-bind=local"], fit: {time: "1:00:00"}}
`)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Load("run.json", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c, back, places, cmpopts.IgnoreFields(Config{}, "Sweep")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(labels(c), labels(back)); d != "" || len(labels(c)) != 2 {
		t.Error(labels(c), d)
	}
}

// FuzzSweep: whatever is written under sweep, it ends, in settings that are all checked, or in a fault.
func FuzzSweep(f *testing.F) {
	f.Add("product: {fit.images: [1, 2], fit.protocol: [sound, paper]}\n  exclude: [{fit.images: 1}]")
	f.Add("zip: {fit.images: [1, 2], extract.layers: [blocks, [a, 'b*']]}")
	f.Add("product: {fit.split: [{val: 0.1}, {val: 0.2, by: image}]}")
	f.Add("groups: {a: [b, c], d: []}")
	f.Add("product: {x: [&a [1], *a], '..': [1], analyze: [{}]}")
	f.Fuzz(func(t *testing.T, sweep string) {
		c, err := Load("fuzz.yaml", []byte(base+"sweep:\n  "+sweep+"\n"), nil)
		if err != nil {
			var fe *fault.Error
			if !errors.As(err, &fe) || fe.Class != fault.Input {
				t.Fatalf("%v is no fault of the user's", err)
			}
			return
		}
		if n := len(c.Settings()); n < 1 || n > maxSettings {
			t.Fatalf("%d settings", n)
		}
		seen := map[string]bool{}
		for _, s := range c.Settings() {
			if seen[s.Label] {
				t.Fatalf("two settings are called %s", s.Label)
			}
			seen[s.Label] = true
		}
	})
}
