package subject

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"cortexmap/internal/neuroio/mgh"
	"cortexmap/internal/neuroio/neuroiotest"
	"cortexmap/internal/neuroio/nifti"
)

// identity places voxel i, j, k at i, j, k mm.
var identity = nifti.Affine{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}

// niftiMask is a row of voxels.
func niftiMask(affine *nifti.Affine, values ...int16) []byte {
	var b bytes.Buffer
	if err := nifti.Write(&b, [3]int{len(values), 1, 1}, affine, values); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func mgz[T mgh.Number](values []T) []byte {
	var b bytes.Buffer
	if err := mgh.WriteZ(&b, values); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// Responses as a table are the same subject as in .npy, either way round.
func TestResponsesAsParquet(t *testing.T) {
	want := plain().mustOpen(t)
	type table struct {
		U0    float64 `parquet:"u0"`
		U1    float32 `parquet:"u1"`
		Label string  `parquet:"label"`
		U2    int32   `parquet:"u2"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[table](&b, parquet.MaxRowsPerRowGroup(2))
	for n := range nPictures {
		if _, err := w.Write([]table{{float64(answers(n, 0)), answers(n, 1), "x", int32(answers(n, 2))}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s := plain().yaml(t, "responses.npy", "r.parquet").with("r.parquet", b.Bytes()).mustOpen(t)
	if s.Digest != want.Digest || !warned(s, "columns-left-out", "label") {
		t.Errorf("responses %v, want %v; %v", s.Responses, want.Responses, s.Warnings)
	}
	type turned struct{ P0, P1, P2, P3, P4 float32 }
	b.Reset()
	v := parquet.NewGenericWriter[turned](&b)
	for u := range nUnits {
		if _, err := v.Write([]turned{{answers(0, u), answers(1, u), answers(2, u), answers(3, u), answers(4, u)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	s = plain().yaml(t, "responses.npy, rows: images", "r.parquet, rows: units").with("r.parquet", b.Bytes()).mustOpen(t)
	if s.Digest != want.Digest {
		t.Errorf("units x pictures: %v, want %v", s.Responses, want.Responses)
	}
}

// Masks, labels and ceilings of FreeSurfer's form say the same as those of NumPy's.
func TestMGHForms(t *testing.T) {
	want := onSurface().more("rois: [{file: a.npy, hemi: lh, family: streams}]\nceiling: {file: c.npy}\n").
		with("a.npy", array(labelsOf(7, 5, 100, 9000), 10242)).with("c.npy", array([]float32{0.5, 0.25, 0.125}, 3)).mustOpen(t)
	mask := slices.Repeat([]int32{-1}, 10242) // NSD's code for what isn't cortex
	mask[7], mask[100], mask[3] = 1, 1, 0
	f := onSurface().yaml(t, "lh: lh.npy", "lh: lh.mgz").with("lh.mgz", mgz(mask)).more("rois: [{file: lh.a.mgz, hemi: lh, family: streams}]\nceiling: {file: c.mgz}\n").
		with("lh.a.mgz", mgz(labelsOf(7, 5, 100, 9000))).with("c.mgz", mgz([]float32{0.5, 0.25, 0.125}))
	s := f.mustOpen(t)
	if s.Digest != want.Digest || !slices.Equal(s.ROIs[0], []string{"streams/ventral"}) || s.ROIs[1] != nil {
		t.Errorf("vertices %v, regions %v, ceilings %v", s.Vertex, s.ROIs, s.Ceiling)
	}
	if r := region(s, "streams/early"); r.Units != 0 || r.Outside != 1 || !strings.Contains(r.Source, "Allen") || !warned(s, "rois-outside", "streams/early (1 vertices elsewhere)") {
		t.Errorf("%+v, %v", r, s.Warnings)
	}
	// Names beside the map count before the family's.
	s = f.with("a.mgz.ctab", []byte("0 Unknown\n1 first\n5 fifth\n")).mustOpen(t)
	if !slices.Equal(s.ROIs[0], []string{"streams/fifth"}) {
		t.Errorf("regions %v", s.ROIs)
	}
}

// labelsOf labels a vertex of fsaverage5 with a number, 100 with none and 9000 with 1.
func labelsOf(at int, label int32, none, one int) []int32 {
	x := make([]int32, 10242)
	x[at], x[none], x[one] = label, 0, 1
	return x
}

func region(s *Subject, name string) Region {
	for _, r := range s.Regions {
		if r.Name == name {
			return r
		}
	}
	return Region{}
}

// Units of a NIfTI mask are its voxels, first dimension fastest, at the mm that nibabel gives.
func TestVoxels(t *testing.T) {
	dir := t.TempDir()
	var mm [][]float64
	neuroiotest.Python(t, "numpy, nibabel", `
import json, sys, numpy as np, nibabel as nib
a = np.array([[-1.8, 0, 0, 90], [0, 1.8, .1, -126], [0, 0, 1.8, -72], [0, 0, 0, 1]])
m = np.zeros((3, 2, 2), "i2"); m[2, 0, 0] = m[0, 1, 0] = 1; m[1, 1, 1] = 1; m[0, 0, 0] = -1
nib.save(nib.Nifti1Image(m, a), sys.argv[1] + "/m.nii.gz")
l = np.zeros((3, 2, 2), "i2"); l[0, 1, 0] = 7; l[1, 0, 0] = 1
nib.save(nib.Nifti1Image(l, a), sys.argv[1] + "/l.nii.gz")
at = np.argwhere(m.transpose(2, 1, 0) > 0)[:, ::-1]
print(json.dumps(nib.affines.apply_affine(a, at).tolist()))`, &mm, dir)
	f := plain().more("positions: {nifti: m.nii.gz}\nrois: [{file: l.nii.gz, names: {1: V1, 7: hV4}}]\n")
	for _, name := range []string{"m.nii.gz", "l.nii.gz"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		f = f.with(name, b)
	}
	s := f.mustOpen(t)
	for u, want := range mm {
		for i, x := range want {
			if math.Abs(float64(s.Positions[u][i])-x) > 1e-5 { // float32
				t.Errorf("unit %d lies at %v, nibabel has %v", u, s.Positions[u], want)
			}
		}
	}
	if s.ROIs[0] != nil || !slices.Equal(s.ROIs[1], []string{"hV4"}) || s.Geometry != nil || region(s, "V1").Outside != 1 {
		t.Errorf("regions %v, %v", s.ROIs, s.Regions)
	}
}

// given is a subject on a surface with regions of two families, and files beside it.
func given(t *testing.T, o Options) (*Subject, string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{
		"lh.half.mgz": mgz(labelsOf(7, 1, 100, 9000)), "rh.half.npy": array(slices.Repeat([]int8{1}, 10242), 10242),
		"lh.ncsnr.mgz": mgz(slices.Repeat([]float32{1}, 10242)), "rh.ncsnr.npy": array([]float64{2}, 1),
		"lh.nc.npy": array([]float32{0.5, 0.25}, 2), "rh.nc.npy": array([]float32{36}, 1),
		"more.yaml": []byte("rois:\n- {file: lh.half.mgz, hemi: lh, family: own, names: {1: patch}, source: drawn by hand}\ncombined: {all: [V1, own/patch]}\n" +
			"order: [own/patch, all, benson14/V2]\nhierarchy: [own/patch, {two: [all, V2]}]\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	f := onSurface().more("rois:\n- {file: a.npy, hemi: lh, family: benson14}\n- {file: b.csv, family: wang15}\n").
		with("a.npy", array(labelsOf(7, 1, 100, 9000), 10242)).with("b.csv", []byte("unit,roi\n1,V1v\n2,hV4\n"))
	o.Demo = demoFS
	for _, p := range []*string{&o.Mask, &o.Ceiling, &o.ROIs} {
		if *p = strings.ReplaceAll(*p, "DIR", dir); strings.HasPrefix(*p, "/") {
			*p = filepath.Clean(*p)
		}
	}
	s, err := f.withOptions(t, o)
	return s, dir, err
}

func TestGivenMaskCeilingRegions(t *testing.T) {
	whole, _, err := given(t, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := given(t, Options{Mask: "DIR/half"})
	if err != nil || !slices.Equal(s.Vertex, []int32{7, 5000}) || !slices.Equal(s.Hemi, []string{"lh", "rh"}) || len(s.Responses) != 2*nPictures {
		t.Fatalf("%v: vertices %v", err, s)
	}
	for n := range nPictures {
		if s.Responses[2*n] != whole.Responses[3*n] || s.Responses[2*n+1] != whole.Responses[3*n+2] {
			t.Errorf("picture %d: %v", n, s.Responses[2*n:][:2])
		}
	}
	if r := region(s, "wang15/V1"); r.Units != 0 || r.Outside != 1 || !slices.Equal(r.Parts, []string{"V1v", "V1d"}) {
		t.Errorf("%+v", r)
	}
	s, _, err = given(t, Options{Ceiling: "DIR/ncsnr"})
	if err != nil || math.Abs(float64(s.Ceiling[0])-0.75) > 1e-6 || math.Abs(float64(s.Ceiling[2])-12.0/13) > 1e-6 || !warned(s, "ceiling-optimistic", "of 3 trials") {
		t.Errorf("%v: ceilings %v", err, s)
	}
	_, _, err = given(t, Options{Ceiling: "DIR/nc"})
	neuroiotest.Refused(t, err, "percent? divide by 100")
	s, _, err = given(t, Options{ROIs: "wang15"})
	if err != nil || len(s.ROIs[0]) != 0 || !slices.Equal(s.ROIs[1], []string{"wang15/V1", "wang15/V1v"}) || len(s.Regions) != 3 {
		t.Errorf("%v: regions %+v", err, s)
	}
	_, _, err = given(t, Options{ROIs: "DIR/more.yaml"})
	neuroiotest.Refused(t, err, "V1 is in several families: benson14/V1, wang15/V1")
	for o, says := range map[Options]string{
		{ROIs: "bensn14"}:       "did you mean benson14?",
		{ROIs: "DIR/none.yaml"}: "does not exist",
		{Mask: "DIR/nothing"}:   "names no file lh.* or rh.*",
		{Mask: "DIR"}:           "has several files of lh",
	} {
		_, _, err := given(t, o)
		neuroiotest.Refused(t, err, says)
	}
	_, err = plain().withOptions(t, Options{Mask: "anything"})
	neuroiotest.Refused(t, err, "no places on a surface")
}

func TestRegionsFromYAML(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "more.yaml")
	open := func(text string) (*Subject, error) {
		for name, data := range map[string][]byte{"more.yaml": []byte(text), "lh.a.mgz": mgz(labelsOf(7, 1, 100, 9000))} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		return onSurface().more("rois: [{file: b.csv, family: wang15}]\n").with("b.csv", []byte("unit,roi\n1,V1v\n2,hV4\n")).withOptions(t, Options{Demo: demoFS, ROIs: path})
	}
	s, err := open("rois: [{file: lh.a.mgz, hemi: lh, family: own, names: {1: patch}, source: drawn by hand}]\ncombined: {both: [V1, patch]}\norder: [patch, both, hV4]\nhierarchy: [patch, {two: [both, hV4]}]\n")
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(s.ROIs) != "[[both own/patch] [both] [wang15/hV4]]" {
		t.Errorf("regions %v", s.ROIs)
	}
	var names []string
	for _, r := range s.Regions {
		names = append(names, r.Name)
	}
	if !slices.Equal(names, []string{"own/patch", "both", "wang15/hV4"}) || region(s, "own/patch").Source != "drawn by hand" || region(s, "own/patch").Outside != 1 ||
		!slices.Equal(region(s, "both").Parts, []string{"wang15/V1", "own/patch"}) || region(s, "both").Units != 2 {
		t.Errorf("%+v", s.Regions)
	}
	if len(s.Hierarchy) != 2 || s.Hierarchy[1].ROIs[1] != "wang15/hV4" {
		t.Errorf("%v", s.Hierarchy)
	}
	for text, says := range map[string]string{
		"combined: {both: [V1, V7]}\n":          "has no region V7",
		"order: [V1, V9]\n":                     "more.yaml:1:",
		"rois: [{file: ../a.mgz, hemi: lh}]\n":  "leaves the subject's folder",
		"ordre: [V1]\n":                         "order",
		"rois: [{file: lh.a.mgz, hemi: lh}]\n":  "nothing names the numbers",
		"combined: {wang15/V1: [wang15/hV4]}\n": "has a region wang15/V1 already",
		"hierarchy: [V1]\n":                     "1 levels",
	} {
		_, err := open(text)
		neuroiotest.Refused(t, err, says)
	}
}

// A plain copy of a subject is the same subject.
func TestExport(t *testing.T) {
	sim, _, err := Simulated(demoFS, SimOptions{Seed: 1, MaxVertices: 80, PerPhoto: 3, Photos: 4})
	if err != nil {
		t.Fatal(err)
	}
	sim.Responses = make([]float32, sim.Images.Len()*sim.Units)
	for i := range sim.Responses {
		sim.Responses[i] = float32(i*i%101) / 7
	}
	for u := range sim.Ceiling {
		sim.Ceiling[u] = 0.4
	}
	a := tiny
	a.TestFMRI = true
	for name, s := range map[string]*Subject{"simulated": sim, "algonauts": tree(a.Files()).mustOpen(t), "voxels": plain().more("positions: {nifti: m.nii}\n").with("m.nii", niftiMask(&identity, 1, 0, 1, 1)).mustOpen(t)} {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := Export(context.Background(), s, dir); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		back, err := Open(context.Background(), dir, Options{Demo: demoFS})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if back.Digest != s.digest() || back.Simulated != s.Simulated || back.Licence != s.Licence || back.Name != s.Name {
			t.Errorf("%s: the copy differs: %d pictures, %d units, regions %v, hierarchy %v", name, back.Images.Len(), back.Units, back.ROIs[:3], back.Hierarchy)
		}
		if err := back.Close(); err != nil {
			t.Error(err)
		}
		neuroiotest.Refused(t, Export(context.Background(), s, dir), "exists already")
	}
}

// A submission has each prediction at its own vertex, and 0 where there is none.
func TestSubmit(t *testing.T) {
	f := tree(tiny.Files())
	dir := filepath.Join(t.TempDir(), "subj06")
	if err := os.Rename(f.write(t), dir); err != nil {
		t.Fatal(err)
	}
	var columns, images strings.Builder
	columns.WriteString("column,hemi,vertex,rois\n")
	images.WriteString("row,file,sha256\n")
	hemi, vertex := units(tiny)
	var data []float32
	for i := range 3 {
		fmt.Fprintf(&images, "%d,test-%04d_nsd-%05d.png,00\n", i, i+1, 17*i+5)
	}
	for u := range hemi {
		if u != 4 { // a vertex that the fit left out
			fmt.Fprintf(&columns, "%d,%s,%d,\n", u, hemi[u], vertex[u])
		}
	}
	for i := range 3 {
		for u := range hemi {
			if u != 4 {
				data = append(data, float32(100*i+u))
			}
		}
	}
	predicted := tree{"responses.npy": array(data, 3, len(hemi)-1), "units.csv": []byte(columns.String()), "images.csv": []byte(images.String())}
	out := t.TempDir()
	s, err := Submit(dir, predicted.write(t), out)
	if err != nil || s.Zeros != 1 || s.Pictures != 3 {
		t.Fatal(s, err)
	}
	from := 0
	for k, side := range []string{"lh", "rh"} {
		at := filepath.Join(out, "subj06")
		root, err := os.OpenRoot(at)
		if err != nil {
			t.Fatal(err)
		}
		shape, x, err := (&folder{path: at, root: root}).npyNumbers(side + "_pred_test.npy")
		if err != nil || !slices.Equal(shape, []int{3, []int{7, 9}[k]}) {
			t.Fatal(shape, err)
		}
		for i := range 3 {
			for j := range shape[1] {
				want := float64(100*i + from + j)
				if from+j == 4 {
					want = 0
				}
				if x[i*shape[1]+j] != want {
					t.Errorf("%s, picture %d, vertex %d: %v, want %v", side, i, j, x[i*shape[1]+j], want)
				}
			}
		}
		from += shape[1]
	}
	_, err = Submit(dir, predicted.with("images.csv", []byte("row,file\n0,a.png\n1,b.png\n2,c.png\n")).write(t), t.TempDir())
	neuroiotest.Refused(t, err, "predict the whole folder at once")
	_, err = Submit(dir, predicted.with("units.csv", []byte(strings.ReplaceAll(columns.String(), "lh,7,", "lh,8,"))).write(t), t.TempDir())
	neuroiotest.Refused(t, err, "1 of 15 predicted units are no vertices")
}
