package hdf5

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/neuroiotest"
)

// golden opens a golden file; the larger ones are gzipped.
func golden(t testing.TB, name string) (*File, []byte) {
	t.Helper()
	b := neuroiotest.File(t, "hdf5/"+name)
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f, b
}

func open(t testing.TB, f *File, path string) *Dataset {
	t.Helper()
	d, err := f.Dataset(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestGolden(t *testing.T) {
	for name, least := range map[string]int{"default.hdf5": 30, "latest.hdf5": 30, "v110.hdf5": 30, "many_default.hdf5": 7, "many_latest.hdf5": 7} {
		var all map[string]struct {
			Shape    []int
			Type     string
			Values   []neuroiotest.Number // the first ones
			Weighted float64
		}
		neuroiotest.GoldenIn(t, "hdf5", name, &all)
		if len(all) < least {
			t.Fatalf("%s: %d golden datasets", name, len(all))
		}
		f, _ := golden(t, name+".gz")
		for path, want := range all {
			t.Run(name+"/"+path, func(t *testing.T) {
				d := open(t, f, path)
				if typ := d.Type.Number.String(); !slices.Equal(d.Shape, want.Shape) || typ != want.Type && want.Type != "bool" {
					t.Fatalf("%v of %v, h5py reads %v of %v", d.Shape, typ, want.Shape, want.Type)
				}
				got, err := d.Float64()
				if err != nil {
					t.Fatal(err)
				}
				sum := 0.0
				for i, x := range got {
					sum += x * float64(i%97+1)
					if i < len(want.Values) && !neuroiotest.Same(x, want.Values[i]) {
						t.Errorf("element %d is %v, h5py reads %v", i, x, *want.Values[i])
					}
				}
				if sum != want.Weighted { // whole numbers and halves, exact in any order
					t.Errorf("the weighted sum is %v, h5py's %v", sum, want.Weighted)
				}
			})
		}
	}
}

// Every index was really met: a golden file of another layout would test nothing.
func TestGoldenFilesHaveAllIndexes(t *testing.T) {
	f, _ := golden(t, "latest.hdf5.gz")
	for path, want := range map[string]int{"single": indexSingle, "early": indexImplicit, "packed": indexFixed, "grow": indexExtensible, "grow_packed": indexExtensible,
		"grow_second": indexExtensible, "grow_both": indexTree2, "grow_both_packed": indexTree2} {
		if got := open(t, f, path).layout.index; got != want {
			t.Errorf("%s is found by index %d, %d was meant", path, got, want)
		}
	}
	f, _ = golden(t, "default.hdf5.gz")
	if got := open(t, f, "packed").layout.index; got != indexTree1 {
		t.Errorf("index %d", got)
	}
	if f, _ = golden(t, "many_latest.hdf5.gz"); open(t, f, "pages").layout.pageBits != 10 || open(t, f, "pages").Len() <= 1024 {
		t.Error("no fixed array has pages")
	}
}

// Any part of a dataset is what the whole has there.
func TestParts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"default.hdf5.gz", "latest.hdf5.gz"} {
		f, _ := golden(t, name)
		for _, path := range []string{"imgBrick", "chunked", "odd", "packed", "early", "holes", "grow_both_packed", "shuffled", "g/deep/scalar"} {
			d := open(t, f, path)
			whole, err := d.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			strides := newStrides(d.Shape, d.Type.Size)
			for range 50 {
				from, count, n := make([]int, len(d.Shape)), make([]int, len(d.Shape)), 1
				for i, k := range d.Shape {
					from[i] = r.IntN(k)
					count[i] = r.IntN(k - from[i] + 1)
					n *= count[i]
				}
				got := make([]byte, n*d.Type.Size)
				if err := d.Read(got, from, count); err != nil {
					t.Fatal(err)
				}
				for e := range n {
					at, rest := 0, e
					for i := len(count) - 1; i >= 0; i-- {
						at += (from[i] + rest%count[i]) * strides[i]
						rest /= count[i]
					}
					if s := d.Type.Size; !bytes.Equal(got[e*s:(e+1)*s], whole[at:at+s]) {
						t.Fatalf("%s %s: element %d of %v and the next %v differs", name, path, e, from, count)
					}
				}
			}
		}
	}
}

