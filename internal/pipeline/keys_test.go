package pipeline

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"cortexmap/fit"
	"cortexmap/internal/config"
	"cortexmap/internal/store"
	"cortexmap/internal/subject/subjecttest"
)

// base is the run whose settings the table of TestKeys changes.
const base = `out: out
models: [resnet.onnx]
subjects: [brain]
fit:
  seeds: [0]
  split: {by: photo, val: 0.1, test: 0.1, seed: 0}
`

// desk is a folder with a network, a subject and a pipeline file.
type desk struct {
	t    *testing.T
	dir  string
	yaml string

	overrides []config.Override
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, dir: t.TempDir(), yaml: base}
	d.check(subjecttest.Small{Pictures: 24, Units: 6, Positions: "csv"}.Write(filepath.Join(d.dir, "brain")))
	d.copy(filepath.Join(testdata, "onnx", "resnet.dyn.onnx"), filepath.Join(d.dir, "resnet.onnx"))
	return d
}

func (d *desk) check(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) copy(from, to string) {
	d.t.Helper()
	data, err := os.ReadFile(from)
	d.check(err)
	d.check(os.WriteFile(to, data, 0o666))
}

// edit changes a file of the desk; a file that is not there is empty.
func (d *desk) edit(name string, change func(string) string) {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	data, err := os.ReadFile(path)
	if !os.IsNotExist(err) {
		d.check(err)
	}
	d.check(os.WriteFile(path, []byte(change(string(data))), 0o666))
}

func (d *desk) swap(name, old, new string) {
	d.t.Helper()
	d.edit(name, func(s string) string {
		if !strings.Contains(s, old) {
			d.t.Fatalf("%s has no %q", name, old)
		}
		return strings.Replace(s, old, new, 1)
	})
}

// open reads the desk's pipeline file and opens what it names.
func (d *desk) open() *run {
	d.t.Helper()
	d.t.Chdir(d.dir)
	c, err := config.Load("pipeline.yaml", []byte(d.yaml), nil)
	d.check(err)
	r := newRun(d.t.Context(), d.plain(c))
	d.check(r.open())
	d.t.Cleanup(r.close)
	return r
}

// plain are the options of a run that says nothing.
func (d *desk) plain(c *config.Config) Options {
	return Options{Config: c, Demo: os.DirFS(filepath.Join(testdata, "demo")), Until: Analyze, Log: slog.New(slog.DiscardHandler)}
}

// testdata is an absolute path, since tests change the folder.
var testdata = func() string {
	dir, err := filepath.Abs(filepath.Join("..", "..", "testdata"))
	if err != nil {
		panic(err)
	}
	return dir
}()

// keysOf are the keys of the first network, subject and seed: features, mapping, ridge, results.
func (d *desk) keysOf() map[string]string {
	d.t.Helper()
	r := d.open()
	s := r.settings[0]
	n, b, seed := s.networks[0], r.brains[0], s.Config.Fit.Seeds[0]
	r.plan()
	return map[string]string{
		"features": s.featuresKey(n, b).digest, "mapping": s.mappingKey(n, b, way{factorTopy, fit.NoAblation}, seed).digest,
		"ridge": s.mappingKey(n, b, way{method: fit.RidgeLayers}, seed).digest, "results": r.resultsKey(r.mappings[:1]).digest,
	}
}

