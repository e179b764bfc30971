package pipeline

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/gifti"
	"cortexmap/internal/neuroio/npy"
	"cortexmap/internal/store"
	"cortexmap/internal/subject/subjecttest"
)

// TestOddSubjects: an empty hemisphere, a mask that lacks the highest vertices and isn't ascending, positions only, a
// single region, five pictures: each runs or is refused in a clear sentence, and every exported value stands at its own vertex.
func TestOddSubjects(t *testing.T) {
	vertices := func(d *desk, name string, list ...int32) {
		var b bytes.Buffer
		d.check(npy.Write(&b, list, len(list)))
		d.check(os.WriteFile(filepath.Join(d.dir, "brain", name), b.Bytes(), 0o666))
	}
	for _, c := range []struct {
		name    string
		form    subjecttest.Small
		change  func(d *desk)
		refused string
	}{
		{"one hemisphere", subjecttest.Small{Pictures: 24, Units: 6, Positions: "mask"}, func(d *desk) {
			vertices(d, "lh.mask.npy", 10241, 5, 77, 9000, 0, 123)
			d.swap("brain/subject.yaml", ", rh: rh.mask.npy", "")
		}, ""},
		{"a surface of its own, of one hemisphere, shown on fsaverage5", subjecttest.Small{Pictures: 24, Units: 6, Positions: "mask"}, func(d *desk) {
			d.copy(filepath.Join(testdata, "demo", "geometry", "sphere_right.gii.gz"), filepath.Join(d.dir, "brain", "rh.sphere.reg.gii"))
			vertices(d, "rh.mask.npy", 10241, 5, 77, 9000, 0, 123)
			d.copy(filepath.Join(testdata, "demo", "geometry", "white_right.gii.gz"), filepath.Join(d.dir, "brain", "rh.white.gii"))
			d.swap("brain/subject.yaml", "surface: fsaverage5", "surface: {files: {rh: rh.sphere.reg.gii}, white: {rh: rh.white.gii}}")
			d.swap("brain/subject.yaml", "lh: lh.mask.npy, ", "")
			d.yaml += "analyze: {spaces: [fsaverage5]}\n"
		}, ""},
		{"a finer surface than its own", subjecttest.Small{Pictures: 24, Units: 6, Positions: "mask"}, func(d *desk) {
			d.yaml += "analyze: {spaces: [fsaverage6]}\n"
		}, "maps on fsaverage5 can't be written on fsaverage6"},
		{"low vertices, one region", subjecttest.Small{Pictures: 24, Units: 6, Positions: "mask"}, func(d *desk) {
			vertices(d, "rh.mask.npy", 7, 3, 12)
		}, ""},
		{"two regions, and one without units between them", subjecttest.Small{Pictures: 24, Units: 6, Positions: "mask"}, func(d *desk) {
			d.check(os.WriteFile(filepath.Join(d.dir, "brain", "rois.csv"), []byte("unit,roi\n0,A\n1,A\n2,B\n4,B\n"), 0o666))
			d.swap("brain/subject.yaml", "  - {name: all}\n", "  - {file: rois.csv}\nhierarchy: [A, nowhere, B]\n")
		}, ""},
		{"a hierarchy of one region", subjecttest.Small{Pictures: 24, Units: 6, Positions: "mask"}, func(d *desk) {
			d.yaml += "analyze: {controls: [shuffled, spin], hierarchy: [all]}\n"
		}, ""},
		{"five test pictures", subjecttest.Small{Pictures: 24, Units: 6, Positions: "mask"}, func(d *desk) {
			d.yaml = strings.Replace(d.yaml, "test: 0.1", "test: 0.2", 1)
		}, ""},
		{"positions only", subjecttest.Small{Pictures: 24, Units: 6, Positions: "csv"}, func(d *desk) { d.swap("brain/subject.yaml", "rois:\n  - {name: all}\n", "") }, ""},
		{"five pictures", subjecttest.Small{Pictures: 5, Units: 6, Positions: "mask"}, func(*desk) {}, "3 training and 1 test images are too few to fit and to score"},
		{"two pictures", subjecttest.Small{Pictures: 2, Units: 6, Positions: "mask"}, func(*desk) {}, "too few for a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			d.check(os.RemoveAll(filepath.Join(d.dir, "brain")))
			d.check(c.form.Write(filepath.Join(d.dir, "brain")))
			c.change(d)
			_, err := Run(t.Context(), d.options())
			if c.refused != "" {
				if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), c.refused) {
					t.Fatalf("%v", err)
				}
				return
			}
			d.check(err)
			found, err := filepath.Glob("out/mappings/*/*/*-seed0-*")
			found = slices.DeleteFunc(found, func(p string) bool { return strings.Contains(p, "shuffled") })
			if err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
			m, err := store.ReadMapping(found[0])
			d.check(err)
			tidy(t)
			exported(t, m, 1+strings.Count(d.yaml, "spaces: [fsaverage5]"))
		})
	}
}

// tidy reads every table of a run: no cell is NaN or infinite, no p is 0, and where a row has a column for reasons or
// warnings, it says why a bound is missing.
func tidy(t *testing.T) {
	t.Helper()
	paths, err := filepath.Glob("out/results/tables/*.csv")
	if err != nil || len(paths) < 4 {
		t.Fatalf("tables %v, %v", paths, err)
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".csv")
		column := func(names ...string) int {
			return slices.IndexFunc(rows[0], func(head string) bool { return slices.Contains(names, head) })
		}
		lo, p, why := column("lo", "slope_lo", "change_lo"), column("p"), column("reason", "warnings")
		for _, row := range rows[1:] {
			for k, cell := range row {
				if strings.Contains(cell, "NaN") || strings.Contains(cell, "Inf") {
					t.Errorf("%s: %s is %q in %v", name, rows[0][k], cell, row)
				}
			}
			if p >= 0 && row[p] == "0" {
				t.Errorf("%s: p is 0 in %v", name, row)
			}
			if lo >= 0 && why >= 0 && row[lo] == "" && row[why] == "" {
				t.Errorf("%s: no bound and no reason in %v", name, row)
			}
		}
	}
}

// exported compares the maps of R² on so many surfaces with the mapping, vertex by vertex.
func exported(t *testing.T, m *store.Mapping, spaces int) {
	t.Helper()
	want := map[string]float32{}
	for i := range m.Vertices {
		if v := &m.Vertices[i]; v.Hemi != "" && v.Fitted {
			want[fmt.Sprint(v.Hemi, v.Vertex)] = v.R2
		}
	}
	seen := 0
	for side, hemi := range map[string]string{"L": "lh", "R": "rh"} {
		files, err := filepath.Glob("out/results/maps/*/*/*_hemi-" + side + "_*_stat-r2_statmap.func.gii")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			g, err := gifti.Read(f)
			f.Close()
			if err != nil {
				t.Fatal(err)
			}
			for v, x := range g.Arrays[0].Floats {
				w, ok := want[fmt.Sprint(hemi, v)]
				if ok != !math.IsNaN(float64(x)) || ok && w != x {
					t.Errorf("vertex %d of %s holds %v, the mapping %v (%v)", v, hemi, x, w, ok)
				}
				if ok {
					seen++
				}
			}
		}
	}
	if seen != spaces*len(want) {
		t.Errorf("%d of %d vertices are in the maps", seen, spaces*len(want))
	}
}