func TestReadPanics(t *testing.T) {
	f, _ := golden(t, "default.hdf5.gz")
	d := open(t, f, "t/f4")
	for name, read := range map[string]func(){
		"rank":     func() { _ = d.ReadFloat32(make([]float32, 1), []int{0}, []int{1}) },
		"outside":  func() { _ = d.ReadFloat32(make([]float32, 6), []int{1, 0}, []int{2, 3}) },
		"negative": func() { _ = d.ReadFloat32(nil, []int{-1, 0}, []int{1, 0}) },
		"length":   func() { _ = d.ReadFloat32(make([]float32, 5), []int{0, 0}, []int{2, 3}) },
		"strings":  func() { _ = open(t, f, "text").ReadFloat64(make([]float64, 1), nil, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			read()
		}()
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ file, group, want string }{
		{"default.hdf5.gz", "g", "[betas deep]"},
		{"latest.hdf5.gz", "/g/", "[betas deep]"},
		{"latest.hdf5.gz", "t", "[big_f4 big_i4 bool f2 f4 f8 i1 i8 u2 u4 u8]"},
		{"small_heap.hdf5", "", "[x y1 y2 y3 y4 y5 y6 y7 y8]"},
	} {
		f, _ := golden(t, c.file)
		if got, err := f.Names(c.group); err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s %q: %v %v, want %v", c.file, c.group, got, err, c.want)
		}
	}
	// Trees of several levels, and a heap of many blocks.
	for _, name := range []string{"many_default.hdf5.gz", "many_latest.hdf5.gz"} {
		f, _ := golden(t, name)
		names, err := f.Names("twigs")
		if err != nil || len(names) != 1000 || names[0] != "n000" || names[999] != "n999" {
			t.Fatalf("%s: %d names, %v", name, len(names), err)
		}
		twigs, err := f.Object("twigs")
		if err != nil || twigs.Group == nil || twigs.Dataset != nil {
			t.Fatalf("%s: twigs is no group: %v", name, err)
		}
		if o, err := twigs.Group.Object("n567"); err != nil || o.Group != nil || o.Dataset.Len() != 300 {
			t.Errorf("%s: twigs/n567 is %+v, %v", name, o, err)
		}
	}
}

func TestAttributes(t *testing.T) {
	for _, name := range []string{"default.hdf5.gz", "latest.hdf5.gz"} {
		f, _ := golden(t, name)
		found := map[string]Attribute{}
		for _, a := range open(t, f, "t/f4").Attributes {
			found[a.Name] = a
		}
		unit, limits := found["unit"], found["range"]
		if unit.Text() != "%" || !slices.Equal(limits.Numbers(), []float64{-2, 3}) || unit.Numbers() != nil || limits.Text() != "" || len(found) != 2 {
			t.Errorf("%s: %+v", name, found)
		}
	}
	for _, name := range []string{"many_default.hdf5.gz", "many_latest.hdf5.gz"} {
		f, _ := golden(t, name)
		all := open(t, f, "tree").Attributes
		if len(all) != 40 {
			t.Fatalf("%s: %d attributes", name, len(all))
		}
		for _, a := range all {
			var n int
			if _, err := fmt.Sscanf(a.Name, "attribute %d", &n); err != nil || !reflect.DeepEqual(a.Shape, []int{n}) || len(a.Numbers()) != n {
				t.Errorf("%s: %q has shape %v, %v", name, a.Name, a.Shape, err)
			}
		}
	}
}

func TestReferences(t *testing.T) {
	for _, name := range []string{"default.hdf5.gz", "v110.hdf5.gz"} {
		f, _ := golden(t, name)
		all, err := open(t, f, "references").Targets()
		if err != nil || len(all) != 2 {
			t.Fatal(all, err)
		}
		for i, want := range [][]int{{2, 3}, {2, 3, 4}} {
			if o, err := f.Target(all[i]); err != nil || !slices.Equal(o.Dataset.Shape, want) {
				t.Errorf("reference %d: %v, want shape %v", i, err, want)
			}
		}
		_, err = f.Target(1)
		neuroiotest.Refused(t, err, "object header at byte 1")
		_, err = open(t, f, "t/f4").Targets()
		neuroiotest.Refused(t, err, "holds no references")
	}
}

func TestUserBlock(t *testing.T) {
	f, _ := golden(t, "userblock.hdf5.gz")
	if f.base != 1024 {
		t.Errorf("the superblock is at %d", f.base)
	}
	if v, err := open(t, f, "x").Int64(); err != nil || !slices.Equal(v, []int64{0, 1, 2, 3, 4, 5}) {
		t.Error(v, err)
	}
}

