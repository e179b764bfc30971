package cifti

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/neuroiotest"
)

var nan = float32(math.NaN())

// reading is what nibabel reads in a file.
type reading struct {
	Maps       []string
	Values     [][]neuroiotest.Number
	Structures []string   // of each brainordinate
	Vertices   []int32    // of each brainordinate, -1 for voxels
	Voxels     [][3]int32 // of each brainordinate, -1 for vertices
	Surface    map[string]int
}

func (want *reading) compare(t *testing.T, f *File) {
	t.Helper()
	if !reflect.DeepEqual(f.Maps, want.Maps) || len(f.Values) != len(want.Values) {
		t.Fatalf("maps %q, nibabel reads %q", f.Maps, want.Maps)
	}
	for k, v := range want.Values {
		for i, x := range v {
			if !neuroiotest.Same(float64(f.Values[k][i]), x) {
				t.Errorf("map %d, brainordinate %d is %v, nibabel reads %v", k, i, f.Values[k][i], x)
			}
		}
	}
	at := 0
	for _, m := range f.Models {
		if m.Surface != want.Surface[m.Structure] {
			t.Errorf("%s has %d vertices, nibabel reads %d", m.Structure, m.Surface, want.Surface[m.Structure])
		}
		for i := range m.Len() {
			vertex, voxel := int32(-1), [3]int32{-1, -1, -1}
			if m.Surface > 0 {
				vertex = m.Vertices[i]
			} else {
				voxel = m.Voxels[i]
			}
			if m.Structure != want.Structures[at] || vertex != want.Vertices[at] || voxel != want.Voxels[at] {
				t.Errorf("brainordinate %d is %s %d %v, nibabel reads %s %d %v", at, m.Structure, vertex, voxel, want.Structures[at], want.Vertices[at], want.Voxels[at])
			}
			at++
		}
	}
	if at != len(want.Vertices) {
		t.Errorf("%d brainordinates, nibabel reads %d", at, len(want.Vertices))
	}
}

