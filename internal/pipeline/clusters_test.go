package pipeline

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/config"
	"cortexmap/internal/store"
	"cortexmap/internal/subject/subjecttest"
)

// TestSplitByCluster: the embedded network says which pictures are alike, whatever is fitted; the split is in fit.json,
// is another one than that by photograph, and what was fitted by it is kept.
func TestSplitByCluster(t *testing.T) {
	d := newDesk(t)
	d.check(subjecttest.Small{Pictures: 40, Units: 6, Positions: "csv"}.Write(filepath.Join(d.dir, "bigger")))
	d.yaml = strings.Replace(d.yaml, "subjects: [brain]", "subjects: [bigger]", 1)
	o := d.options()
	o.Until = Fit
	test := func(by string) []string {
		var err error
		o.Config, err = config.Load("pipeline.yaml", []byte(d.yaml), []config.Override{{Key: "fit.split", Value: "{by: " + by + ", val: 0.1, test: 0.2, seed: 3}"}})
		d.check(err)
		res, err := Run(t.Context(), o)
		d.check(err)
		for _, task := range res.Tasks {
			if task.Kind == "mapping" {
				info, err := store.ReadFitInfo(filepath.Join(d.dir, res.Out, filepath.FromSlash(task.Folder)))
				d.check(err)
				if len(info.Split.Train) == 0 || len(info.Split.Val) == 0 || len(info.Split.Test) < 4 {
					t.Errorf("by %s: %d, %d and %d pictures", by, len(info.Split.Train), len(info.Split.Val), len(info.Split.Test))
				}
				return info.Split.Test
			}
		}
		t.Fatal("no mapping")
		return nil
	}
	clusters, photos := test("cluster"), test("photo")
	if slices.Equal(clusters, photos) {
		t.Error("both splits are the same")
	}
	if found, _ := filepath.Glob(filepath.Join(d.dir, "*", "features", "lite0-*", store.ManifestName)); len(found) != 1 {
		t.Errorf("tokens of the embedded network: %v", found)
	}
	if again := test("cluster"); !slices.Equal(again, clusters) {
		t.Error("the split changed")
	}
}
