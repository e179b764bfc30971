package pipeline

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/config"
	"cortexmap/internal/durable/durabletest"
	"cortexmap/internal/fault"
)

// wholeRun is a run.json, and wholeMade the results.json of its results.
const (
	wholeRun = `{"format": 1, "version": "v", "folder": "/elsewhere", "started": "2026-01-02T03:04:05Z", "ended": "2026-01-02T03:04:06Z", "state": "done",
		"config": {"out": "o", "models": [{"path": "nets/a.onnx"}], "subjects": ["demo:simulated"]}, "tasks": [], "warnings": [],
		"mappings": [{"folder": "mappings/a/b/sound-seed0-0123456789ab", "features": "features/a-b-0123456789ab", "hierarchy": {"name": "own", "levels": [{"name": "V1", "rois": ["V1"]}]}}]}`
	wholeMade = `{"report": "report.html", "tables": ["tables/rois.csv"], "plates": [], "summary": [["a", "b"]], "warnings": [], "seconds": {"analyze": 1.5}}`
)

// TestDamagedRecords: a run.json or results.json that is cut, of another format or of other types, or that names files
// outside its folder, is refused by its name, with what to do.
func TestDamagedRecords(t *testing.T) {
	swap := func(old, now string) func(string) string {
		return func(whole string) string { return strings.Replace(whole, old, now, 1) }
	}
	both := []string{runName, resultsName}
	for _, c := range []struct {
		name, text string
		files      []string
		damage     func(whole string) string
	}{
		{"empty", "unexpected end", both, func(string) string { return "" }},
		{"cut", "unexpected end", both, func(s string) string { return s[:len(s)/2] }},
		{"text", "cannot unmarshal string", both, func(string) string { return `"x"` }},
		{"null", "", both, func(string) string { return "null" }},
		{"no format", "format 0", []string{runName}, swap(`"format": 1, `, "")},
		{"later format", "format 2", []string{runName}, swap(`"format": 1`, `"format": 2`)},
		{"no time", "parsing time", []string{runName}, swap("2026-01-02T03:04:05Z", "yesterday")},
		{"an absolute mapping", "no folder of the run", []string{runName}, swap("mappings/", "/mappings/")},
		{"tokens of another run", "no folder of the run", []string{runName}, swap("features/", "../other/features/")},
		{"a report elsewhere", "no file of the results", []string{resultsName}, swap("report.html", "../../report.html")},
		{"a table elsewhere", "no file of the results", []string{resultsName}, swap("tables/", "/tables/")},
		{"no report", "no file of the results", []string{resultsName}, swap(`"report": "report.html", `, "")},
		{"NaN seconds", "invalid character 'N'", []string{resultsName}, swap("1.5", "NaN")},
		{"endless seconds", "1e999", []string{resultsName}, swap("1.5", "1e999")},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range c.files {
				root := t.TempDir()
				whole := map[string]string{runName: wholeRun, resultsName: wholeMade}[name]
				if err := os.WriteFile(filepath.Join(root, name), []byte(c.damage(whole)), 0o666); err != nil {
					t.Fatal(err)
				}
				read := map[string]func(string) error{
					runName:     func(root string) error { _, err := Recorded(root); return err },
					resultsName: func(root string) error { _, err := readMade(root); return err },
				}[name]
				err := read(root)
				durabletest.Told(t, err, filepath.Join(root, name))
				if err != nil && !strings.Contains(err.Error(), c.text) {
					t.Errorf("%s: %v; want %q", name, err, c.text)
				}
			}
		})
	}
}

// FuzzRecords: whatever run.json and results.json hold, reading them ends in a fault that names the file and what to do, or
// in something that names nothing outside its folder and is written again as it was read; the configuration of a run
// is then one that can be loaded, or a fault.
func FuzzRecords(f *testing.F) {
	for _, text := range []string{wholeRun, wholeMade, "", "null", wholeRun[:200], `{"format": 1, "config": {"models": [null, 1, {"path": 1}]}}`, `{"report": "..", "tables": [null]}`} {
		f.Add([]byte(text))
	}
	root := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		run, results := filepath.Join(root, runName), filepath.Join(root, resultsName)
		if err := errors.Join(os.WriteFile(run, data, 0o666), os.WriteFile(results, data, 0o666)); err != nil {
			t.Fatal(err)
		}
		if m, err := readMade(root); err != nil {
			durabletest.Told(t, err, results)
		} else {
			durabletest.Rewritten(t, m)
			for _, name := range append(m.Tables, m.Report) {
				if !filepath.IsLocal(name) {
					t.Errorf("%q lies elsewhere", name)
				}
			}
		}
		r, err := readRun(root)
		if err != nil {
			durabletest.Told(t, err, run)
			return
		}
		durabletest.Rewritten(t, r)
		text, err := Recorded(root)
		if err != nil {
			durabletest.Told(t, err, run)
			return
		}
		if _, err := config.Load(run, text, nil); err != nil && fault.ClassOf(err) != fault.Input {
			t.Errorf("its configuration: %v", err)
		}
	})
}

// TestDamagedRun cuts each JSON file of a finished run: whatever has to read it says which it is and what to do, or makes
// it anew; and doing that gives the tables that were there.
func TestDamagedRun(t *testing.T) {
	d := newDesk(t)
	o := d.options()
	_, err := Run(t.Context(), o)
	d.check(err)
	const table = "out/results/tables/methods.csv"
	want, err := os.ReadFile(table)
	d.check(err)
	for _, c := range []struct {
		file   string
		remove []string // what is to be made again, so that the file is read
		anew   bool     // it is made anew without a word
	}{
		{"out/features/*/manifest.json", []string{"out/results"}, false},
		{"out/features/*/layers.json", []string{"out/mappings", "out/results"}, false},
		{"out/mappings/*/*/*/fit.json", []string{"out/results"}, false},
		{"out/results/results.json", nil, false},
		{"out/results/task.json", nil, true},
		{"out/run.json", nil, true},
	} {
		found, err := filepath.Glob(c.file)
		d.check(err)
		if len(found) != 1 {
			t.Fatalf("%s: %v", c.file, found)
		}
		info, err := os.Stat(found[0])
		d.check(err)
		d.check(os.Truncate(found[0], info.Size()/2))
		for _, folder := range c.remove {
			d.check(os.RemoveAll(folder))
		}
		if _, err = Run(t.Context(), o); !c.anew {
			durabletest.Told(t, err, found[0])
			d.check(os.RemoveAll(filepath.Dir(found[0]))) // as the remedy says
			_, err = Run(t.Context(), o)
		}
		d.check(err)
		if got, err := os.ReadFile(table); err != nil || withoutSeconds(string(got)) != withoutSeconds(string(want)) {
			t.Errorf("%s: %v\n%s\nwas\n%s", c.file, err, got, want)
		}
	}
}

// withoutSeconds takes the times out of methods.csv.
func withoutSeconds(table string) string {
	var out []string
	at := -1
	for line := range strings.Lines(table) {
		cells := strings.Split(line, ",")
		if at < 0 {
			at = slices.Index(cells, "seconds")
		}
		out = append(out, strings.Join(slices.Delete(cells, at, at+1), ","))
	}
	return strings.Join(out, "")
}
