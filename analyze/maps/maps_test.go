package maps

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cortexmap/analyze"
	"cortexmap/internal/cortex"
	"cortexmap/internal/neuroio/neuroiotest"
	"cortexmap/internal/store"
)

// sample is a mapping of every seventh vertex whose numbers tell the vertex, with three clusters.
func sample(t *testing.T) Input {
	t.Helper()
	g, err := cortex.LoadDemo(os.DirFS("../../testdata/demo"))
	if err != nil {
		t.Fatal(err)
	}
	m := &store.Mapping{Info: store.FitInfo{Model: "lite 0", Subject: "subj-01", Protocol: "sound", Seed: 3, Surface: "fsaverage5", Key: "0123456789ab", Simulated: true}}
	c := &analyze.Clusters{Size: make([]int, 3), Overlaps: []analyze.Overlap{{Cluster: 0, ROI: "areas/V1", Dice: 0.5}}}
	for side, h := range g.Hemis {
		for i := 0; i < h.N(); i += 7 {
			v := store.NewVertex(h.Name, int32(i))
			v.Fitted, v.R2, v.Depth, v.LayerArgmax = i%2 == 0, float32(i)/float32(h.N()), float32(side), int32(i%16)
			m.Vertices = append(m.Vertices, v)
			k := -1
			if v.Fitted {
				k = i % 3
				c.Size[k]++
			}
			c.Of = append(c.Of, k)
		}
	}
	return Input{Mapping: m, Geometry: g, Clusters: c, Version: "test"}
}

// TestWrite: the files' names, one set a number that the mapping has, and a second mapping beside the first.
func TestWrite(t *testing.T) {
	dir, in := t.TempDir(), sample(t)
	files, err := Write(t.Context(), dir, in)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		rel, err := filepath.Rel(dir, f)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.ToSlash(rel))
	}
	for _, want := range []string{
		"lite_0/sound-seed3/sub-subj01_hemi-L_space-fsaverage_den-10k_stat-r2_statmap.func.gii",
		"lite_0/sound-seed3/sub-subj01_hemi-R_space-fsaverage_den-10k_stat-layerargmax_statmap.mgz",
		"lite_0/sound-seed3/sub-subj01_space-fsaverage_den-10k_statmap.dscalar.nii",
		"lite_0/sound-seed3/sub-subj01_hemi-L_space-fsaverage_den-10k_seg-clusters_dseg.label.gii",
		"lite_0/sound-seed3/sub-subj01_hemi-R_space-fsaverage_den-10k_seg-clusters_dseg.annot",
		"lite_0/sound-seed3/sub-subj01_space-fsaverage_den-10k_seg-clusters_dseg.tsv",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing of %q", want, names)
		}
	}
	if n := 3*2*3 + 2 + 4 + 2; len(names) != n {
		t.Errorf("%d files, want %d: r2, depth and layerargmax, all three together, clusters", len(names), n)
	}
	sidecar, err := os.ReadFile(filepath.Join(dir, "lite_0/sound-seed3/sub-subj01_hemi-L_space-fsaverage_den-10k_stat-r2_statmap.json"))
	if err != nil || !strings.Contains(string(sidecar), `"Density": "10k"`) || !strings.Contains(string(sidecar), "Simulated responses: R²") {
		t.Errorf("the sidecar is %s, %v", sidecar, err)
	}
	in.Mapping.Info.Key = "cba987654321"
	files, err = Write(t.Context(), dir, in)
	if err != nil || !strings.Contains(filepath.ToSlash(files[0]), "lite_0/sound-seed3-cba987654321/") {
		t.Errorf("a second mapping of the same name: %q, %v", files, err)
	}
	in.Mapping.Info.Surface, in.Clusters, in.Mapping.Info.Model = "own", nil, "b"
	files, err = Write(t.Context(), dir, in)
	if err != nil || !slices.ContainsFunc(files, func(f string) bool {
		return strings.HasSuffix(f, "sub-subj01_hemi-L_space-fsnative_stat-r2_statmap.func.gii")
	}) {
		t.Errorf("on a surface of its own: %q, %v", files, err)
	}
	in.Geometry = nil
	if files, err = Write(t.Context(), dir, in); files != nil || err != nil {
		t.Errorf("units without a place give %q, %v", files, err)
	}
}

