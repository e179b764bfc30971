package matlab

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/neuroiotest"
)

// expected is a value as SciPy reads it.
type expected struct {
	Class         string
	Dims          []int
	Numbers, Imag []neuroiotest.Number
	Text          []string
	Cells         []expected
	Fields        []struct {
		Name   string
		Values []expected
	}
}

func (want *expected) compare(t *testing.T, where string, got *Value) {
	t.Helper()
	if got.Class != want.Class || !slices.Equal(got.Dims, want.Dims) || !slices.Equal(got.Text, want.Text) {
		t.Errorf("%s is %s %v %q, SciPy reads %s %v %q", where, got.Class, got.Dims, got.Text, want.Class, want.Dims, want.Text)
		return
	}
	if len(got.Numbers) != len(want.Numbers) || len(got.Imag) != len(want.Imag) || len(got.Cells) != len(want.Cells) || len(got.Fields) != len(want.Fields) {
		t.Errorf("%s has %d numbers, %d imaginary, %d cells and %d fields, SciPy reads %d, %d, %d and %d", where,
			len(got.Numbers), len(got.Imag), len(got.Cells), len(got.Fields), len(want.Numbers), len(want.Imag), len(want.Cells), len(want.Fields))
		return
	}
	for i, x := range want.Numbers {
		if !neuroiotest.Same(got.Numbers[i], x) {
			t.Errorf("%s: number %d is %v, SciPy reads %v", where, i, got.Numbers[i], x)
		}
	}
	for i, x := range want.Imag {
		if !neuroiotest.Same(got.Imag[i], x) {
			t.Errorf("%s: imaginary number %d is %v, SciPy reads %v", where, i, got.Imag[i], x)
		}
	}
	for i := range want.Cells {
		want.Cells[i].compare(t, where+"{}", got.Cells[i])
	}
	for i, f := range want.Fields {
		if got.Fields[i].Name != f.Name || len(got.Fields[i].Values) != len(f.Values) {
			t.Errorf("%s has field %q of %d, SciPy reads %q of %d", where, got.Fields[i].Name, len(got.Fields[i].Values), f.Name, len(f.Values))
			continue
		}
		for k := range f.Values {
			f.Values[k].compare(t, where+"."+f.Name, got.Fields[i].Values[k])
		}
	}
}

