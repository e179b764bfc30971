package main

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"cortexmap/internal/subject/subjecttest"
)

// TestNSD maps the demo's network onto a simulated tree of NSD and onto what the Algonauts challenge would have made
// of the same subject: the trees differ in everything but their numbers, and the mappings agree.
func TestNSD(t *testing.T) {
	if testing.Short() {
		t.Skip("runs lite0 over 100 pictures and fits twice")
	}
	dir := t.TempDir()
	n := subjecttest.NSD{Subject: 1, Sessions: 6, Trials: 24, Brick: 120, Lacking: true}
	for v := int32(0); v < 163842; v += 8011 {
		n.LH, n.RH = append(n.LH, v), append(n.RH, v+1)
	}
	tree, challenge := filepath.Join(dir, "nsd"), filepath.Join(dir, "challenge")
	for _, err := range []error{n.Write(tree), n.WriteAlgonauts(challenge)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "both.yaml")
	text := "models: [demo:lite0]\nanalyze: {hierarchy: paper}\nfit: {split: {by: image, val: 0, test: 0.1}}\nsubjects:\n- " + challenge +
		"\n- {path: " + tree + ", subject: subj01, sessions: challenge, mask: " + tree + "/nsddata/freesurfer/fsaverage/label/nsdgeneral, rois: paper}\n"
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	run(t, libraryEnv(t), "run", file, "--out", filepath.Join(dir, "out"), "--quiet")
	a, b := only(t, filepath.Join(dir, "out", "mappings", "*", "challenge", "*")), only(t, filepath.Join(dir, "out", "mappings", "*", "subj01", "*"))
	if len(a.Vertices) != len(n.LH)+len(n.RH)-2 || len(b.Vertices) != len(a.Vertices) {
		t.Fatalf("%d and %d vertices", len(a.Vertices), len(b.Vertices))
	}
	// Responses differ by float32's rounding, 2e-6, and the fit takes some hundred steps from there: a thousandth is far
	// below what any change of pictures, trials or vertices makes.
	near := func(x, y float32) bool { return math.Abs(float64(x-y)) < 1e-3 || x != x && y != y }
	for u := range a.Vertices {
		x, y := a.Vertices[u], b.Vertices[u]
		if x.Hemi != y.Hemi || x.Vertex != y.Vertex || !near(x.R2, y.R2) || !near(x.R, y.R) || !near(x.Depth, y.Depth) || !near(x.Ceiling, y.Ceiling) || !near(x.SpaceX, y.SpaceX) {
			t.Errorf("vertex %d of %s: %+v, of the challenge's tree %+v", y.Vertex, y.Hemi, y, x)
		}
		if x.R == y.R && x.R == 0 {
			t.Errorf("vertex %d has no score", x.Vertex)
		}
	}
	inside := map[string]int{}
	for _, v := range b.Vertices {
		for _, roi := range v.ROIs {
			inside[roi]++
		}
	}
	if inside["prf-visualrois/V1"] == 0 || inside["floc-words/VWFA"] == 0 || inside["prf-visualrois/V1v"] != 0 || inside["streams/early"] != 0 {
		t.Errorf("the regions of the set paper are %v", inside)
	}
}