// TestKeys: a key changes with what determines the content, and with nothing else.
func TestKeys(t *testing.T) {
	const none, all = "", "features mapping ridge results"
	const fitted, shown = "mapping ridge results", "results"
	set := func(lines string) func(*desk) { return func(d *desk) { d.yaml += lines } }
	replace := func(old, new string) func(*desk) {
		return func(d *desk) { d.yaml = strings.Replace(d.yaml, old, new, 1) }
	}
	for _, c := range []struct {
		name   string
		change func(*desk)
		want   string
	}{
		{"nothing", func(*desk) {}, none},

		// The pipeline file: how it is written, and where and with what it runs.
		{"comments", replace("models:", "# why\nmodels:"), none},
		{"order and style", func(d *desk) {
			d.yaml = "fit: {split: {seed: 0, test: 0.10, val: 1e-1, by: \"photo\"}, seeds:\n  - 0\n}\nsubjects:\n  - path: brain\nmodels:\n  - path: 'resnet.onnx'\nout: out\n"
		}, none},
		{"defaults spelled out", set("extract: {layers: auto, grid: 8, protocol: sound}\nanalyze: {interval: auto}\n"), none},
		{"out", replace("out: out", "out: elsewhere"), none},
		{"threads", set("threads: 1\n"), none},
		{"device", set("device: cpu\n"), none},
		{"library", set("ort_lib: /some/where\n"), none},
		{"batch", set("extract: {batch: 2}\n"), none},

		// Names and paths.
		{"the network's name", replace("[resnet.onnx]", "[{path: resnet.onnx, name: other}]"), shown},
		{"the network's path", func(d *desk) {
			d.copy(filepath.Join(d.dir, "resnet.onnx"), filepath.Join(d.dir, "resnet_copy.onnx"))
			d.yaml = strings.Replace(d.yaml, "[resnet.onnx]", "[{path: ./resnet_copy.onnx, name: resnet}]", 1)
		}, none},
		{"the network's family", replace("[resnet.onnx]", "[{path: resnet.onnx, family: other}]"), shown},
		{"the subject's path", func(d *desk) {
			d.check(os.Rename(filepath.Join(d.dir, "brain"), filepath.Join(d.dir, "moved")))
			d.yaml = strings.Replace(d.yaml, "[brain]", "[moved]", 1)
		}, none},
		{"the subject's name", func(d *desk) { d.swap("brain/subject.yaml", "name: small", "name: other") }, shown},
		{"the subject's licence", func(d *desk) { d.swap("brain/subject.yaml", "licence: none", "licence: some") }, shown},
		{"a comment in the subject", func(d *desk) { d.swap("brain/subject.yaml", "format: 1", "format: 1 # why") }, none},
		{"a picture's name", func(d *desk) {
			d.check(os.Rename(filepath.Join(d.dir, "brain/images/p003.png"), filepath.Join(d.dir, "brain/images/p003a.png")))
		}, none},

		// What tokens are made from.
		{"the network's bytes", func(d *desk) { d.edit("resnet.onnx", func(s string) string { return s + "\x32\x01x" }) }, all}, // a doc_string
		{"a picture", func(d *desk) {
			d.copy(filepath.Join(d.dir, "brain/images/p004.png"), filepath.Join(d.dir, "spare.png"))
			d.copy(filepath.Join(d.dir, "brain/images/p005.png"), filepath.Join(d.dir, "brain/images/p004.png"))
			d.copy(filepath.Join(d.dir, "spare.png"), filepath.Join(d.dir, "brain/images/p005.png"))
		}, all},
		{"layers", set("extract: {layers: stages}\n"), all},
		{"compression", set("extract: {compression: zstd}\n"), all},
		{"protocol of extraction", set("extract: {protocol: paper}\n"), all},
		{"the card's statistics", func(d *desk) {
			d.edit("resnet.yaml", func(string) string { return "mean: [0.5, 0.5, 0.5]\nstd: [0.229, 0.224, 0.225]\n" })
		}, all},
		{"the card's words", func(d *desk) {
			d.edit("resnet.yaml", func(string) string {
				return "mean: [0.485, 0.456, 0.406]\nstd: [0.229, 0.224, 0.225]\nlicence: other\n"
			})
		}, shown},
		{"the card's statistics, which paper doesn't ask for", func(d *desk) {
			d.edit("resnet.yaml", func(string) string { return "mean: [0.5, 0.5, 0.5]\nstd: [0.229, 0.224, 0.225]\n" })
			d.yaml += "extract: {protocol: paper}\n"
		}, "features=paper"},

		// What a fit is made from.
		{"seed", replace("seeds: [0]", "seeds: [1]"), fitted},
		{"one more seed", replace("seeds: [0]", "seeds: [0, 1]"), none},
		{"protocol of the fit", replace("fit:\n", "fit:\n  protocol: paper\n"), all},
		{"protocol of the fit alone", func(d *desk) {
			d.yaml = strings.Replace(d.yaml, "fit:\n", "fit:\n  protocol: paper\n", 1) + "extract: {protocol: sound}\n"
		}, fitted},
		{"split by", replace("by: photo", "by: image"), fitted},
		{"part for validation", replace("val: 0.1", "val: 0.2"), fitted},
		{"part for tests", replace("test: 0.1", "test: 0.2"), fitted},
		{"seed of the split", replace("seed: 0}", "seed: 1}"), fitted},
		{"training images", replace("fit:\n", "fit:\n  images: 5\n"), fitted},
		{"a hyper-parameter", replace("fit:\n", "fit:\n  rate_readout: 0.001\n"), "mapping results"},
		{"a hyper-parameter's default", replace("fit:\n", "fit:\n  rate_readout: 0.0003\n"), none},
		{"an ablation", replace("fit:\n", "fit:\n  ablation: centre\n"), shown}, // another mapping in the place of this one
		{"baselines", replace("fit:\n", "fit:\n  baselines: [ridge_layers]\n"), none},
		{"a response", func(d *desk) {
			d.edit("brain/responses.npy", func(s string) string { return s[:len(s)-1] + "\x40" })
		}, fitted},
		{"a position", func(d *desk) { d.swap("brain/positions.csv", "20.000", "21.000") }, fitted},
		{"a region", func(d *desk) { d.swap("brain/subject.yaml", "{name: all}", "{name: V1}") }, fitted},

		// What is shown.
		{"hierarchy", set("analyze: {hierarchy: [V1, V2]}\n"), shown},
		{"interval", set("analyze: {interval: spatial}\n"), shown},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			before := d.keysOf()
			c.change(d)
			if c.want == "features=paper" { // the same as paper with another card
				plain := newDesk(t)
				plain.yaml += "extract: {protocol: paper}\n"
				if got, want := d.keysOf()["features"], plain.keysOf()["features"]; got != want {
					t.Errorf("the features' key is %s, with the other card %s", got, want)
				}
				return
			}
			after := d.keysOf()
			for _, kind := range strings.Fields(all) {
				if changed, want := before[kind] != after[kind], strings.Contains(c.want, kind); changed != want {
					t.Errorf("%s: changed %v, want %v", kind, changed, want)
				}
			}
		})
	}
}

