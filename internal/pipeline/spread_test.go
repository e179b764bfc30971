package pipeline

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cortexmap/internal/subject/subjecttest"
)

// TestSpread: two seeds and two half-samples give a table, maps for brain software and a part of the report; half-samples
// are trained on about half of the pictures, and stand in no other table.
func TestSpread(t *testing.T) {
	d := newDesk(t)
	d.check(subjecttest.Small{Pictures: 40, Units: 8, Positions: "mask"}.Write(filepath.Join(d.dir, "surface")))
	d.yaml = strings.Replace(d.yaml, "subjects: [brain]", "subjects: [surface]", 1) + "\n"
	o := d.options()
	o.Config.Fit.Seeds, o.Config.Fit.HalfSamples = []int{0, 1}, 2
	o.Config.Settings()[0].Config.Fit = o.Config.Fit
	res, err := Run(t.Context(), o)
	d.check(err)
	rows := csvRows(t, filepath.Join(res.Out, resultsFolder, "tables", "spread.csv"))
	seen := map[string]bool{}
	for _, row := range rows {
		sd, err := strconv.ParseFloat(row["sd_mean"], 64)
		if err != nil || sd < 0 || row["n_fits"] != "2" {
			t.Errorf("row %v", row)
		}
		seen[row["over"]+" "+row["quantity"]] = true
	}
	for _, want := range []string{"seeds depth", "half-samples r2", "seeds space", "half-samples layer_argmax"} {
		if !seen[want] {
			t.Errorf("no row %s in %v", want, seen)
		}
	}
	if n := len(csvRows(t, filepath.Join(res.Out, resultsFolder, "tables", "methods.csv"))); n != 2 {
		t.Errorf("%d mappings in methods.csv, two seeds were asked for", n)
	}
	for _, pattern := range []string{"maps/resnet/seeds-*/*stat-depthsd_statmap.func.gii", "maps/resnet/half-samples-*/*stat-spacemean_statmap.mgz"} {
		if found, _ := filepath.Glob(filepath.Join(res.Out, resultsFolder, pattern)); len(found) == 0 {
			t.Errorf("no file like %s", pattern)
		}
	}
	page, err := os.ReadFile(res.Report)
	d.check(err)
	if !strings.Contains(string(page), "Spread over half-samples") {
		t.Error("the report says nothing of half-samples")
	}
}

func csvRows(t *testing.T, path string) (out []map[string]string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range all[1:] {
		m := map[string]string{}
		for i, name := range all[0] {
			m[name] = row[i]
		}
		out = append(out, m)
	}
	return out
}
