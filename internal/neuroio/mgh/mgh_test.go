package mgh

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"reflect"
	"runtime"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/neuroiotest"
)

func TestGolden(t *testing.T) {
	var golden map[string]struct {
		Shape  [4]int32
		Type   string
		Good   bool
		Frames [][]neuroiotest.Number
	}
	neuroiotest.GoldenIn(t, "mgh", "files", &golden)
	if len(golden) < 8 {
		t.Fatalf("%d golden files", len(golden))
	}
	for name, want := range golden {
		t.Run(name, func(t *testing.T) {
			h, frames, err := Read(bytes.NewReader(neuroiotest.File(t, "mgh/"+name)))
			if err != nil {
				t.Fatal(err)
			}
			if shape := [4]int32{h.Width, h.Height, h.Depth, h.Frames}; shape != want.Shape || h.Type.String() != want.Type || (h.Geometry != nil) != want.Good {
				t.Fatalf("%v of %v, geometry %v; nibabel reads %v of %v, %v", shape, h.Type, h.Geometry != nil, want.Shape, want.Type, want.Good)
			}
			for k, frame := range want.Frames {
				for i, x := range frame {
					if !neuroiotest.Same(float64(frames[k][i]), x) {
						t.Errorf("frame %d, number %d is %v, nibabel reads %v", k, i, frames[k][i], x)
					}
				}
			}
		})
	}
}

// What is written is nibabel's own file, byte by byte.
func TestWriteLikeNibabel(t *testing.T) {
	s := []float32{0.5, -1.25, 0, 3, float32(math.NaN()), 1e-3}
	var b bytes.Buffer
	if err := Write(&b, s); err != nil {
		t.Fatal(err)
	}
	if want := neuroiotest.File(t, "mgh/map.mgh"); !bytes.Equal(b.Bytes(), want) {
		t.Errorf("written\n% x\nnibabel's\n% x", b.Bytes(), want)
	}
	b.Reset()
	if err := WriteZ(&b, []int32{-1, 0, 1, 2, 7, 7}); err != nil {
		t.Fatal(err)
	}
	if got, want := unpack(t, b.Bytes()), unpack(t, neuroiotest.File(t, "mgh/labels.mgz")); !bytes.Equal(got, want) {
		t.Errorf("written\n% x\nnibabel's\n% x", got, want)
	}
}

func unpack(t *testing.T, b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	const n = 1<<15 + 3 // more than a block of the reader and of the writer
	a, b := make([]float32, n), make([]int32, n)
	for i := range n {
		a[i], b[i] = float32(i)/7, int32(i)*65000
	}
	var file bytes.Buffer
	if err := WriteZ(&file, a, a[:n]); err != nil {
		t.Fatal(err)
	}
	h, back, err := Read(&file)
	if err != nil || h.Width != n || len(back) != 2 || !reflect.DeepEqual(back[1], a) {
		t.Fatalf("%v, %d maps, %v", h, len(back), err)
	}
	file.Reset()
	if err := Write(&file, b); err != nil {
		t.Fatal(err)
	}
	if back, err := Labels(&file); err != nil || !reflect.DeepEqual(back, b) {
		t.Errorf("labels differ, %v", err)
	}
}

func TestLabels(t *testing.T) {
	got, err := Labels(bytes.NewReader(neuroiotest.File(t, "mgh/labels.mgz")))
	if want := []int32{-1, 0, 1, 2, 7, 7}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
	for name, says := range map[string]string{"map.mgh": "number 0 is 0.5", "maps.mgz": "2 frames, labels are one"} {
		_, err := Labels(bytes.NewReader(neuroiotest.File(t, "mgh/"+name)))
		neuroiotest.Refused(t, err, says)
	}
}

// A session of NSD in small: frames come one by one and only the masked vertices stay.
func TestStreaming(t *testing.T) {
	const n, frames = 50000, 300
	head := header(n, 1, 1, frames, 3)
	frame := make([]byte, 4*n)
	var files []io.Reader
	for range frames {
		files = append(files, bytes.NewReader(frame))
	}
	binary.BigEndian.PutUint32(frame[4*40000:], math.Float32bits(2.5))
	mask := []int32{3, 40000}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := NewReader(io.MultiReader(append([]io.Reader{bytes.NewReader(head)}, files...)...))
	if err != nil {
		t.Fatal(err)
	}
	kept := make([]float32, 2*frames)
	for k := range frames {
		if err := f.Pick(kept[2*k:2*k+2], mask); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	// 60 MB went by; a read buffer of 64 KiB and two blocks of 128 KiB are what is needed.
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes of memory were taken", took)
	}
	if kept[0] != 0 || kept[1] != 2.5 || kept[2*frames-1] != 2.5 {
		t.Errorf("kept %v", kept[:4])
	}
	if err := f.Pick(kept[:2], mask); err != io.EOF {
		t.Errorf("after the last frame: %v", err)
	}
}

