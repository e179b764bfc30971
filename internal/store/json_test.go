package store

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"cortexmap/internal/durable/durabletest"
)

// folders are a feature store and a mapping that are whole, whose JSON files a test replaces.
type folders struct{ features, mapping string }

func newFolders(t testing.TB) folders {
	t.Helper()
	dir := t.TempDir()
	d := folders{filepath.Join(dir, "features"), filepath.Join(dir, "mapping")}
	newTestStore().write(t, d.features)
	if err := testMapping().Write(d.mapping); err != nil {
		t.Fatal(err)
	}
	return d
}

// jsonFiles are the files that readJSON reads, each with what is read when only it is asked for.
var jsonFiles = []struct {
	name string
	dir  func(folders) string
	read func(dir string) (any, error)
}{
	{ManifestName, func(d folders) string { return d.features }, func(dir string) (any, error) { return ReadManifest(dir) }},
	{LayersName, func(d folders) string { return d.features }, func(dir string) (any, error) { return ReadLayers(dir) }},
	{FitName, func(d folders) string { return d.mapping }, func(dir string) (any, error) { return ReadFitInfo(dir) }},
}

// TestJSONDamaged: a file that is cut, of another version or of other types is refused by its name, before it is unpacked
// to many times its size.
func TestJSONDamaged(t *testing.T) {
	number := func(key, value string) func([]byte) []byte {
		return func([]byte) []byte { return []byte(`{"format": 1, "` + key + `": ` + value + `}`) }
	}
	object := []string{ManifestName, FitName}
	for _, c := range []struct {
		name, text string
		files      []string // nil: all
		damage     func(whole []byte) []byte
	}{
		{"empty", "unexpected end", nil, func([]byte) []byte { return nil }},
		{"cut", "unexpected end", nil, func(b []byte) []byte { return b[:len(b)/2] }},
		{"zeros", "invalid character", nil, func(b []byte) []byte { return make([]byte, len(b)) }},
		{"more behind it", "invalid character", nil, func(b []byte) []byte { return append(bytes.Clone(b), b...) }},
		{"null", "", nil, func([]byte) []byte { return []byte("null") }},
		{"text", "cannot unmarshal string", nil, func([]byte) []byte { return []byte(`"x"`) }},
		{"no format", "no format number", object, func([]byte) []byte { return []byte("{}") }},
		{"later format", "reads up to 1", object, func([]byte) []byte { return []byte(`{"format": 2}`) }},
		{"format of another type", "format", object, func([]byte) []byte { return []byte(`{"format": "1"}`) }},
		{"NaN", "invalid character 'N'", object, number("images", "NaN")},
		{"no integer", "images", object, number("images", "1.5")},
		{"larger than any integer", "images", object, number("images", "1e30")},
		{"larger than any number", "1e999", object, number("seconds", `{"train": 1e999}`)},
		{"fewer than none", "-7 images", []string{ManifestName}, number("images", "-7")},
		{"a width of 2^40", "width 1099511627776", []string{LayersName}, func([]byte) []byte { return []byte(`[{"width": 1099511627776}]`) }},
		{"a grid of 2^40", "grid 1 x 1099511627776", []string{FitName}, number("layers", `[{"width": 3, "grid": [1, 1099511627776]}]`)},
		{"a score of no layer", "layer 2 of 1", []string{FitName}, number("layer_scores", `[{"layer": 2}], "layers": [{"width": 3}]`)},
		{"five million layers", "values", nil, func([]byte) []byte { return bytes.Repeat([]byte("{},"), 5<<20) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newFolders(t)
			for _, file := range jsonFiles {
				if c.files != nil && !strings.Contains(strings.Join(c.files, " "), file.name) {
					continue
				}
				path := filepath.Join(file.dir(d), file.name)
				whole, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, c.damage(whole), 0o666); err != nil {
					t.Fatal(err)
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err = file.read(file.dir(d))
				runtime.ReadMemStats(&after)
				durabletest.Told(t, err, path)
				if err != nil && !strings.Contains(err.Error(), c.text) {
					t.Errorf("%s: %v; want %q", file.name, err, c.text)
				}
				// io.ReadAll grows its buffer by a quarter at a time, so that a file costs about five times its size.
				if used := after.TotalAlloc - before.TotalAlloc; used > 128<<20 {
					t.Errorf("%s: reading it took %d MiB", file.name, used>>20)
				}
			}
		})
	}
}

// FuzzJSON: whatever manifest.json, layers.json or fit.json hold beside parts and tables that are whole, reading ends in a
// fault that names a file and what to do, or in something that is written again as it was read, and can be used.
func FuzzJSON(f *testing.F) {
	d := newFolders(f)
	for i, file := range jsonFiles {
		whole, err := os.ReadFile(filepath.Join(file.dir(d), file.name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), whole)
		f.Add(uint8(i), whole[:len(whole)/2])
		f.Add(uint8(i), []byte(`{"format": 1, "grid": 0, "images": 7, "layers": [{"width": 3}], "layer_scores": [{"layer": 1e9}], "curve": [null], "scores": {"x": null}}`))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		file := jsonFiles[int(which)%len(jsonFiles)]
		path := filepath.Join(file.dir(d), file.name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer os.WriteFile(path, whole, 0o666)
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		info, err := file.read(file.dir(d))
		if err != nil {
			durabletest.Told(t, err, path)
			return
		}
		once := encoded(t, info)
		if err := os.WriteFile(path, once, 0o666); err != nil {
			t.Fatal(err)
		}
		again, err := file.read(file.dir(d))
		if err != nil || !bytes.Equal(encoded(t, again), once) {
			t.Errorf("written again it is %v, %v\nwas %s", again, err, once)
		}
		d.use(t)
	})
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("what was read can't be written: %v", err)
	}
	return data
}

// use reads both folders with all their tables, and a row of each layer.
func (d folders) use(t *testing.T) {
	t.Helper()
	f, err := OpenFeatures(d.features)
	if err == nil {
		for l := range f.Layers {
			if err := f.Read(t.Context(), l, []int{0}, make([]uint16, f.RowLen(l))); err != nil {
				durabletest.Told(t, err, d.features)
			}
		}
		f.Close()
	} else {
		durabletest.Told(t, err, d.features)
	}
	m, err := ReadMapping(d.mapping)
	if err != nil {
		durabletest.Told(t, err, d.mapping)
		return
	}
	if err := m.WriteFiles(t.TempDir()); err != nil { // it panics where numbers of things disagree
		t.Errorf("a mapping that was read can't be written: %v", err)
	}
}