func TestGolden(t *testing.T) {
	var golden map[string]reading
	neuroiotest.GoldenIn(t, "cifti", "files", &golden)
	if len(golden) != 2 {
		t.Fatalf("%d golden files", len(golden))
	}
	for name, want := range golden {
		f, err := Read(bytes.NewReader(neuroiotest.File(t, "cifti/"+name)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want.compare(t, f)
	}
}

// example has a vertex without data in one map, and one without data in both.
func example() *File {
	return Hemispheres(
		Map{"r2", []float32{0.5, nan, 0, 3, -1, 2}, []float32{nan, 1, nan}},
		Map{"layer <1 & 2>", []float32{nan, nan, 1, 2, 3, 4}, []float32{7, 8, nan}})
}

func TestHemispheres(t *testing.T) {
	f := example()
	want := []Model{{Structure: Left, Surface: 6, Vertices: []int32{0, 2, 3, 4, 5}}, {Structure: Right, Surface: 3, Vertices: []int32{0, 1}}}
	if !reflect.DeepEqual(f.Models, want) {
		t.Errorf("models %+v", f.Models)
	}
	var b bytes.Buffer
	if err := Write(&b, f); err != nil {
		t.Fatal(err)
	}
	back, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		structure string
		m         int
		want      []float32
	}{
		{Left, 0, []float32{0.5, nan, 0, 3, -1, 2}},
		{Right, 0, []float32{nan, 1, nan}},
		{Left, 1, []float32{nan, nan, 1, 2, 3, 4}},
		{Right, 1, []float32{7, 8, nan}},
	} {
		got := back.Hemisphere(c.structure, c.m)
		for v, x := range c.want {
			if got[v] != x && !(math.IsNaN(float64(got[v])) && math.IsNaN(float64(x))) {
				t.Errorf("%s, map %d: %v, want %v", c.structure, c.m, got, c.want)
				break
			}
		}
	}
	if back.Hemisphere("CEREBELLUM", 0) != nil {
		t.Error("a structure that isn't there has values")
	}
}

// What is written here, nibabel reads as we meant it.
func TestNibabelReadsOurs(t *testing.T) {
	one := Hemispheres(Map{"one side", nil, []float32{1, nan, 2}})
	for name, f := range map[string]*File{"two": example(), "one": one} {
		path := filepath.Join(t.TempDir(), name+".dscalar.nii")
		out, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(Write(out, f), out.Close()); err != nil {
			t.Fatal(err)
		}
		var got reading
		neuroiotest.Python(t, "nibabel", `
import json, sys, numpy as np, nibabel as nib
img = nib.load(sys.argv[1])
maps, models = img.header.get_axis(0), img.header.get_axis(1)
cut = len("CIFTI_STRUCTURE_")
assert img.nifti_header["intent_code"] == 3006 and img.get_data_dtype() == "f4"
print(json.dumps(dict(maps=list(maps.name), values=[[None if np.isnan(x) else float(x) for x in r] for r in img.get_fdata()],
    structures=[str(n)[cut:] for n in models.name], vertices=models.vertex.tolist(), voxels=[[-1] * 3] * len(models),
    surface={k[cut:]: v for k, v in models.nvertices.items()})))`, &got, path)
		got.compare(t, f)
	}
}

func TestWriteRefuses(t *testing.T) {
	neuroiotest.Refused(t, Write(&bytes.Buffer{}, Hemispheres(Map{"r2", []float32{nan, nan}, nil})), "no map has a number anywhere")
	neuroiotest.Refused(t, Write(&bytes.Buffer{}, Hemispheres(Map{"a\x00b", []float32{1}, nil})), "a character that XML can't")
	defer func() {
		if recover() == nil {
			t.Error("hemispheres of two lengths: no panic")
		}
	}()
	Hemispheres(Map{"a", []float32{1, 2}, nil}, Map{"b", []float32{1}, nil})
}

// written is a file whose XML is replaced by one of the same length.
func written(t *testing.T, old, with string) []byte {
	var b bytes.Buffer
	if err := Write(&b, example()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b.Bytes(), []byte(old)) {
		t.Fatalf("%q is not in the file", old)
	}
	with += strings.Repeat(" ", max(0, len(old)-len(with)))
	return bytes.Replace(b.Bytes(), []byte(old), []byte(with), 1)
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name string
		file []byte
		says string
	}{
		{"series", neuroiotest.File(t, "cifti/octa.dtseries.nii"), "CIFTI_INDEX_TYPE_SERIES"},
		{"labels", neuroiotest.File(t, "cifti/octa.dlabel.nii"), "CIFTI_INDEX_TYPE_LABELS"},
		{"connections", neuroiotest.File(t, "cifti/octa.dconn.nii"), "CIFTI_INDEX_TYPE_BRAIN_MODELS"},
		{"NIfTI-1", neuroiotest.File(t, "nifti/i2.nii"), "no CIFTI-2 file but NIfTI-1"},
		{"NIfTI-2", neuroiotest.File(t, "nifti/two.nii"), "no extension of code 32"},
		{"version", written(t, `Version="2"`, `Version="1"`), `version "1"`},
		{"broken", written(t, `</CIFTI>`, `</CIFTO>`), "XML can't be read"},
		{"vertex beyond", written(t, "0 2 3 4 5", "0 2 3 4 6"), `"6" is no number from 0 to 5`},
		{"negative vertex", written(t, "0 2 3 4 5", "-1 2 3 45"), `"-1" is no number`},
		{"vertex twice", written(t, "0 2 3 4 5", "0 2 2 4 5"), "vertex 2 stands twice"},
		{"gap", written(t, `IndexOffset="5"`, `IndexOffset="4"`), "brainordinates 4 and the next 2, it has 5"},
		{"fewer", written(t, `0 2 3 4 5`, `0 2 3 4`), "the next 5, it has 0 and the next 4"},
		{"no surface", written(t, `Vertices="6"`, `Vertices="0"`), "a surface of 0 vertices"},
		{"other count of maps", written(t, "<NamedMap><MapName>r2</MapName></NamedMap>", " "), "1 maps x 7 brainordinates"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(bytes.NewReader(c.file))
			neuroiotest.Refused(t, err, c.says)
		})
	}
}

func read(b []byte) error { _, err := Read(bytes.NewReader(b)); return err }

func TestBattery(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, Hemispheres(Map{"r", []float32{1, nan, 2}, nil})); err != nil {
		t.Fatal(err)
	}
	neuroiotest.Battery(t, neuroiotest.Format{Name: "one.dscalar.nii", File: b.Bytes(), Read: read})
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"octa.dscalar.nii", "stem.dscalar.nii", "octa.dlabel.nii"} {
		f.Add(neuroiotest.File(f, "cifti/"+name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e *fault.Error
		if err := read(b); err != nil && !errors.As(err, &e) {
			t.Fatalf("an error that is no fault: %v", err)
		}
	})
}
