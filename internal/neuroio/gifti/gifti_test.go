package gifti

import (
	"bytes"
	"compress/gzip"
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

func read(b []byte) (*File, error) { return Read(bytes.NewReader(b)) }

func value(a *Array, i int) float64 {
	if a.Floats != nil {
		return float64(a.Floats[i])
	}
	return float64(a.Ints[i])
}

func TestGolden(t *testing.T) {
	var golden map[string]struct {
		Arrays []struct {
			Shape  []int
			Intent string
			Values []neuroiotest.Number
		}
		Labels map[string]string
	}
	neuroiotest.Golden(t, "gifti", &golden)
	if len(golden) < 9 {
		t.Fatalf("%d golden files", len(golden))
	}
	for name, want := range golden {
		t.Run(name, func(t *testing.T) {
			f, err := read(neuroiotest.File(t, name))
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Arrays) != len(want.Arrays) || len(f.Labels) != len(want.Labels) {
				t.Fatalf("%d arrays and %d labels, nibabel reads %d and %d", len(f.Arrays), len(f.Labels), len(want.Arrays), len(want.Labels))
			}
			for i, w := range want.Arrays {
				a := &f.Arrays[i]
				if !reflect.DeepEqual(a.Dims, w.Shape) || a.Intent != w.Intent {
					t.Fatalf("array %d is %v %s, nibabel reads %v %s", i, a.Dims, a.Intent, w.Shape, w.Intent)
				}
				for j, x := range w.Values {
					got := value(a, j)
					if x == nil && !math.IsNaN(got) || x != nil && got != *x {
						t.Errorf("array %d, value %d is %v, nibabel reads %v", i, j, got, x)
					}
				}
			}
			for _, l := range f.Labels {
				if key := string(rune('0' + l.Key)); want.Labels[key] != l.Name {
					t.Errorf("label %d is %q, nibabel reads %q", l.Key, l.Name, want.Labels[key])
				}
			}
		})
	}
}

// The real surfaces and maps of the demo, against nibabel's sums.
func TestDemoFiles(t *testing.T) {
	var golden map[string]jsonArrays
	neuroiotest.Golden(t, "demo", &golden)
	seen := 0
	for name, want := range golden {
		if !strings.HasSuffix(name, ".gii.gz") {
			continue
		}
		seen++
		file, err := os.Open(filepath.Join(neuroiotest.Root(t), "testdata", "demo", "geometry", name))
		if err != nil {
			t.Fatal(err)
		}
		f, err := Read(file)
		file.Close()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(f.Arrays) != len(want.list) {
			t.Fatalf("%s: %d arrays, nibabel reads %d", name, len(f.Arrays), len(want.list))
		}
		for i, w := range want.list {
			a := &f.Arrays[i]
			sum, weighted := 0.0, 0.0
			for j := range a.Len() {
				x := value(a, j)
				sum += x
				weighted += x * float64(j%97+1)
			}
			// Both sums are of exactly the same float32 values in float64; only the order of adding
			// differs, which moves 30,000 numbers of about 100 by less than 1e-6.
			if !reflect.DeepEqual(a.Dims, w.Shape) || math.Abs(sum-w.Sum) > 1e-6 || math.Abs(weighted-w.Weighted) > 1e-4 {
				t.Errorf("%s, array %d: %v, sums %v %v; nibabel: %v, %v %v", name, i, a.Dims, sum, weighted, w.Shape, w.Sum, w.Weighted)
			}
			for j := range 3 {
				if value(a, j) != w.First[j] || value(a, a.Len()-3+j) != w.Last[j] {
					t.Errorf("%s, array %d: first or last values differ from nibabel's", name, i)
				}
			}
		}
	}
	if seen != 18 {
		t.Errorf("%d GIFTI files compared, want 18", seen)
	}
}

func TestRoundTrip(t *testing.T) {
	nan := float32(math.NaN())
	points := [][3]float32{{50, 0, 0}, {-50, 0, 0}, {0, 50, 0}}
	for name, f := range map[string]*File{
		"func":    Func("lh", Named{"r2 <&> \"x\"", []float32{0.5, nan, -3}}, Named{"layer", []float32{1, 2, 3}}),
		"shape":   Shape("rh", Named{"curv", []float32{0}}),
		"label":   LabelFile("rh", "areas", []int32{0, 1, -7, 1}, []Label{{Key: 1, Name: "V1 & ]]> co", Red: 0.9, Alpha: 1}, {Key: -7, Name: "é"}}),
		"surface": SurfaceFile("lh", "Flat", "", points, [][3]int32{{0, 1, 2}}),
		"empty":   Func("lh", Named{"none", []float32{}}),
		"nothing": {},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Write(&b, f); err != nil {
				t.Fatal(err)
			}
			got, err := read(b.Bytes())
			if err != nil {
				t.Fatalf("%v in\n%s", err, b.Bytes())
			}
			// NaN is unequal to itself: compare bits.
			if !reflect.DeepEqual(bitsOf(got), bitsOf(f)) {
				t.Errorf("read back %+v, written %+v", got, f)
			}
		})
	}
}