func golden(t testing.TB, name string) []byte {
	b := neuroiotest.File(t, "matlab/"+name)
	if !strings.HasSuffix(name, ".gz") {
		return b
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(b []byte) (*File, error) { return Parse(bytes.NewReader(b), int64(len(b))) }

func TestGolden(t *testing.T) {
	for _, name := range []string{"all.mat", "packed.mat", "expdesign.mat", "big.mat", "small.mat", "small_packed.mat", "v73.mat.gz"} {
		t.Run(name, func(t *testing.T) {
			var all map[string]expected
			neuroiotest.GoldenIn(t, "matlab", name, &all)
			f, err := parse(golden(t, name))
			if err != nil {
				t.Fatal(err)
			}
			names, err := f.Names()
			if err != nil || len(names) < len(all) || len(all) == 0 {
				t.Fatalf("variables %v of %d, %v", names, len(all), err)
			}
			for n, want := range all {
				v, err := f.Value(n)
				if err != nil {
					t.Errorf("%s: %v", n, err)
					continue
				}
				want.compare(t, n, v)
			}
		})
	}
}

func TestField(t *testing.T) {
	f, err := parse(golden(t, "all.mat"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Value("roi")
	if err != nil {
		t.Fatal(err)
	}
	if x := v.Field("more").Field("x"); x == nil || !slices.Equal(x.Numbers, []float64{1, 2}) || v.Field("less") != nil {
		t.Errorf("roi.more.x is %+v", x)
	}
}

// A fault names the file, whenever it comes.
func TestOpen(t *testing.T) {
	path := neuroiotest.Path(t, "matlab/sparse.mat")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, says := range map[string]string{"s": "class sparse", "y": "it has s, x"} {
		_, err = f.Value(name)
		neuroiotest.Refused(t, err, says)
		neuroiotest.Refused(t, err, path)
	}
	_, err = Open(neuroiotest.Path(t, "c_f4.npy"))
	neuroiotest.Refused(t, err, "c_f4.npy")
	if _, err = Open(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Large arrays of 7.3 are read in parts, in HDF5's shape.
func TestParts(t *testing.T) {
	f, err := parse(golden(t, "v73.mat.gz"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.HDF5().Dataset("cube")
	if err != nil {
		t.Fatal(err)
	}
	// MATLAB's cube(2, 3, 1:4), of arange(24) in C order of (2, 3, 4): 20 to 23.
	got := make([]float32, 4)
	if err := d.ReadFloat32(got, []int{0, 2, 1}, []int{4, 1, 1}); err != nil || !slices.Equal(got, []float32{20, 21, 22, 23}) {
		t.Errorf("%v, %v", got, err)
	}
}

// file puts elements behind a header.
func file(elements ...[]byte) []byte {
	b := append([]byte("MATLAB 5.0"), make([]byte, 114)...)
	b = append(b, 0, 1, 'I', 'M')
	return append(b, bytes.Join(elements, nil)...)
}

func element(typ int, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(typ))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	b = append(b, data...)
	return append(b, make([]byte, (8-len(data)%8)%8)...)
}

func int32s(v ...int32) []byte {
	b, _ := binary.Append(nil, binary.LittleEndian, v)
	return b
}

// matrix is a matrix "x" of a class with what follows its name.
func matrix(class int32, dims []int32, rest ...[]byte) []byte {
	head := [][]byte{element(6, int32s(class, 0)...), element(5, int32s(dims...)...), element(1, 'x')}
	return element(typeMatrix, bytes.Join(append(head, rest...), nil)...)
}

func pack(b []byte) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	z.Write(b)
	z.Close()
	head := int32s(typePacked, int32(out.Len()))
	return append(head, out.Bytes()...)
}

func TestRefusals(t *testing.T) {
	nested := matrix(6, []int32{1, 1}, element(2, 5))
	for range 40 {
		nested = matrix(1, []int32{1, 1}, nested)
	}
	claim := func(b []byte, size uint32) []byte {
		binary.LittleEndian.PutUint32(b[4:], size)
		return b
	}
	for _, c := range []struct {
		name string
		file []byte
		says string
	}{
		{"empty", nil, "0 bytes, less than its header"},
		{"text", bytes.Repeat([]byte("1 2 3\n"), 50), "no MATLAB file of version 5 or 7.3"},
		{"version", append(append([]byte("MATLAB"), make([]byte, 118)...), 0, 9, 'I', 'M'), "version 0x0900"},
		{"7.3 without HDF5", append(append([]byte("MATLAB"), make([]byte, 118)...), 0, 2, 'I', 'M'), "no HDF5 file"},
		{"half a tag", file([]byte{14, 0, 0, 0}), "4 bytes are left at byte 128"},
		{"too long", file(claim(matrix(6, []int32{1, 1}, element(2, 5)), 1<<31)), "has 2147483648 bytes"},
		{"class", file(matrix(77, []int32{1, 1})), "its class is 77"},
		{"sparse", golden(t, "sparse.mat"), "class sparse, which isn't read"},
		{"function", file(matrix(16, []int32{1, 1})), "class function"},
		{"negative", file(matrix(6, []int32{-1, 1}, element(9))), "dimensions are [-1 1]"},
		{"huge", file(matrix(6, []int32{1 << 30, 1 << 30}, element(9))), "its dimensions are"},
		{"many", file(matrix(6, []int32{1 << 14, 1 << 13}, element(9))), "more than 67108864 numbers"},
		{"fewer numbers", file(matrix(6, []int32{2, 3}, element(9, make([]byte, 40)...))), "6 numbers of 8 bytes are needed, there are 40"},
		{"more numbers", file(matrix(6, []int32{1, 1}, element(9, make([]byte, 16)...))), "8 at most are needed"},
		{"numbers of text", file(matrix(6, []int32{1, 1}, element(16, 'a'))), "stored as type 16"},
		{"characters", file(matrix(4, []int32{1, 3}, element(4, 'a', 0))), "3 characters are needed, there are 1"},
		{"characters as floats", file(matrix(4, []int32{1, 1}, element(7, 0, 0, 0, 0))), "stored as type 7"},
		{"cells", file(matrix(1, []int32{1 << 20, 1 << 10})), "claims 8 bytes"},
		{"cell is no matrix", file(matrix(1, []int32{1, 1}, element(9, make([]byte, 8)...))), "a matrix is needed"},
		{"deep", file(nested), "cells inside cells"},
		{"fields", file(matrix(2, []int32{1, 1}, element(5, int32s(0)...), element(1))), "names of its fields"},
		{"many fields", file(matrix(2, []int32{1 << 20, 1}, element(5, int32s(2)...), element(1, 'a', 0, 'b', 0))), "at most 1048576 values"},
		{"packed nonsense", file(append(int32s(typePacked, 8), "notzlib!"...)), "can't be unpacked"},
		{"packed and cut", file(pack(matrix(6, []int32{1, 1}, element(2, 5))[:30])), "cut short"},
		{"packed with more", file(pack(append(matrix(6, []int32{1, 1}, element(2, 5)), make([]byte, 99)...))), "more follows its matrix"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := parse(c.file)
			if err == nil {
				names, _ := f.Names()
				if len(names) == 0 {
					t.Fatal("no variable")
				}
				_, err = f.Value(names[0])
			}
			neuroiotest.Refused(t, err, c.says)
		})
	}
	f, err := parse(golden(t, "v73.mat.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for name, says := range map[string]string{"table": `class "string", which isn't read`, "loop": "cells inside cells", "nothing": "it has cells, cube, ids"} {
		_, err := f.Value(name)
		neuroiotest.Refused(t, err, says)
	}
}

// The good variables of a file can be read, whatever stands beside them.
func TestBesideSparse(t *testing.T) {
	f, err := parse(golden(t, "sparse.mat"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Value("x")
	if err != nil || !reflect.DeepEqual(v.Numbers, []float64{1}) {
		t.Error(v, err)
	}
}

// Some kB that unpack to 8 MiB: of one name, of empty cells, of numbers that the dimensions don't have.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 8<<20)
	cells := bytes.Repeat(element(typeMatrix), 1<<20+8)
	for _, c := range []struct {
		name  string
		inner []byte
		says  string
		most  uint64
	}{
		{"name", element(typeMatrix, bytes.Join([][]byte{element(6, int32s(6, 0)...), element(5, int32s(1, 1)...), element(1, zeros...)}, nil)...), "1048576 at most", 4 << 20},
		{"numbers", matrix(6, []int32{1, 1}, element(2, zeros...)), "8 at most", 4 << 20},
		// 2^20 empty values of 160 bytes are kept before it stops; their pointers' slice grows by doubling.
		{"cells", matrix(1, []int32{1<<20 + 8, 1}, cells), "more than 1048576 cells", 300 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := file(pack(c.inner))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f, err := parse(b)
			if err == nil {
				_, err = f.Value("x")
			}
			runtime.ReadMemStats(&after)
			neuroiotest.Refused(t, err, c.says)
			if took := after.TotalAlloc - before.TotalAlloc; took > c.most {
				t.Errorf("%d bytes took %d of memory", len(b), took)
			}
		})
	}
}

func readAll(b []byte) error {
	f, err := parse(b)
	if err != nil {
		return err
	}
	names, err := f.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if n == "table" || n == "loop" {
			continue // refused in true files, too
		}
		if _, err := f.Value(n); err != nil {
			return err
		}
	}
	return nil
}

func TestBattery(t *testing.T) {
	for name, step := range map[string]int{"small.mat": 1, "small_packed.mat": 1, "big.mat": 1, "v73.mat.gz": 37} {
		f := neuroiotest.Format{Name: name, File: golden(t, name), Step: step, Read: readAll}
		if strings.HasSuffix(name, ".mat") {
			f.Need = headerSize // a file of fewer variables is whole, where it is cut between two
		}
		neuroiotest.Battery(t, f)
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"small.mat", "small_packed.mat", "big.mat", "all.mat", "expdesign.mat", "sparse.mat"} {
		f.Add(golden(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e *fault.Error
		if err := readAll(b); err != nil && !errors.As(err, &e) {
			t.Fatalf("an error that is no fault: %v", err)
		}
	})
}