func header(width, height, depth, frames, typ int32) []byte {
	b, _ := binary.Append(nil, binary.BigEndian, []int32{1, width, height, depth, frames, typ, 0})
	return append(b, make([]byte, dataAt-len(b))...)
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name string
		file []byte
		says string
	}{
		{"empty", nil, "cut short: it ends after 0 bytes"},
		{"NIfTI", []byte{0x5c, 1, 0, 0, 0, 0, 0, 0}, "no MGH file: it begins with 0x5c010000"},
		{"text", []byte("solid cube\n"), "no MGH file"},
		{"header only", header(6, 1, 1, 1, 3), "ends after 284 bytes"},
		{"negative", header(-6, 1, 1, 1, 3), "claims -6 x 1 x 1"},
		{"no frames", header(6, 1, 1, 0, 3), "0 frames"},
		{"wraps to nothing", header(1<<16, 1<<16, 1<<16, 1, 0), "65536 x 65536 x 65536 numbers a frame"},
		{"complex", header(6, 1, 1, 1, 5), "numbers of type 5 (byte 20)"},
		{"many frames", header(1<<20, 1, 1, 1<<20, 0), "more than the 67108864 that are read at once"},
		{"all there is", header(1<<26, 1, 1, 1, 3), "ends after 284 bytes"},
		{"gzip of nothing", []byte{0x1f, 0x8b, 8, 0}, "cut short"},
		{"no gzip", []byte{0x1f, 0x8b, 9, 0, 0, 0, 0, 0, 0, 0, 0}, "can't be unpacked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := Read(bytes.NewReader(c.file))
			neuroiotest.Refused(t, err, c.says)
		})
	}
}

// Some kB that unpack to 80 MB, behind a small map and behind a claim of all of it.
func TestBomb(t *testing.T) {
	bomb := func(head []byte) []byte {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
		z.Write(head)
		for range 80 {
			z.Write(make([]byte, 1<<20))
		}
		z.Close()
		return b.Bytes()
	}
	for _, c := range []struct {
		name string
		head []byte
		says string
	}{
		{"behind the data", header(6, 1, 1, 1, 3), "more than 67108864 bytes follow"},
		{"as data", header(1<<30, 1, 1, 1, 0), "more than the 67108864 that are read at once"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bomb(c.head)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, err := Read(bytes.NewReader(b))
			runtime.ReadMemStats(&after)
			neuroiotest.Refused(t, err, c.says)
			if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
				t.Errorf("%d bytes of memory were taken", took)
			}
		})
	}
}

// readAll reads a file in every way there is.
func readAll(b []byte) error {
	_, _, err := Read(bytes.NewReader(b))
	if err == nil {
		_, err = Labels(bytes.NewReader(b))
	}
	return err
}

func TestBattery(t *testing.T) {
	read := func(b []byte) error { _, _, err := Read(bytes.NewReader(b)); return err }
	labels := func(b []byte) error { _, err := Labels(bytes.NewReader(b)); return err }
	neuroiotest.Battery(t, neuroiotest.Format{Name: "map.mgh", File: neuroiotest.File(t, "mgh/map.mgh"), Need: 284 + 24, Read: read})
	neuroiotest.Battery(t, neuroiotest.Format{Name: "maps.mgz", File: neuroiotest.File(t, "mgh/maps.mgz"), Read: read})
	neuroiotest.Battery(t, neuroiotest.Format{Name: "labels.mgz", File: neuroiotest.File(t, "mgh/labels.mgz"), Read: labels})
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"map.mgh", "maps.mgz", "labels.mgz", "split.mgh", "volume.mgh", "short.mgh", "ushort.mgh", "tags.mgh"} {
		f.Add(neuroiotest.File(f, "mgh/"+name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e *fault.Error
		if err := readAll(b); err != nil && !errors.As(err, &e) {
			t.Fatalf("an error that is no fault: %v", err)
		}
	})
}