func TestConversions(t *testing.T) {
	f, _ := golden(t, "default.hdf5.gz")
	if v, err := open(t, f, "t/f4").Int64(); err != nil || !slices.Equal(v, []int64{-2, -1, 0, 1, 2, 3}) {
		t.Error(v, err)
	}
	_, err := open(t, f, "holes").Int64()
	neuroiotest.Refused(t, err, "number 0 is -1.5")
	v := make([]float32, 2)
	if err := open(t, f, "t/big_f4").ReadFloat32(v, []int{1, 1}, []int{1, 2}); err != nil || !slices.Equal(v, []float32{2, 3}) {
		t.Error(v, err)
	}
	if b, err := open(t, f, "text").Bytes(); err != nil || text(b) != "V1" {
		t.Errorf("%q %v", b, err)
	}
	_, err = open(t, f, "text").Float32()
	neuroiotest.Refused(t, err, "holds no numbers")
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ file, path, says string }{
		{"default", "bad/lzf", "filter 32000 (LZF)"},
		{"default", "bad/offset", "filter 6 (scale-offset)"},
		{"default", "bad/records", "holds compounds"},
		{"default", "bad/strings", "elements of varying length"},
		{"latest", "bad/strings", "elements of varying length"},
		{"default", "bad/named", "shares a datatype"},
		{"default", "bad/virtual", "put together from other datasets"},
		{"default", "bad/type", "a dataspace is missing"},
		{"default", "bad/complex", `complex`},
		{"default", "a_link", "soft or external link"},
		{"latest", "a_link", "soft or external link"},
		{"default", "g", `"g" of the HDF5 file is a group`},
		{"default", "g/nothing", `no "g/nothing": betas, deep is in "/g"`},
		{"default", "t/f4/x", `"/t/f4" of the HDF5 file is no group`},
		{"default", "nothing", "and 13 more is in"},
	} {
		f, _ := golden(t, c.file+".hdf5.gz")
		_, err := f.Dataset(c.path)
		if c.path == "bad/complex" && err == nil {
			continue // HDF5 before 2.0 made a compound of it
		}
		neuroiotest.Refused(t, err, c.says)
	}
	f, _ := golden(t, "default.hdf5.gz")
	if d := open(t, f, "bad/null"); d.Len() != 0 {
		t.Errorf("nothing has %d elements", d.Len())
	}
	for _, c := range []struct {
		name string
		file []byte
		says string
	}{
		{"empty", nil, "no HDF5 file"},
		{"text", []byte(strings.Repeat("version https://git-lfs\n", 100)), "no HDF5 file"},
		{"MATLAB 5", append([]byte("MATLAB 5.0 MAT-file"), make([]byte, 1000)...), "no HDF5 file"},
		{"version 9", append([]byte(signature+"\x09"), make([]byte, 100)...), "version 9"},
		{"4 bytes", append([]byte(signature+"\x00\x00\x00\x00\x00\x04\x04"), make([]byte, 100)...), "4 and 4 bytes"},
	} {
		_, err := Parse(bytes.NewReader(c.file), int64(len(c.file)))
		neuroiotest.Refused(t, err, c.says)
	}
}

// Damage in packed or checked bytes is found.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		file string
		find []byte // near the byte to change
		off  int
		says string
	}{
		{"small_latest.hdf5", []byte("OHDR"), 8, "its checksum is wrong"},
		{"small_tree.hdf5", []byte("BTLF"), 9, "its checksum is wrong"},
		{"small_heap.hdf5", []byte("FRHP"), 9, "its checksum is wrong"},
		{"small_grow.hdf5", []byte("EAIB"), 20, "its checksum is wrong"},
	} {
		_, b := golden(t, c.file)
		b = bytes.Clone(b)
		at := bytes.Index(b, c.find)
		if at < 0 {
			t.Fatalf("%s has no %q", c.file, c.find)
		}
		b[at+c.off] ^= 1
		neuroiotest.Refused(t, readAll(b), c.says)
	}
	_, b := golden(t, "small_packed.hdf5")
	at := bytes.LastIndex(b, []byte{0x78, 0x5e}) // a zlib stream; the checksum is behind it
	if at < 0 {
		at = bytes.LastIndex(b, []byte{0x78, 0x01})
	}
	if at < 0 {
		t.Fatal("no zlib stream")
	}
	b[at+5] ^= 0x10
	neuroiotest.Refused(t, readAll(b), "the HDF5 chunk at byte")
}

