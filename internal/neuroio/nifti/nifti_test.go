package nifti

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/neuroiotest"
)

func TestGolden(t *testing.T) {
	var golden map[string]struct {
		Shape      []int64
		Type       string
		Affine     []float64
		Extensions []int32
		Sums       []float64
		Volumes    [][]neuroiotest.Number // the first 24 numbers of each
	}
	neuroiotest.GoldenIn(t, "nifti", "files", &golden)
	if len(golden) < 20 {
		t.Fatalf("%d golden files", len(golden))
	}
	for name, want := range golden {
		t.Run(name, func(t *testing.T) {
			h, volumes, err := Read(bytes.NewReader(neuroiotest.File(t, "nifti/"+name)))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(h.Dims, want.Shape) || h.Type.String() != want.Type || len(volumes) != len(want.Volumes) {
				t.Fatalf("%d volumes, %v of %v; nibabel reads %d, %v of %v", len(volumes), h.Dims, h.Type, len(want.Volumes), want.Shape, want.Type)
			}
			for k, v := range want.Volumes {
				sum := 0.0
				for i, x := range volumes[k] {
					sum += float64(x) * float64(i%97+1)
					if i < len(v) && !neuroiotest.Same(float64(x), v[i]) {
						t.Errorf("volume %d, number %d is %v, nibabel reads %v", k, i, x, *v[i])
					}
				}
				// The same float32 numbers, added up in another order in float64.
				if math.Abs(sum-want.Sums[k]) > 1e-6 {
					t.Errorf("volume %d has the weighted sum %v, nibabel reads %v", k, sum, want.Sums[k])
				}
			}
			var codes []int32
			for _, e := range h.Extensions {
				codes = append(codes, e.Code)
			}
			if !slices.Equal(codes, want.Extensions) {
				t.Errorf("extensions %v, nibabel reads %v", codes, want.Extensions)
			}
			compareAffine(t, h.Affine, want.Affine)
		})
	}
}

// compareAffine allows what rounding does to a quaternion's products of numbers of about 2; a matrix is
// copied and has no rounding.
func compareAffine(t *testing.T, got *Affine, want []float64) {
	t.Helper()
	if (got == nil) != (want == nil) {
		t.Fatalf("affine %v, nibabel reads %v", got, want)
	}
	for i, x := range want {
		// nibabel keeps a version 1 quaternion's rotation in float32: 6e-8 relative, 1.2e-7 of 2.
		if math.Abs(got[i/4][i%4]-x) > 3e-7 {
			t.Errorf("affine %v, nibabel reads %v", got, want)
			return
		}
	}
}

func TestLabels(t *testing.T) {
	h, got, err := Labels(bytes.NewReader(neuroiotest.File(t, "nifti/labels.nii.gz")))
	if err != nil || len(got) != 24 || got[0] != -1 || got[4] != 1 {
		t.Fatal(got, err)
	}
	// NumPy's [1, 2, 3] of (2, 3, 4) is number 1 + 2*2 + 3*6, and stands where the matrix says.
	if i, j, k := h.Voxel(23); i != 1 || j != 2 || k != 3 {
		t.Errorf("number 23 is voxel %d %d %d", i, j, k)
	}
	mm := h.Affine.At(1, 2, 3)
	for i, want := range []float64{-1.8 + 20, 2*1.8 + 3*0.2 - 30, -2*0.1 + 3*2 + 10} {
		if math.Abs(mm[i]-want) > 1e-5 { // the file's float32
			t.Errorf("voxel 1 2 3 is at %v", mm)
		}
	}
	_, _, err = Labels(bytes.NewReader(neuroiotest.File(t, "nifti/betas.nii.gz")))
	neuroiotest.Refused(t, err, "2 frames, labels are one")
	_, _, err = Labels(bytes.NewReader(neuroiotest.File(t, "nifti/scaled.nii")))
	neuroiotest.Refused(t, err, "a whole number is needed")
}

// What is written is nibabel's own file, byte by byte.
func TestWriteLikeNibabel(t *testing.T) {
	v := make([]int16, 24)
	for i := range v {
		v[i] = int16(i%2*12 + i/2%3*4 + i/6) // C order of (2, 3, 4) seen with the first dimension fastest
	}
	affine := &Affine{{-1.8, 0, 0, 20}, {0, 1.8, 0.2, -30}, {0, -0.1, 2, 10}}
	var b bytes.Buffer
	if err := Write(&b, [3]int{2, 3, 4}, affine, v); err != nil {
		t.Fatal(err)
	}
	if want := neuroiotest.File(t, "nifti/write.nii"); !bytes.Equal(b.Bytes(), want) {
		t.Errorf("written\n% x\nnibabel's\n% x", b.Bytes(), want)
	}
}

func TestRoundTrip(t *testing.T) {
	v := make([]float64, 30*40*25)
	for i := range v {
		v[i] = float64(i) / 8
	}
	var b bytes.Buffer
	if err := WriteZ(&b, [3]int{30, 40, 25}, nil, v, v); err != nil {
		t.Fatal(err)
	}
	h, back, err := Read(&b)
	if err != nil || len(back) != 2 || h.Affine != nil || back[1][len(v)-1] != float32(v[len(v)-1]) {
		t.Fatal(h, len(back), err)
	}
}

// header is a true header of one volume of 6 float32.
func header(change func([]byte)) []byte {
	b := header1[float32]([3]int{6, 1, 1}, 1, nil)
	if change != nil {
		change(b)
	}
	return append(b, make([]byte, 24)...)
}

