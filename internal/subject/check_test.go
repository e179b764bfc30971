package subject

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/neuroio/neuroiotest"
	"cortexmap/internal/subject/subjecttest"
)

// write puts the tree into a folder of its own.
func (f tree) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range f {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (f tree) check(t *testing.T) *Report {
	t.Helper()
	r, err := Check(context.Background(), f.write(t), Options{Demo: demoFS})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ids are the findings of a level.
func (r *Report) ids(level string) (all []string) {
	for _, f := range r.Findings {
		if f.Level == level {
			all = append(all, f.ID)
		}
	}
	return all
}

// healthy is a plain folder with everything, and nothing wrong: 100 pictures of which the last shows the first again.
func healthy() tree {
	f := tree{"subject.yaml": []byte("format: 1\nname: healthy\nlicence: CC0\nimages: {folder: images, list: l.csv}\nresponses: {file: responses.npy}\n" +
		"ceiling: {file: ceiling.npy}\npositions: {surface: fsaverage5, mask: {lh: lh.npy, rh: rh.npy}}\n" +
		"rois:\n- {file: rois.npy, names: {1: V1, 2: V2}}\nhierarchy: [V1, V2]\n")}
	var list strings.Builder
	list.WriteString("file,split\n")
	var data []float32
	for n := range 101 {
		name := fmt.Sprintf("p%03d.png", n%100)
		f["images/"+name] = picture(n % 100)
		fmt.Fprintf(&list, "%s,\n", name)
		for u := range 3 {
			data = append(data, float32((n%100*7+u*5)%11+n%5+u*n%3))
		}
	}
	f["l.csv"] = []byte(list.String())
	f["responses.npy"] = array(data, 101, 3)
	f["ceiling.npy"] = array([]float64{0.5, 0.25, 1}, 3)
	f["lh.npy"], f["rh.npy"] = array([]int32{5, 9}, 2), array([]int32{9}, 1)
	f["rois.npy"] = array([]int8{1, 2, 0}, 3)
	return f
}

// changed are the responses of healthy, altered.
func changed(f tree, alter func(data []float32)) tree {
	data := make([]float32, 303)
	for i := range data {
		n, u := i/3, i%3
		data[i] = float32((n%100*7+u*5)%11 + n%5 + u*n%3)
	}
	alter(data)
	return f.with("responses.npy", array(data, 101, 3))
}

// plainFaults are by level and word.
func plainFaults(t *testing.T) map[[2]string]func(tree) tree {
	nan, infinity := float32(math.NaN()), float32(math.Inf(1))
	return map[[2]string]func(tree) tree{
		{Fault, "description"}:        func(f tree) tree { return f.yaml(t, "licence", "license") },
		{Fault, "pictures"}:           func(f tree) tree { return f.with("images/p007.png", nil) },
		{Fault, "picture-unreadable"}: func(f tree) tree { return f.with("images/p007.png", []byte("no picture")) },
		{Fault, "row-count"}:          func(f tree) tree { return f.with("responses.npy", array(make([]float32, 300), 100, 3)) },
		{Fault, "mask-count"}:         func(f tree) tree { return f.with("lh.npy", array([]int32{5}, 1)) },
		{Fault, "mask-codes"}: func(f tree) tree {
			codes := make([]int8, 10242)
			codes[5], codes[9], codes[11] = 1, 1, 2
			return f.with("lh.npy", array(codes, 10242))
		},
		{Fault, "ceiling-range"}: func(f tree) tree { return f.with("ceiling.npy", array([]float64{50, 25, 100}, 3)) },
		{Fault, "ceiling-count"}: func(f tree) tree { return f.with("ceiling.npy", array([]float64{0.5}, 1)) },
		{Fault, "roi-file"}:      func(f tree) tree { return f.with("rois.npy", array([]int8{1, 2, 7}, 3)) },
		{Fault, "split-contradiction"}: func(f tree) tree {
			text := strings.Replace(string(f["l.csv"]), "p000.png,\n", "p000.png,test\n", 1)
			return f.with("l.csv", []byte(strings.TrimSuffix(text, "\n")+"train\n"))
		},
		{Fault, "infinite"}:         func(f tree) tree { return changed(f, func(d []float32) { d[10] = infinity }) },
		{Fault, "dead-units"}:       func(f tree) tree { return changed(f, func(d []float32) { clear(d) }) },
		{Warn, "missing-values"}:    func(f tree) tree { return changed(f, func(d []float32) { d[10] = nan }) },
		{Warn, "hierarchy-missing"}: func(f tree) tree { return f.yaml(t, "[V1, V2]", "[V1, V2, V9]") },
		{Warn, "ceiling-zero"}:      func(f tree) tree { return f.with("ceiling.npy", array([]float64{0, 0, 0}, 3)) },
		{Warn, "dead-units"}: func(f tree) tree {
			return changed(f, func(d []float32) {
				for i := 0; i < len(d); i += 3 {
					d[i] = nan
				}
			})
		},
		{Warn, "duplicate-units"}: func(f tree) tree {
			return changed(f, func(d []float32) {
				for i := 0; i < len(d); i += 3 {
					d[i+2] = d[i]
				}
			})
		},
		{Warn, "ceiling-unit"}: func(f tree) tree {
			return f.yaml(t, "file: ceiling.npy", "file: ceiling.npy, kind: percent")
		},
		{Warn, "hemispheres-swapped"}: func(f tree) tree {
			return f.yaml(t, "{surface: fsaverage5, mask: {lh: lh.npy, rh: rh.npy}}", "{csv: xyz.csv}").with("xyz.csv", []byte("x,y,z,hemi\n10,0,0,lh\n11,0,0,lh\n-10,0,0,rh\n"))
		},
		{Warn, "same-place"}: func(f tree) tree {
			return f.yaml(t, "{surface: fsaverage5, mask: {lh: lh.npy, rh: rh.npy}}", "{csv: xyz.csv}").with("xyz.csv", []byte("x,y,z\n10,0,0\n10,0,0\n9,0,0\n"))
		},
	}
}

func TestCheckPlain(t *testing.T) {
	clean := healthy()
	if r := clean.check(t); len(r.Findings) > 0 || !r.Clean() || r.Subject != "healthy" || r.Kind != "plain" || r.Counts["pictures"] != 100 || r.Counts["rows"] != 101 ||
		r.Counts["lh"] != 2 || r.Counts["rh"] != 1 || r.Counts["rois"] != 2 || r.Counts["units_without_roi"] != 1 || r.Counts["ceiling_median_percent"] != 50.0 {
		t.Fatalf("the clean folder: %+v", r)
	}
	for id, plant := range plainFaults(t) {
		t.Run(id[1], func(t *testing.T) {
			r := plant(clean).check(t)
			found(t, r, id[0], id[1])
		})
	}
}

// found fails unless a finding is there, alone on its level among faults, and says where and what to do.
func found(t *testing.T, r *Report, level, id string) {
	t.Helper()
	ids := r.ids(level)
	if !slices.Contains(ids, id) || r.Clean() != (level != Fault) || level == Fault && slices.ContainsFunc(ids, func(other string) bool { return other != id }) {
		t.Fatalf("%s %s is wanted, found %+v", level, id, r.Findings)
	}
	for _, f := range r.Findings {
		if f.ID == id && (f.What == "" || f.Where == "") {
			t.Errorf("%+v", f)
		}
	}
}

func TestCheckAlgonauts(t *testing.T) {
	a := tiny
	a.TestFMRI = true
	clean := tree(a.Files())
	r := clean.check(t)
	if !r.Clean() || !slices.Equal(r.ids(Warn), []string{"few-pictures"}) || r.Kind != "algonauts" || r.Counts["lh"] != 7 || r.Counts["rh"] != 9 || r.Counts["units"] != 16 {
		t.Errorf("the clean tree: %+v", r)
	}
	for id, all := range algonautsFaults() {
		for _, p := range all {
			t.Run(id, func(t *testing.T) {
				r := p.plant(clean).check(t)
				found(t, r, Fault, id)
				if f := r.Findings[slices.IndexFunc(r.Findings, func(f Finding) bool { return f.ID == id })]; !strings.Contains(f.What+f.Where+f.Fix, p.says) {
					t.Errorf("%+v lacks %q", f, p.says)
				}
			})
		}
	}
	t.Run("several at once", func(t *testing.T) {
		f := clean
		for _, id := range []string{"picture-gap", "ceiling-count", "roi-count"} {
			f = algonautsFaults()[id][0].plant(f)
		}
		if got := f.check(t).ids(Fault); !slices.Equal(got, []string{"picture-gap", "ceiling-count", "roi-count"}) {
			t.Errorf("found %v", got)
		}
	})
	t.Run("published counts, raw percentages", func(t *testing.T) {
		data := make([]float32, 6*7)
		for i := range data {
			data[i] = float32(i * i % 17)
		}
		f := clean.with("training_split/training_fmri/lh_training_fmri.npy", array(data, 6, 7))
		data = make([]float32, 6*9)
		for i := range data {
			data[i] = float32(i * i % 19)
		}
		f = f.with("training_split/training_fmri/rh_training_fmri.npy", array(data, 6, 9))
		dir := f.write(t)
		named := filepath.Join(t.TempDir(), "subj06")
		if err := os.Rename(dir, named); err != nil {
			t.Fatal(err)
		}
		r, err := Check(context.Background(), named, Options{Demo: demoFS})
		if err != nil {
			t.Fatal(err)
		}
		found(t, r, Warn, "not-zscored")
		found(t, r, Warn, "counts-published")
		text, err := json.Marshal(r)
		if err != nil || !strings.Contains(string(text), "7 vertices of lh, published 18978") {
			t.Errorf("%s %v", text, err)
		}
	})
}

// The families of the tests are those of the program.
func TestFamilies(t *testing.T) {
	for i, f := range subjecttest.Families {
		if got := known().family(challengeFamilies[i]); got.Name != f.Name || !slices.Equal(f.Labels, got.Regions) {
			t.Errorf("%v, %v", f, got)
		}
	}
}

// Every word that the program gives a finding is listed in the README, as promised to other programs.
func TestWordsAreInTheReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(neuroiotest.Root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	words := regexp.MustCompile(`(?:named\(|s\.warn\(|c\.add\(|^\t\t\{)"([a-z-]+)"`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			m := words.FindStringSubmatch(line)
			if m == nil || strings.HasSuffix(name, "_test.go") {
				continue
			}
			seen++
			if !strings.Contains(string(readme), "`"+m[1]+"`") {
				t.Errorf("%s: %s is not in the README", name, m[1])
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d words were found", seen)
	}
}
