package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/neuroiotest"
)

func parse(b []byte) (*Array, error) { return Parse(bytes.NewReader(b), int64(len(b))) }

// readAll reads a file in every way there is.
func readAll(b []byte) error {
	a, err := parse(b)
	if err != nil {
		return err
	}
	if _, err := a.Float32(); err != nil {
		return err
	}
	_, err = a.Float64()
	return err
}

func TestGolden(t *testing.T) {
	var golden map[string]struct {
		Shape  []int
		Values []neuroiotest.Number
	}
	neuroiotest.Golden(t, "npy", &golden)
	if len(golden) < 20 {
		t.Fatalf("%d golden files", len(golden))
	}
	for name, want := range golden {
		t.Run(name, func(t *testing.T) {
			a, err := Open(neuroiotest.Path(t, name))
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			if shapeText(a.Shape) != shapeText(want.Shape) || a.Len() != len(want.Values) {
				t.Fatalf("shape %v of %d, numpy reads %v of %d", a.Shape, a.Len(), want.Shape, len(want.Values))
			}
			wide, err := a.Float64()
			if err != nil {
				t.Fatal(err)
			}
			narrow, err := a.Float32()
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range want.Values {
				if w == nil { // NaN or infinite
					if !math.IsNaN(wide[i]) && !math.IsInf(wide[i], 0) {
						t.Errorf("value %d is %v, numpy reads NaN or infinity", i, wide[i])
					}
					continue
				}
				if wide[i] != *w || narrow[i] != float32(*w) {
					t.Errorf("value %d is %v and %v, numpy reads %v", i, wide[i], narrow[i], *w)
				}
			}
		})
	}
}

func TestHalfIsExact(t *testing.T) {
	for h := range 1 << 16 {
		sign, exp, frac := h>>15, h>>10&31, float64(h&1023)
		want := math.Ldexp(1+frac/1024, exp-15)
		if exp == 0 {
			want = math.Ldexp(frac, -24)
		}
		if exp == 31 {
			want = math.Inf(1)
			if frac != 0 {
				want = math.NaN()
			}
		}
		if sign == 1 {
			want = -want
		}
		got := float64(half(uint16(h)))
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("half(%#04x) = %v, want %v", h, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	head := func(dict string) []byte {
		b := append([]byte(magic), 1, 0)
		return append(binary.LittleEndian.AppendUint16(b, uint16(len(dict))), dict...)
	}
	for _, c := range []struct {
		name string
		file []byte
		says string
	}{
		{"objects", neuroiotest.File(t, "object.npy"), "Python objects"},
		{"records", neuroiotest.File(t, "record.npy"), "records"},
		{"complex", neuroiotest.File(t, "complex.npy"), `"<c8" is not read`},
		{"text", []byte("1,2,3\n4,5,6\n"), "no .npy file"},
		{"empty", nil, "no .npy file"},
		{"zip", []byte("PK\x03\x04 and more than that"), "no .npy file"},
		{"version 9", append([]byte(magic), 9, 0, 0, 0, 0, 0), "version 9.0"},
		{"short", neuroiotest.File(t, "c_f4.npy")[:150], "needs 24 bytes of data, it has 22"},
		{"long", append(neuroiotest.File(t, "c_f4.npy"), 0), "needs 24 bytes of data, it has 25"},
		{"huge", head("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296), }"), "larger than any memory"},
		{"overflow to nothing", head("{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952, 8), }"), "larger than any memory"},
		{"negative", head("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"), "a size is expected"},
		{"unknown key", head("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}"), `"x" is not known`},
		{"missing key", head("{'descr': '<f4', 'shape': (1,)}"), `"fortran_order" is missing`},
		{"key twice", head("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}"), "stands twice"},
		{"no byte order", head("{'descr': 'f4', 'fortran_order': False, 'shape': ()}"), "is not read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(c.file)
			var e *fault.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a fault with %q", err, c.says)
			}
		})
	}
}

func TestBattery(t *testing.T) {
	for _, name := range []string{"c_f4.npy", "fortran_i2_3d.npy", "v3.npy"} {
		neuroiotest.Battery(t, neuroiotest.Format{Name: name, File: neuroiotest.File(t, name), Read: readAll})
	}
}

func TestMappedFileIsNotCopied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big.npy")
	data := make([]float32, 3*block+5)
	for i := range data {
		data[i] = float32(i)
	}
	var b bytes.Buffer
	if err := Write(&b, data, 1, len(data)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	a, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if !a.Mapped {
		t.Skip("files are not mapped on this system")
	}
	one, _ := a.Float32()
	two, _ := a.Float32()
	if &one[0] != &two[0] {
		t.Error("two readings of a mapped float32 file are two copies")
	}
	part := make([]float64, block+7) // crosses the border of a block
	if err := a.Read(part, 2*block-3); err != nil {
		t.Fatal(err)
	}
	for i, x := range part {
		if x != float64(2*block-3+i) {
			t.Fatalf("element %d is %v", i, x)
		}
	}
}

func TestWholeNumbers(t *testing.T) {
	for _, c := range []struct {
		in   float64
		fine bool
	}{{3, true}, {-1, true}, {0.5, false}, {math.NaN(), false}, {math.Inf(1), false}, {1 << 60, false}} {
		var b bytes.Buffer
		if err := Write(&b, []float64{0, c.in}, 2); err != nil {
			t.Fatal(err)
		}
		a, err := parse(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		v, err := a.Int64()
		if (err == nil) != c.fine || c.fine && v[1] != int64(c.in) {
			t.Errorf("%v as a whole number: %v, %v", c.in, v, err)
		}
	}
}

// The writer's bytes are numpy's own.
func TestWriteLikeNumpy(t *testing.T) {
	count := func(add func(i int)) {
		for i := range 6 {
			add(i)
		}
	}
	var f4 []float32
	var f8 []float64
	var i2 []int16
	var u1 []uint8
	var i8 []int64
	count(func(i int) {
		f4, f8, i2, u1, i8 = append(f4, float32(i)), append(f8, float64(i)), append(i2, int16(i)), append(u1, uint8(i)), append(i8, int64(i))
	})
	for name, write := range map[string]func(*bytes.Buffer) error{
		"c_f4.npy": func(b *bytes.Buffer) error { return Write(b, f4, 2, 3) },
		"c_f8.npy": func(b *bytes.Buffer) error { return Write(b, f8, 2, 3) },
		"c_i2.npy": func(b *bytes.Buffer) error { return Write(b, i2, 2, 3) },
		"c_u1.npy": func(b *bytes.Buffer) error { return Write(b, u1, 2, 3) },
		"c_i8.npy": func(b *bytes.Buffer) error { return Write(b, i8, 2, 3) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), neuroiotest.File(t, name)) {
			t.Errorf("%s differs from numpy's:\n%q\n%q", name, b.Bytes(), neuroiotest.File(t, name))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"c_f2.npy", "c_bef4.npy", "fortran_i2_3d.npy", "v2.npy", "v3.npy", "object.npy", "record.npy", "single.npy", "empty.npy"} {
		f.Add(neuroiotest.File(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e *fault.Error
		if err := readAll(b); err != nil && !errors.As(err, &e) {
			t.Fatalf("an error that is no fault: %v", err)
		}
	})
}
