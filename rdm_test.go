package main

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// rdmSubject is a copy of the recording's files with a subject.yaml.
func rdmSubject(t *testing.T, name, rdms string) string {
	t.Helper()
	from, to := sharedData(t, "neural/"+name), filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	yaml := "format: 1\nname: " + name + "\nimages: {zip: images.zip}\nrdms:\n" + rdms
	if err := os.WriteFile(filepath.Join(to, "subject.yaml"), []byte(yaml), 0o666); err != nil {
		t.Fatal(err)
	}
	return to
}

// spearmans reads rdms.csv: by region, tokens and layer.
func spearmans(t *testing.T, out string) map[string]float64 {
	t.Helper()
	f, err := os.Open(filepath.Join(out, "results", "tables", "rdms.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, name := range rows[0] {
		at[name] = i
	}
	all := map[string]float64{}
	for _, r := range rows[1:] {
		x, err := strconv.ParseFloat(r[at["spearman"]], 64)
		if err != nil {
			t.Fatal(err)
		}
		all[r[at["roi"]]+" "+r[at["tokens"]]+" "+r[at["name"]]] = x
	}
	return all
}

// TestRDMs compares lite0 with regions of which only RDMs are known. What is expected comes from the data's own
// analysis, made twice in Python: to 0.01 on native grids (it says 0.002), to 0.02 from stored tokens.
func TestRDMs(t *testing.T) {
	if testing.Short() {
		t.Skip("runs lite0 over 170 pictures, twice")
	}
	subjects := []string{rdmSubject(t, "rdm78", "  - {file: fmri_evc_rdms.npy, roi: EVC}\n  - {file: fmri_it_rdms.npy, roi: IT}\n"),
		rdmSubject(t, "rdm92", "  - {file: human_it_subject_session_rdms.npy, roi: human}\n  - {file: monkey_it_rdm.npy, roi: monkey}\n")}
	out := filepath.Join(t.TempDir(), "out")
	text := run(t, libraryEnv(t), "run", "configs/rdms.yaml", "--set", "subjects=['"+strings.Join(subjects, "', '")+"']", "--out", out, "--quiet")
	got := spearmans(t, out)
	for key, want := range map[string]float64{
		"EVC native block1": 0.103, "IT native block3": 0.04, "IT native block14": 0.160, "IT native block15": 0.180,
		"human native block14": 0.401, "monkey native block14": 0.459,
		"EVC stored block3": 0.116, "EVC stored block1": 0.107, "IT stored block15": 0.194, "human stored block14": 0.414, "monkey stored block14": 0.465,
	} {
		within := 0.01
		if strings.Contains(key, "stored") {
			within = 0.02
		}
		if r, ok := got[key]; !ok || math.Abs(r-want) > within {
			t.Errorf("%s: Spearman %.3f, the data's own analysis has %.3f", key, r, want)
		}
	}
	for roi, want := range map[string]string{"EVC native": "block1", "EVC stored": "block3", "IT native": "block15", "human native": "block14", "monkey native": "block14"} {
		best, top := "", math.Inf(-1)
		for key, r := range got {
			if name, ok := strings.CutPrefix(key, roi+" "); ok && r > top {
				best, top = name, r
			}
		}
		if best != want {
			t.Errorf("%s is most like %s, %s is expected", roi, best, want)
		}
	}
	if !strings.Contains(text, "EVC: layer block1 (1 of 16)") || !strings.Contains(text, "report.html") {
		t.Errorf("the summary is\n%s", text)
	}
	for _, name := range []string{"report.html", "tables/rdms.parquet", "plates/rdms_lite0_rdm78_EVC.svg"} {
		if _, err := os.Stat(filepath.Join(out, "results", filepath.FromSlash(name))); err != nil {
			t.Error(err)
		}
	}
}