// TestNibabel: nibabel finds every value at its own vertex in every format, and nothing elsewhere.
func TestNibabel(t *testing.T) {
	dir, in := t.TempDir(), sample(t)
	if _, err := Write(t.Context(), dir, in); err != nil {
		t.Fatal(err)
	}
	// numbers come back as a list of [vertex, value]
	const script = `
import glob, json, sys
import nibabel as nib, numpy as np
root = sys.argv[1] + "/lite_0/sound-seed3/sub-subj01"
rest = "_space-fsaverage_den-10k_"
def known(x):
    x = np.asarray(x).ravel()
    return [[int(i), float(x[i])] for i in np.flatnonzero(~np.isnan(x))]
out = {}
for h in "LR":
    g = nib.load(root + "_hemi-" + h + rest + "stat-r2_statmap.func.gii")
    out["gifti" + h] = known(g.darrays[0].data)
    out["structure" + h] = [g.meta["AnatomicalStructurePrimary"]]
    out["mgz" + h] = known(nib.load(root + "_hemi-" + h + rest + "stat-r2_statmap.mgz").get_fdata())
    l = nib.load(root + "_hemi-" + h + rest + "seg-clusters_dseg.label.gii")
    keys = np.array(l.darrays[0].data, float)
    out["label" + h] = known(np.where(keys == 0, np.nan, keys))
    out["labels"] = [l.labeltable.get_labels_as_dict()[k] for k in range(4)]
    lab, ctab, names = nib.freesurfer.read_annot(root + "_hemi-" + h + rest + "seg-clusters_dseg.annot")
    out["annot" + h] = known(np.where(lab < 0, np.nan, lab + 1.0))
    out["names"] = [n.decode() for n in names]
c = nib.load(root + rest + "statmap.dscalar.nii")
row = list(c.header.get_axis(0).name).index("r2")
data = c.get_fdata()[row]
for name, part, model in c.header.get_axis(1).iter_structures():
    full = np.full(model.nvertices[name], np.nan)
    full[model.vertex] = data[part]
    out["cifti" + ("L" if "LEFT" in name else "R")] = known(full)
json.dump(out, sys.stdout)
`
	var got map[string]any
	neuroiotest.Python(t, "nibabel, numpy", script, &got, dir)
	want := map[string]map[int]float64{}
	for i, v := range in.Mapping.Vertices {
		if !v.Fitted {
			continue
		}
		side := map[string]string{"lh": "L", "rh": "R"}[v.Hemi]
		for _, format := range []string{"gifti", "mgz", "cifti", "label", "annot"} {
			if want[format+side] == nil {
				want[format+side] = map[int]float64{}
			}
			want[format+side][int(v.Vertex)] = float64(v.R2)
			if format == "label" || format == "annot" {
				want[format+side][int(v.Vertex)] = float64(in.Clusters.Of[i] + 1)
			}
		}
	}
	for format, values := range want {
		list, _ := got[format].([]any)
		if len(list) != len(values) {
			t.Errorf("%s: %d vertices have a number, want %d", format, len(list), len(values))
		}
		for _, pair := range list {
			p := pair.([]any)
			v, x := int(p[0].(float64)), p[1].(float64)
			if w, ok := values[v]; !ok || math.Abs(w-x) > 1e-7 { // float32 as decimal
				t.Fatalf("%s: vertex %d has %v, want %v (%v)", format, v, x, w, ok)
			}
		}
	}
	for key, text := range map[string]string{"labels": "[??? cluster01-V1 cluster02 cluster03]", "names": "[cluster01-V1 cluster02 cluster03]", "structureL": "[CortexLeft]", "structureR": "[CortexRight]"} {
		if s := fmt.Sprint(got[key]); s != text {
			t.Errorf("%s: %s, want %s", key, s, text)
		}
	}
}
