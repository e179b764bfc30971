package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cortexmap/internal/fault"
	"cortexmap/internal/strictyaml"
)

func load(t *testing.T, text string, set ...Override) (*Config, error) {
	t.Helper()
	return Load("test.yaml", []byte(text), set)
}

func TestThreeLinesAreEnough(t *testing.T) {
	c, err := load(t, "models: [a.onnx, {path: b.onnx, name: bee}]\nsubjects: [demo:simulated]\nout: runs/x\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.Out = "runs/x"
	want.Models = []Model{{Path: "a.onnx"}, {Path: "b.onnx", Name: "bee"}}
	want.Subjects = []Subject{{Path: "demo:simulated"}}
	if d := cmp.Diff(&want, c, places); d != "" {
		t.Error(d)
	}
	if at := []string{c.Models[0].At, c.Models[1].At, c.Subjects[0].At}; !strings.HasPrefix(at[0], "test.yaml:1:10: ") || !strings.HasPrefix(at[1], "test.yaml:1:19: ") || !strings.HasPrefix(at[2], "test.yaml:2:12: ") {
		t.Errorf("places %q", at)
	}
}

// places of entries are not what most tests are about.
var places = cmp.Options{cmpopts.IgnoreFields(Model{}, "At"), cmpopts.IgnoreFields(Subject{}, "At"), cmpopts.IgnoreUnexported(Config{})}

func TestOverridesAndHierarchy(t *testing.T) {
	c, err := load(t, "models: [a.onnx]\nsubjects: [s]\nanalyze: {hierarchy: [V1, {high: [FFA, PPA]}]}\n",
		Override{Key: "fit.seeds", Value: "[3, 4]"}, Override{Key: "extract.layers", Value: "every:2"}, Override{Key: "models", Value: "['it''s.onnx']"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Level{{"V1", []string{"V1"}}, {"high", []string{"FFA", "PPA"}}}, c.Analyze.Hierarchy.Levels); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]any{[]int{3, 4}, Layers{"every:2"}, "it's.onnx"}, []any{c.Fit.Seeds, c.Extract.Layers, c.Models[0].Path}); d != "" {
		t.Error(d)
	}
}

// TestSplitOfPaper: the published fits had no validation pictures, unless the file asks for some.
func TestSplitOfPaper(t *testing.T) {
	base := "models: [a.onnx]\nsubjects: [s]\n"
	for text, want := range map[string][2]float64{
		"":                       {0.1, 0.1},
		"fit: {protocol: paper}": {0, 0.0855},
		"fit: {protocol: paper, split: {val: 0.2}}":  {0.2, 0.0855},
		"fit: {protocol: paper, split: {test: 0.2}}": {0, 0.2},
	} {
		c, err := load(t, base+text)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]float64{c.Fit.Split.Val, c.Fit.Split.Test}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// TestWrong: every fault is the user's, says where, and names the nearest valid word.
func TestWrong(t *testing.T) {
	base := "models: [a.onnx]\nsubjects: [s]\n"
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", base + "extract:\n  gird: 8\n", "grid"},
		{"unknown key, place", base + "extract:\n  gird: 8\n", "test.yaml:4:3"},
		{"type", base + "threads: many\n", "test.yaml:3:10"},
		{"half a thread", base + "threads: 1.5\n", "threads"},
		{"word", base + "fit: {protocol: papre}\n", `"papre" is not sound or paper`},
		{"word, place", base + "fit: {protocol: papre}\n", "test.yaml:3:17"},
		{"range", base + "fit: {split: {val: 0.6, test: 0.6}}\n", "fit.split.val"},
		{"seeds", base + "fit: {seeds: [1, 2, 1]}\n", "1 stands twice"},
		{"grid", base + "extract: {grid: 16}\n", "test.yaml:3:17"},
		{"no model", "subjects: [s]\n", "models"},
		{"no subject", "models: [a.onnx]\n", "subjects"},
		{"empty", "", "empty"},
		{"two documents", base + "---\nout: x\n", "test.yaml"},
		{"not YAML", "models: [a\n", "test.yaml"},
		{"pathless", "models: [{name: x}]\nsubjects: [s]\n", "path"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.text)
			var f *fault.Error
			if !errors.As(err, &f) || f.Class != fault.Input {
				t.Fatalf("got %v, want a fault of class Input", err)
			}
			if !strings.Contains(f.Error(), c.want) {
				t.Errorf("%q does not say %q", f.Error(), c.want)
			}
		})
	}
}

// TestShippedFiles: every example loads.
func TestShippedFiles(t *testing.T) {
	paths, err := filepath.Glob("../../configs/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	paths = append(paths, "../../pipeline.yaml", "../../configs/templates/pipeline.yaml")
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load(p, data, nil); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// TestPipelineFileShowsDefaults: what pipeline.yaml spells out is what an empty file would do, and it spells out every
// key but the hyper-parameters, whose defaults are the protocol's, and what only sweeps and clusters have.
func TestPipelineFileShowsDefaults(t *testing.T) {
	data, err := os.ReadFile("../../pipeline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load("pipeline.yaml", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.Models, want.Subjects = []Model{{Path: "demo:lite0"}}, []Subject{{Path: "demo:simulated"}}
	want.Fit.Baselines, want.Analyze.Spaces = []string{}, []string{}
	if d := cmp.Diff(&want, got, places); d != "" {
		t.Error(d)
	}
	doc, err := strictyaml.Parse("pipeline.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		below string
		of    reflect.Type
	}{{"", reflect.TypeFor[Config]()}, {"extract.", reflect.TypeFor[Extract]()}, {"fit.", reflect.TypeFor[Fit]()},
		{"fit.split.", reflect.TypeFor[Split]()}, {"analyze.", reflect.TypeFor[Analyze]()}} {
		for i := range part.of.NumField() {
			name, _, _ := strings.Cut(part.of.Field(i).Tag.Get("yaml"), ",")
			if key := part.below + name; name != "" && key != "sweep" && key != "slurm" && !doc.Has(key) {
				t.Errorf("%s is not spelled out", key)
			}
		}
	}
}

// TestHyperParameters: keys below fit with their ranges; what a protocol doesn't have is refused in its place.
func TestHyperParameters(t *testing.T) {
	const base = "models: [demo:lite0]\nsubjects: [demo:simulated]\nfit:\n"
	c, err := Load("p.yaml", []byte(base+"  rate_readout: 0.001\n  batch: 8\n  ablation: [none, layer:3, centre, no_factorisation]\n  baselines: [ridge_all, banded]\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Fit.RateReadout == nil || *c.Fit.RateReadout != 0.001 || *c.Fit.Batch != 8 || c.Fit.Epochs != nil || len(c.Fit.Ablation) != 4 {
		t.Errorf("read as %+v", c.Fit)
	}
	for lines, want := range map[string]string{
		"  batch: 0\n":                            "fit.batch",
		"  rate_readout: -1\n":                    "fit.rate_readout",
		"  layer_trace: 1\n":                      "fit.layer_trace",
		"  protocol: paper\n  init_images: 100\n": "fit.init_images",
		"  ablation: layer:x\n":                   "fit.ablation",
		"  ablation: [centre, centre]\n":          "twice",
		"  ablation: []\n":                        "no ablation",
		"  baselines: [lasso]\n":                  "fit.baselines",
	} {
		if _, err := Load("p.yaml", []byte(base+lines), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", lines, err)
		}
	}
}
