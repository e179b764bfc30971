package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/store"
	"cortexmap/internal/subject/subjecttest"
)

// TestAlgonauts maps the demo's network onto a simulated folder of the Algonauts challenge and onto the same data
// as a plain folder: every number of the two mappings is the same, and the challenge's folder brings its
// regions and the publication's hierarchy.
func TestAlgonauts(t *testing.T) {
	if testing.Short() {
		t.Skip("runs lite0 over 60 pictures and fits twice")
	}
	dir := t.TempDir()
	a := subjecttest.Algonauts{Pictures: 60, Test: 2}
	for v := int32(0); v < 163842; v += 8011 {
		a.LH, a.RH = append(a.LH, v), append(a.RH, v+1)
	}
	if err := a.Write(filepath.Join(dir, "subj01")); err != nil {
		t.Fatal(err)
	}
	if err := a.WritePlain(filepath.Join(dir, "same")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "both.yaml")
	if err := os.WriteFile(file, []byte("models: [demo:lite0]\nanalyze: {hierarchy: paper}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	run(t, libraryEnv(t), "run", file, "--out", filepath.Join(dir, "out"), "--quiet",
		"--set", "subjects=['"+filepath.Join(dir, "subj01")+"','"+filepath.Join(dir, "same")+"']")
	challenge, plain := only(t, filepath.Join(dir, "out", "mappings", "*", "subj01", "*")), only(t, filepath.Join(dir, "out", "mappings", "*", "same", "*"))
	if len(challenge.Vertices) != len(a.LH)+len(a.RH) {
		t.Fatalf("%d vertices", len(challenge.Vertices))
	}
	for u := range challenge.Vertices {
		c, p := challenge.Vertices[u], plain.Vertices[u]
		if want := slices.Concat(a.LH, a.RH)[u]; c.Vertex != want || !c.Fitted {
			t.Errorf("row %d is vertex %d, want %d", u, c.Vertex, want)
		}
		if c.Hemi != p.Hemi || c.Vertex != p.Vertex || !same(c.R2, p.R2) || !same(c.R, p.R) || !same(c.Depth, p.Depth) {
			t.Errorf("vertex %d of %s: %+v, plain %+v", c.Vertex, c.Hemi, c, p)
		}
	}
	if !slices.EqualFunc(challenge.Selector, plain.Selector, same) || !slices.EqualFunc(challenge.Share, plain.Share, same) {
		t.Error("selectors or shares differ")
	}
	levels, err := os.ReadFile(filepath.Join(dir, "out", "results", "tables", "levels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for place, level := range []struct {
		name, written string
		rois          map[int][]string // by family, as the challenge's files name them
	}{
		{"V1", "V1", map[int][]string{0: {"V1v", "V1d"}}}, {"V2", "V2", map[int][]string{0: {"V2v", "V2d"}}}, {"V3", "V3", map[int][]string{0: {"V3v", "V3d"}}},
		{"hV4", "hV4", map[int][]string{0: {"hV4"}}},
		{"high", "EBA FFA OPA PPA", map[int][]string{1: {"EBA"}, 2: {"FFA-1", "FFA-2"}, 3: {"OPA", "PPA"}}},
	} {
		n := 0
		for _, v := range slices.Concat(a.LH, a.RH) {
			inside := false
			for family, names := range level.rois {
				label := subjecttest.Label(family, v)
				inside = inside || label > 0 && slices.Contains(names, subjecttest.Families[family].Labels[label-1])
			}
			if inside {
				n++
			}
		}
		row := fmt.Sprintf("\nlite0,subj01,0,sound,factortopy,,paper,%s,%s,%v,%d,share,", level.name, level.written, float64(place)/4, n)
		if !strings.Contains(string(levels), row) {
			t.Errorf("levels.csv has no row%s…\n%s", row, levels)
		}
	}
}

// same compares numbers, NaN with NaN.
func same(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b }

// only reads the one mapping that a pattern finds.
func only(t *testing.T, pattern string) *store.Mapping {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	m, err := store.ReadMapping(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return m
}