// TestSimulatedSubjectIsOne: its responses depend on its generator and on nothing that a run says of the
// networks that are fitted.
func TestSimulatedSubjectIsOne(t *testing.T) {
	want := ""
	for _, yaml := range []string{
		"models: [demo:lite0]\n",
		"models: [resnet.onnx]\n",
		"models: [{path: demo:lite0, name: other, family: other}]\n",
		"models: [resnet.onnx, demo:lite0]\nextract: {layers: stages, batch: 2, protocol: paper}\nfit: {protocol: paper, seeds: [5]}\nthreads: 1\n",
		"models: [resnet.onnx]\nextract: {layers: [layer1.0]}\n",
	} {
		d := newDesk(t)
		d.yaml = yaml + "subjects: [demo:simulated]\n"
		b := d.open().brains[0]
		if want == "" {
			want = b.dataKey
		}
		if b.dataKey != want || b.dataKey != b.responsesKey().digest {
			t.Errorf("%s: its key is %s, was %s", yaml, b.dataKey, want)
		}
		if got := len(b.sim.file.Layers); got != 16 {
			t.Errorf("%s: its generator has %d layers, all 16 blocks answer", yaml, got)
		}
	}
}

// beside is a piece of ONNX that joins a model's graph: an initializer, float32 [1], whose number lies in
// weights.bin. (Field numbers of onnx.proto.)
func beside() string {
	field := func(b []byte, n protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
	}
	number := func(b []byte, n protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
	}
	location := field(field(nil, 1, []byte("location")), 2, []byte("weights.bin"))
	tensor := number(nil, 1, 1)                    // dims
	tensor = number(tensor, 2, 1)                  // data_type: float
	tensor = field(tensor, 8, []byte("elsewhere")) // name
	tensor = field(tensor, 13, location)           // external_data
	tensor = number(tensor, 14, 1)                 // data_location: external
	return string(field(nil, 7, field(nil, 5, tensor)))
}

// TestWeightsBesideTheFile: a network that keeps its weights in a file of their own is another network
// when those change.
func TestWeightsBesideTheFile(t *testing.T) {
	d := newDesk(t)
	d.edit("resnet.onnx", func(s string) string { return s + beside() })
	d.edit("weights.bin", func(string) string { return "\x00\x00\x00\x00" })
	before := d.keysOf()["features"]
	d.edit("weights.bin", func(s string) string { return "\x01" + s[1:] })
	if d.keysOf()["features"] == before {
		t.Error("the features' key doesn't change with the weights")
	}
}

// TestWarningsAreSaidOnce, whoever says them, and are all in the result.
func TestWarningsAreSaidOnce(t *testing.T) {
	var screen, file bytes.Buffer
	r := &run{Options: Options{Log: slog.New(newTee(slog.NewTextHandler(&screen, nil), &file))}}
	r.Log.With("layer", 3).Warn("too few", "id", "few") // as a fit does
	r.warn(store.Warning{ID: "few", Text: "too few"})
	r.warn(store.Warning{ID: "few", Text: "too few"})
	r.warn(store.Warning{ID: "old", Text: "too old"})
	r.Log.Info("twice")
	r.Log.Info("twice")
	for _, log := range []string{screen.String(), file.String()} {
		if strings.Count(log, "too few") != 1 || strings.Count(log, "too old") != 1 || strings.Count(log, "twice") != 2 {
			t.Errorf("the log is\n%s", log)
		}
	}
	if len(r.result.Warnings) != 2 {
		t.Errorf("the result has %v", r.result.Warnings)
	}
}