// A fault names the file, whenever it comes.
func TestOpen(t *testing.T) {
	path := neuroiotest.Path(t, "hdf5/small_packed.hdf5")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = f.Dataset("y")
	neuroiotest.Refused(t, err, path)
	if v, err := open(t, f, "x").Float32(); err != nil || len(v) != 6 {
		t.Error(v, err)
	}
	_, err = open(t, f, "x").Targets()
	neuroiotest.Refused(t, err, path)
	_, err = Open(neuroiotest.Path(t, "c_f4.npy"))
	neuroiotest.Refused(t, err, "c_f4.npy")
	if _, err = Open(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Concurrent readers share one index.
func TestConcurrent(t *testing.T) {
	f, _ := golden(t, "many_latest.hdf5.gz")
	d := open(t, f, "pages_packed")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := 0; i < 1200; i += 7 {
				var v [1]float32
				if err := d.ReadFloat32(v[:], []int{i}, []int{1}); err != nil || v[0] != float32(i%256) {
					t.Errorf("element %d is %v, %v", i, v[0], err)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestChecksums(t *testing.T) {
	// The examples in lookup3.c.
	for _, c := range []struct {
		s    string
		want uint32
	}{{"", 0xdeadbeef}, {"Four score and seven years ago", 0x17770551}} {
		if got := lookup3([]byte(c.s)); got != c.want {
			t.Errorf("lookup3(%q) = %#x, want %#x", c.s, got, c.want)
		}
	}
	// One word of 1: both sums are 1. An odd byte is the upper half of a word.
	for _, c := range []struct {
		b    []byte
		want uint32
	}{{nil, 0}, {[]byte{0, 1}, 1<<16 | 1}, {[]byte{1}, 0x100<<16 | 0x100}, {[]byte{0, 1, 0, 2}, 4<<16 | 3}} {
		if got := fletcher32(c.b); got != c.want {
			t.Errorf("fletcher32(% x) = %#x, want %#x", c.b, got, c.want)
		}
	}
	if got := fletcher32(bytes.Repeat([]byte{0xff}, 1<<20)); got != math.MaxUint32 {
		t.Errorf("fletcher32 of a mebibyte of ff = %#x", got)
	}
}

// readAll reads all that a file has, as far as it is known how.
func readAll(b []byte) error {
	f, err := Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	return readGroup(f, "", 0)
}

// readUnchecked is readAll without verifying checksums, which would keep damage from what is behind them.
func readUnchecked(b []byte) error {
	f, err := Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	f.unchecked = true
	return readGroup(f, "", 0)
}

func readGroup(f *File, path string, depth int) error {
	names, err := f.Names(path)
	if err != nil || depth > 3 {
		return err
	}
	for _, n := range names[:min(len(names), 50)] {
		p := path + "/" + n
		if p == "/bad" || p == "/a_link" {
			continue // refused in true files, too
		}
		o, err := f.Object(p)
		if err != nil {
			return err
		}
		if o.Group != nil {
			err = readGroup(f, p, depth+1)
		} else {
			_, err = o.Dataset.Bytes()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func TestBattery(t *testing.T) {
	// Steps that are prime to 8 meet every byte of a field somewhere.
	for name, step := range map[string]int{"small.hdf5": 1, "small_packed.hdf5": 11, "small_latest.hdf5": 1, "small_array.hdf5": 3,
		"small_grow.hdf5": 1, "small_tree.hdf5": 7, "small_heap.hdf5": 29} {
		b := neuroiotest.File(t, "hdf5/"+name)
		neuroiotest.Battery(t, neuroiotest.Format{Name: name, File: b, Step: step, Read: readUnchecked})
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"small.hdf5", "small_packed.hdf5", "small_latest.hdf5", "small_array.hdf5", "small_grow.hdf5", "small_tree.hdf5", "small_heap.hdf5",
		"userblock.hdf5.gz"} { // none of the large ones: the fuzzer would spend its time on making them small
		_, b := golden(f, name)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e *fault.Error
		for _, read := range []func([]byte) error{readAll, readUnchecked} {
			if err := read(b); err != nil && !errors.As(err, &e) {
				t.Fatalf("an error that is no fault: %v", err)
			}
		}
	})
}