// bitsOf replaces floats by their bits, in a copy.
func bitsOf(f *File) File {
	c := *f
	c.Arrays = nil
	for _, a := range f.Arrays {
		for _, x := range a.Floats {
			a.Ints = append(a.Ints, int32(math.Float32bits(x)))
		}
		a.Floats = nil
		if len(a.Ints) == 0 {
			a.Ints = nil
		}
		c.Arrays = append(c.Arrays, a)
	}
	return c
}

func TestWriterRefusesWhatXMLCannotSay(t *testing.T) {
	var e *fault.Error
	if err := Write(&bytes.Buffer{}, Func("lh", Named{"a\x00b", nil})); !errors.As(err, &e) {
		t.Errorf("a name with a zero byte: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	ascii := string(neuroiotest.File(t, "lh.octa.ascii.func.gii"))
	zipped := string(neuroiotest.File(t, "lh.octa.gz.func.gii"))
	change := func(s, from, to string) []byte {
		if !strings.Contains(s, from) {
			t.Fatalf("the golden file has no %q", from)
		}
		return []byte(strings.Replace(s, from, to, 1))
	}
	surf := string(neuroiotest.File(t, "lh.octa.surf.gii"))
	for _, c := range []struct {
		name string
		file []byte
		says string
	}{
		{"empty", nil, "cut short"},
		{"text", []byte("hello"), "no GIFTI file"},
		{"other XML", []byte("<html></html>"), "begins with <html>"},
		{"external data", change(ascii, `Encoding="ASCII"`, `Encoding="ExternalFileBinary"`), "another file"},
		{"unknown encoding", change(ascii, `Encoding="ASCII"`, `Encoding="Base65"`), `"Base65"`},
		{"too few values", change(ascii, `Dim0="6"`, `Dim0="7"`), "7 values are announced, the GIFTI array has 6"},
		{"too many values", change(zipped, `Dim0="6"`, `Dim0="5"`), "needs 20 bytes, the GIFTI file has at least 21"},
		{"too few bytes", change(zipped, `Dim0="6"`, `Dim0="9"`), "needs 36 bytes, the GIFTI file has 24"},
		{"huge", change(ascii, `Dim0="6"`, `Dim0="2000000000"`), "claims more than"},
		{"negative", change(ascii, `Dim0="6"`, `Dim0="-6"`), "a count is needed"},
		{"array count", change(ascii, `NumberOfDataArrays="1"`, `NumberOfDataArrays="2"`), "says that it has 2 arrays, it has 1"},
		{"complex", change(ascii, `NIFTI_TYPE_FLOAT32`, `NIFTI_TYPE_COMPLEX64`), "COMPLEX64"},
		{"version", change(ascii, `Version="1.0"`, `Version="2.0"`), "version 2.0"},
		{"no base64", change(zipped, "<Data>", "<Data>!"), "no base64"},
		{"entity bomb", []byte(`<!DOCTYPE x [<!ENTITY a "aaaa">]><GIFTI><MetaData><MD><Name>&a;</Name></MD></MetaData></GIFTI>`), "can't be read"},
		{"deep", []byte("<GIFTI>" + strings.Repeat("<a>", 1000)), "nests more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(c.file)
			var e *fault.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a fault with %q", err, c.says)
			}
		})
	}
	f, err := read(change(surf, "NIFTI_INTENT_TRIANGLE", "NIFTI_INTENT_NONE"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Surface(); err == nil || !strings.Contains(err.Error(), "no surface") {
		t.Errorf("a surface without triangles: %v", err)
	}
}

// A compressed file may not make the reader unpack more than the arrays need.
func TestBombs(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for _, s := range []string{`<GIFTI><DataArray DataType="NIFTI_TYPE_FLOAT32" Dimensionality="1" Dim0="1" Encoding="ASCII"><Data>`, strings.Repeat(" ", 64<<20)} {
		if _, err := z.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := read(packed.Bytes()); err == nil || !strings.Contains(err.Error(), "longer than its array can need") {
		t.Errorf("64 MiB of blanks for one value: %v", err)
	}
}

func TestBattery(t *testing.T) {
	surface := func(b []byte) error {
		f, err := read(b)
		if err == nil && len(f.Arrays) > 1 {
			_, _, err = f.Surface()
		}
		return err
	}
	for _, name := range []string{"lh.octa.ascii.func.gii", "lh.octa.big.surf.gii", "lh.octa.label.gii", "lh.octa.func.gii.gz"} {
		b := bytes.TrimRight(neuroiotest.File(t, name), "\n")
		neuroiotest.Battery(t, neuroiotest.Format{Name: name, File: b, Read: surface})
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"lh.octa.ascii.func.gii", "lh.octa.b64.func.gii", "lh.octa.big.surf.gii", "lh.octa.columns.surf.gii", "lh.octa.label.gii", "lh.octa.shape.gii", "lh.octa.func.gii.gz"} {
		f.Add(neuroiotest.File(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := read(b)
		if err == nil {
			_, _, err = g.Surface()
		}
		var e *fault.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("an error that is no fault: %v", err)
		}
	})
}
