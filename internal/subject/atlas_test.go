package subject

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"cortexmap/internal/cortex"
	"cortexmap/internal/neuroio/neuroiotest"
)

// TestAtlases: Benson's, Wang's, Rosenke's and Glasser's areas on the whole of fsaverage5 have the numbers of vertices
// that numpy counts, under the names that regions.yaml gives their codes, and V1 of one agrees with V1 of another as
// numpy says (0.84 to 0.95). The files are AGPL's and stay outside: testdata/get-models.py DIR atlas fetches them.
func TestAtlases(t *testing.T) {
	dir := filepath.Join(os.Getenv("CORTEXMAP_DATA"), "fsaverage5")
	if _, err := os.Stat(filepath.Join(dir, "lh.benson14_varea.v4_0.npy")); err != nil {
		t.Skip("CORTEXMAP_DATA does not name a folder that testdata/get-models.py DIR atlas has filled")
	}
	var golden struct {
		Counts map[string]map[string][]int
		Dice   map[string][2]float64
	}
	neuroiotest.Golden(t, "atlases", &golden)
	families := map[string]string{"rosenke18_vcatlas.v1_0": "cytoarchitectonic", "benson14_varea.v4_0": "benson14", "wang15_mplbl.v1_0": "wang15", "glasser16_atlas.v1_0": "glasser"}
	s := wholeCortex(t, dir, families)
	for atlas, sides := range golden.Counts {
		family := known().family(families[atlas])
		for k, name := range family.Regions {
			roi := family.Name + "/" + name
			for i, side := range cortex.Sides {
				want := 0
				if counts := sides[side]; k < len(counts) {
					want = counts[k]
				}
				if got := len(members(s, roi, i)); got != want {
					t.Errorf("%s has %d vertices of %s, numpy counts %d", roi, got, side, want)
				}
			}
		}
	}
	for pair, rois := range map[string][2]string{
		"glasser benson14":           {"demo/V1", "benson14/V1"},
		"glasser glasser16":          {"demo/V1", "glasser/V1"},
		"cytoarchitectonic benson14": {"cytoarchitectonic/hOc1", "benson14/V1"},
	} {
		for side, hemi := range cortex.Sides {
			if got, want := dice(members(s, rois[0], side), members(s, rois[1], side)), golden.Dice[pair][side]; math.Abs(got-want) > 1e-12 || want == 0 {
				t.Errorf("%s: Dice %v in %s, numpy's %v", pair, got, hemi, want)
			}
		}
	}
}

// wholeCortex is a subject with a unit at every vertex of fsaverage5, the atlases and the demo's annotation.
func wholeCortex(t *testing.T, dir string, families map[string]string) *Subject {
	t.Helper()
	const units = 2 * 10242
	data := make([]float32, nPictures*units)
	for i := range data {
		data[i] = answers(i/units, i%units)
	}
	f := plain().with("responses.npy", array(data, nPictures, units)).
		more("positions: {surface: fsaverage5}\nrois:\n")
	copied := func(from, name, hemi, family string) {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		f = f.with(name, bytes.Clone(data)).more(fmt.Sprintf("- {file: %s, hemi: %s, family: %s}\n", name, hemi, family))
	}
	for _, hemi := range cortex.Sides {
		for atlas, family := range families {
			name := hemi + "." + atlas + ".npy"
			copied(filepath.Join(dir, name), name, hemi, family)
		}
		name := hemi + ".glasser_360.annot"
		copied(filepath.Join(neuroiotest.Root(t), "testdata", "demo", "rois", name), name, hemi, "demo")
	}
	return f.mustOpen(t)
}

// members are the vertices of a region in a hemisphere.
func members(s *Subject, roi string, side int) map[int32]bool {
	out := map[int32]bool{}
	for u, names := range s.ROIs {
		for _, name := range names {
			if name == roi && s.Hemi[u] == cortex.Sides[side] {
				out[s.Vertex[u]] = true
			}
		}
	}
	return out
}

func dice(a, b map[int32]bool) float64 {
	both := 0
	for v := range a {
		if b[v] {
			both++
		}
	}
	return 2 * float64(both) / float64(len(a)+len(b))
}
