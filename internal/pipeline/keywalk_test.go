package pipeline

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"cortexmap/internal/config"
	"cortexmap/internal/subject/subjecttest"
)

// never are the keys that change no digest (contract.md section 3), with another value of each: paths, and what a run is
// done with.
var never = map[string]string{
	"out": "elsewhere", "device": "cpu", "threads": "1", "memory": "1.5", "ort_lib": "/some/where", "extract.batch": "2",
	"models.0.path": "moved/resnet.onnx", "subjects.0.path": "moved/brain", // what lies there counts
	"slurm.partition": "long", "slurm.account": "lab", "slurm.time": "10", "slurm.cpus": "3", "slurm.memory": "8G", "slurm.gres": "gpu:1",
	"slurm.at_once": "5", "slurm.extra": "[--exclusive]",
}

// multiplying are the keys that make settings, each with digests of its own: TestSweep of internal/config.
var multiplying = map[string]bool{"sweep.product": true, "sweep.zip": true, "sweep.exclude": true}

// other is another valid value of a key than the desk's, in YAML. REFUSED marks keys that this subject, network or
// version has no use for: another value ends with a fault. KEYS marks those that add tasks, whose own keys differ.
var other = map[string]string{
	"models.0.name": "other", "models.0.card": "card.yaml", "models.0.family": "other", "models.0.size": "9G", "models.0.finetuned_from": "second",
	"subjects.0.subject": "REFUSED subj01", "subjects.0.sessions": "REFUSED 3", "subjects.0.mask": "REFUSED mask", "subjects.0.ceiling": "REFUSED ceiling", "subjects.0.rois": "REFUSED nothing.yaml",
	"extract.layers": "stages", "extract.grid": "REFUSED 16", "extract.protocol": "paper", "extract.compression": "zstd", "extract.native": "KEYS all", "extract.images": "bigger/images", "extract.components": "4",
	"fit.protocol": "paper", "fit.seeds": "[1]", "fit.split.by": "image", "fit.split.val": "0.2", "fit.split.test": "0.2", "fit.split.seed": "1",
	"fit.images": "5", "fit.ablation": "no_topology", "fit.baselines": "KEYS [ridge_layers]", "fit.half_samples": "KEYS 2",
	"analyze.hierarchy": "[V1, V2]", "analyze.interval": "spatial", "analyze.colours": "paper", "analyze.bootstrap": "200", "analyze.controls": "KEYS all", "analyze.spaces": "[fsaverage5]", "sweep.groups": "{all: [resnet]}",
}

// TestEveryKey walks all keys of the configuration: another value changes a digest of the plan, or is refused, or
// the key stands in the short list that never does. A new key without a row here fails.
func TestEveryKey(t *testing.T) {
	plan := func(change func(d *desk)) (string, error) {
		d := newDesk(t)
		d.copy(filepath.Join(testdata, "onnx", "vit.dyn.onnx"), filepath.Join(d.dir, "second.onnx"))
		d.check(subjecttest.Small{Pictures: 30, Units: 6, Positions: "csv"}.Write(filepath.Join(d.dir, "bigger")))
		d.edit("card.yaml", func(string) string { return "mean: [0.5, 0.5, 0.5]\nstd: [0.229, 0.224, 0.225]\n" })
		d.yaml = strings.Replace(d.yaml, "models: [resnet.onnx]", "models: [{path: resnet.onnx}, second.onnx]", 1)
		d.yaml = strings.Replace(d.yaml, "subjects: [brain]", "subjects: [{path: brain}]", 1)
		d.check(os.CopyFS(filepath.Join(d.dir, "moved", "brain"), os.DirFS(filepath.Join(d.dir, "brain"))))
		d.copy(filepath.Join(d.dir, "resnet.onnx"), filepath.Join(d.dir, "moved", "resnet.onnx"))
		change(d)
		return d.planned()
	}
	before, err := plan(func(*desk) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keysOf(reflect.TypeFor[config.Config](), "") {
		if multiplying[key] {
			continue
		}
		stage := regexp.MustCompile(`^slurm\.(extract|fit|analyze)\.`) // a stage's own word
		if value, ok := never[stage.ReplaceAllString(key, "slurm.")]; ok {
			if after, err := plan(func(d *desk) { d.set(key, value) }); err != nil || after != before {
				t.Errorf("%s: %s changes a digest, or is refused: %v", key, value, err)
			}
			continue
		}
		value, known := other[key]
		if of := hyper(key); of != nil {
			value, known = map[reflect.Kind]string{reflect.Int: "7", reflect.Float64: "0.125", reflect.Bool: "false"}[of.Kind()], true
		}
		if !known {
			t.Errorf("%s: nothing is known of this key: does it change a digest? Give another value of it in `other`, or add it to `never` and to the contract", key)
			continue
		}
		value, refused := strings.CutPrefix(value, "REFUSED ")
		value = strings.TrimPrefix(value, "KEYS ")
		after, err := plan(func(d *desk) { d.set(key, value) })
		switch {
		case refused && err == nil:
			t.Errorf("%s: %s is taken, and should be refused", key, value)
		case !refused && err != nil:
			t.Errorf("%s: %s: %v", key, value, err)
		case !refused && after == before:
			t.Errorf("%s: %s changes no digest", key, value)
		}
	}
	for key := range never {
		if _, twice := other[key]; twice {
			t.Errorf("%s is said to change a digest, and never to", key)
		}
	}
}

// hyper is the type of a hyper-parameter of the fit, nil for other keys. None has 7, 0.125 or false for a default.
func hyper(key string) reflect.Type {
	name, ok := strings.CutPrefix(key, "fit.")
	for _, f := range reflect.VisibleFields(reflect.TypeFor[config.Fit]()) {
		if tag, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); ok && tag == name && f.Type.Kind() == reflect.Pointer {
			return f.Type.Elem()
		}
	}
	return nil
}

// planned is the keys of everything that would be made.
func (d *desk) planned() (string, error) {
	d.t.Chdir(d.dir)
	c, err := config.Load("pipeline.yaml", []byte(d.yaml), d.overrides)
	if err != nil {
		return "", err
	}
	o := d.plain(c)
	r := newRun(d.t.Context(), o)
	defer r.close()
	if err := r.open(); err != nil {
		return "", err
	}
	r.plan()
	var keys []string
	for _, t := range r.graph.Tasks {
		keys = append(keys, t.Key)
	}
	return strings.Join(keys, " "), nil
}

// set lays a value over the desk's file: of the first network or subject in its mapping, else as --set does.
func (d *desk) set(key, value string) {
	if list, name, ok := strings.Cut(key, ".0."); ok {
		path := map[string]string{"models": "{path: resnet.onnx", "subjects": "{path: brain"}[list]
		with := path + ", " + name + ": " + value
		if name == "path" {
			with = "{path: " + value
		}
		d.yaml = strings.Replace(d.yaml, path, with, 1)
		return
	}
	d.overrides = append(d.overrides, config.Override{Key: key, Value: value})
}

// keysOf are the dotted keys that have a value of their own; those of the first network and subject below
// models.0 and subjects.0.
func keysOf(t reflect.Type, prefix string) (out []string) {
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || name == "-" || name == "" {
			continue
		}
		switch key := prefix + name; {
		case f.Type == reflect.TypeFor[[]config.Model](), f.Type == reflect.TypeFor[[]config.Subject]():
			out = append(out, keysOf(f.Type.Elem(), key+".0.")...)
		case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[config.Hierarchy]():
			out = append(out, keysOf(f.Type, key+".")...)
		default:
			out = append(out, key)
		}
	}
	return out
}