func put16(at int, v int16) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint16(b[at:], uint16(v)) }
}

func put32(at int, v float32) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], math.Float32bits(v)) }
}

func TestRefusals(t *testing.T) {
	extension := func(flag byte, size uint32) []byte {
		b := header(func(b []byte) { b[348] = flag; put32(108, 352+16)(b) })
		return binary.LittleEndian.AppendUint32(b[:352:352], size)
	}
	for _, c := range []struct {
		name string
		file []byte
		says string
	}{
		{"empty", nil, "cut short: it ends after 0 bytes"},
		{"text", []byte("x,y,z\n1,2,3\n"), "no NIfTI file: it begins with 78 2c 79 2c"},
		{"MGH", []byte{0, 0, 0, 1, 0, 0, 0, 6}, "no NIfTI file"},
		{"header only", header(nil)[:352], "ends after 352 bytes"},
		{"pair", header(func(b []byte) { copy(b[344:], "ni1\x00") }), "pair of files"},
		{"Analyze", header(func(b []byte) { copy(b[344:], "\x00\x00\x00\x00") }), "its magic is"},
		{"no dimensions", header(put16(40, 0)), "claims 0 dimensions (byte 40)"},
		{"many dimensions", header(put16(40, 8)), "claims 8 dimensions"},
		{"negative", header(put16(44, -3)), "dimension 2 of the NIfTI file is -3"},
		{"first -1 without a count", header(put16(42, -1)), "dimension 1 of the NIfTI file is -1"},
		{"larger than any memory", header(func(b []byte) {
			for i := range 3 {
				put16(42+2*i, math.MaxInt16)(b)
			}
		}), "at most 2147483647 a volume"},
		{"many volumes", header(func(b []byte) {
			for i := range 8 {
				put16(40+2*i, 7)(b)
			}
			put16(50, math.MaxInt16)(b)
			put16(48, math.MaxInt16)(b)
		}), "at most 2147483647 a volume"},
		{"more than is read at once", header(func(b []byte) { put16(42, 30000)(b); put16(44, 30000)(b) }), "900000000 numbers are more than the 67108864"},
		{"complex", header(put16(70, 32)), "numbers of type 32 (byte 70)"},
		{"bits", header(put16(72, 16)), "of 32 bits, but says 16"},
		{"slope", header(put32(112, float32(math.Inf(1)))), "scales its numbers by +Inf"},
		{"quaternion", header(func(b []byte) { put16(252, 1)(b); put32(256, 1)(b); put32(260, 1)(b) }), "longer than 1"},
		{"offset inside the header", header(put32(108, 100)), "begin at byte 100"},
		{"offset far away", header(put32(108, 1e9)), "begin at byte 1000000000"},
		{"offset NaN", header(put32(108, float32(math.NaN()))), "begin at byte NaN"},
		{"extension too long", append(extension(1, 1<<31-1), make([]byte, 60)...), "claims 2147483647 bytes (byte 352), 16 are there"},
		{"extension too short", append(extension(1, 4), make([]byte, 60)...), "claims 4 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := Read(bytes.NewReader(c.file))
			if c.name == "more than is read at once" {
				_, _, err = Labels(bytes.NewReader(c.file))
			}
			neuroiotest.Refused(t, err, c.says)
		})
	}
}

// Some kB that unpack to many extensions, and to more data than one volume.
func TestBombs(t *testing.T) {
	for _, c := range []struct {
		name string
		head []byte
		fill []byte
		says string
	}{
		{"extensions", header(func(b []byte) { b[348] = 1; put32(108, 352+maxExtensions)(b) })[:352], []byte{8, 0, 0, 0, 0, 0, 0, 0}, "more than 1024 extensions"},
		{"behind the numbers", header(nil), make([]byte, 8), "more than 1048576 bytes follow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
			z.Write(c.head)
			for range 4 << 20 / 8 {
				z.Write(c.fill)
			}
			z.Close()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := Read(&b)
			runtime.ReadMemStats(&after)
			neuroiotest.Refused(t, err, c.says)
			if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
				t.Errorf("%d bytes of memory were taken", took)
			}
		})
	}
}

func TestStreaming(t *testing.T) {
	f, err := NewReader(bytes.NewReader(neuroiotest.File(t, "nifti/betas.nii.gz")))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 2)
	for k, want := range [][]float32{{3600, 6900}, {-3600, -6900}} {
		if err := f.Pick(got, []int32{1, 23}); err != nil || !slices.Equal(got, want) {
			t.Errorf("volume %d: %v %v, want %v", k, got, err, want)
		}
	}
	if _, err := f.Next(); err != io.EOF {
		t.Errorf("after the last volume: %v", err)
	}
}

func read(b []byte) error { _, _, err := Read(bytes.NewReader(b)); return err }

func TestBattery(t *testing.T) {
	for _, name := range []string{"i2.nii", "quaternion.nii", "two.nii", "big.nii.gz"} {
		neuroiotest.Battery(t, neuroiotest.Format{Name: name, File: neuroiotest.File(t, "nifti/"+name), Read: read})
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"i2.nii", "u8.nii", "f8.nii", "scaled.nii", "quaternion.nii", "two.nii", "big.nii.gz", "betas.nii.gz", "labels.nii.gz"} {
		f.Add(neuroiotest.File(f, "nifti/"+name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := read(b)
		if err == nil {
			_, _, err = Labels(bytes.NewReader(b))
		}
		var e *fault.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("an error that is no fault: %v", err)
		}
	})
}
