package freesurfer

import (
	"bufio"
	"bytes"
	"encoding/json"
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

func golden(t *testing.T, name string, into any) {
	var all map[string]json.RawMessage
	neuroiotest.Golden(t, "freesurfer", &all)
	if err := json.Unmarshal(all[name], into); err != nil {
		t.Fatal(err)
	}
}

func TestSurface(t *testing.T) {
	var want struct {
		Points []float64
		Faces  []int32
	}
	golden(t, "lh.octa", &want)
	file := neuroiotest.File(t, "lh.octa")
	s, err := ReadSurface(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Points) != 6 || len(s.Faces) != 8 || s.Comment != "created by brain.py" {
		t.Fatalf("%d points, %d triangles, comment %q", len(s.Points), len(s.Faces), s.Comment)
	}
	for i, x := range want.Points {
		if float64(s.Points[i/3][i%3]) != x {
			t.Errorf("coordinate %d is %v, nibabel reads %v", i, s.Points[i/3][i%3], x)
		}
	}
	for i, v := range want.Faces {
		if s.Faces[i/3][i%3] != v {
			t.Errorf("corner %d is %d, nibabel reads %d", i, s.Faces[i/3][i%3], v)
		}
	}
	var b bytes.Buffer
	if err := WriteSurface(&b, s); err != nil {
		t.Fatal(err)
	}
	// nibabel's file up to the end of the triangles, byte by byte.
	if n := surfaceNeed(file); !bytes.Equal(b.Bytes()[:n], file[:n]) {
		t.Error("the written surface differs from nibabel's")
	}
}

// surfaceNeed is where the optional block of lh.octa begins.
func surfaceNeed([]byte) int { return 3 + len("created by brain.py\n\n") + 8 + 12*(6+8) }

func TestCurv(t *testing.T) {
	var want []neuroiotest.Number
	golden(t, "lh.octa.curv", &want)
	file := neuroiotest.File(t, "lh.octa.curv")
	v, err := ReadCurv(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range want {
		if x == nil && !math.IsNaN(float64(v[i])) || x != nil && float64(v[i]) != *x {
			t.Errorf("value %d is %v, nibabel reads %v", i, v[i], x)
		}
	}
	var b bytes.Buffer
	if err := WriteCurv(&b, v, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), file) {
		t.Errorf("written % x, nibabel's % x", b.Bytes(), file)
	}
}

func TestAnnot(t *testing.T) {
	for _, name := range []string{"lh.octa.annot", "lh.octa.v1.annot"} {
		var want struct {
			Label   []int32
			Names   []string
			Colours [][3]uint8
		}
		golden(t, name, &want)
		a, err := ReadAnnot(bytes.NewReader(neuroiotest.File(t, name)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(a.Label, want.Label) {
			t.Errorf("%s: labels %v, nibabel reads %v", name, a.Label, want.Label)
		}
		for i, r := range a.Regions {
			if r.Name != want.Names[i] || [3]uint8{r.R, r.G, r.B} != want.Colours[i] {
				t.Errorf("%s: region %d is %+v, nibabel reads %s %v", name, i, r, want.Names[i], want.Colours[i])
			}
		}
		var b bytes.Buffer
		if err := WriteAnnot(&b, a, "table"); err != nil {
			t.Fatal(err)
		}
		back, err := ReadAnnot(&b)
		if err != nil || !reflect.DeepEqual(back, a) {
			t.Errorf("%s: read back %+v, %v", name, back, err)
		}
	}
}

// The real parcellations of the demo, against nibabel's counts.
func TestDemoAnnots(t *testing.T) {
	var all map[string]json.RawMessage
	neuroiotest.Golden(t, "demo", &all)
	seen := 0
	for name, raw := range all {
		if !strings.HasSuffix(name, ".annot") {
			continue
		}
		seen++
		var want struct {
			Names                    []string
			Counts                   []int
			None, Vertices, Weighted int
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(filepath.Join(neuroiotest.Root(t), "testdata", "demo", "rois", name))
		if err != nil {
			t.Fatal(err)
		}
		a, err := ReadAnnot(f)
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		counts, none, weighted := make([]int, len(a.Regions)), 0, 0
		for i, l := range a.Label {
			weighted += int(l) * (i%97 + 1)
			if l < 0 {
				none++
			} else {
				counts[l]++
			}
		}
		var names []string
		for _, r := range a.Regions {
			names = append(names, r.Name)
		}
		if len(a.Label) != want.Vertices || none != want.None || weighted != want.Weighted || a.Unknown != 0 ||
			!reflect.DeepEqual(counts, want.Counts) || !reflect.DeepEqual(names, want.Names) {
			t.Errorf("%s differs from nibabel's reading", name)
		}
	}
	if seen != 4 {
		t.Errorf("%d parcellations compared, want 4", seen)
	}
}

func TestLabel(t *testing.T) {
	var want struct {
		Vertex []int32
		Value  []float32
	}
	golden(t, "lh.octa.label", &want)
	file := neuroiotest.File(t, "lh.octa.label")
	l, err := ReadLabel(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(l.Vertex, want.Vertex) || !reflect.DeepEqual(l.Value, want.Value) {
		t.Errorf("%v %v, nibabel reads %v %v", l.Vertex, l.Value, want.Vertex, want.Value)
	}
	var b bytes.Buffer
	if err := WriteLabel(&b, l); err != nil {
		t.Fatal(err)
	}
	if b.String() != string(file) {
		t.Errorf("written\n%s\nread\n%s", b.String(), file)
	}
}

// annot builds a file from 32-bit words and strings (written with their length).
func annot(parts ...any) []byte {
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			put(w, int32(p))
		case string:
			putName(w, p)
		}
	}
	_ = w.Flush()
	return b.Bytes()
}

func TestRefusals(t *testing.T) {
	readers := map[string]func([]byte) error{
		"surface": func(b []byte) error { _, err := ReadSurface(bytes.NewReader(b)); return err },
		"curv":    func(b []byte) error { _, err := ReadCurv(bytes.NewReader(b)); return err },
		"annot":   func(b []byte) error { _, err := ReadAnnot(bytes.NewReader(b)); return err },
		"label":   func(b []byte) error { _, err := ReadLabel(bytes.NewReader(b)); return err },
	}
	for _, c := range []struct {
		reader, name string
		file         []byte
		says         string
	}{
		{"surface", "quads", []byte{0xff, 0xff, 0xfd, 0, 0, 0}, "quadrangles"},
		{"surface", "other", []byte("solid cube\n"), "no triangle surface"},
		{"surface", "huge", append([]byte{0xff, 0xff, 0xfe, 'x', '\n', '\n'}, annot(0x7fffffff, 1)...), "claims 2147483647 vertices"},
		{"surface", "negative", append([]byte{0xff, 0xff, 0xfe, '\n'}, annot(-1, 1)...), "claims -1 vertices"},
		{"surface", "no such vertex", append([]byte{0xff, 0xff, 0xfe, '\n'}, annot(1, 1, 0, 0, 0, 0, 0, 1)...), "names vertex 1, the surface has 1"},
		{"surface", "no end of the comment", append([]byte{0xff, 0xff, 0xfe}, bytes.Repeat([]byte("x"), 1<<17)...), "no end of its comment"},
		{"curv", "old format", []byte{0, 0, 6, 0, 0, 8, 0, 1}, "no curv file"},
		{"curv", "two values", append([]byte{0xff, 0xff, 0xff}, annot(1, 1, 2, 0, 0)...), "2 values a vertex"},
		{"annot", "no table", annot(1, 0, 0, 0), "no colour table"},
		{"annot", "version 3", annot(1, 0, 0, 1, -3), "version 3"},
		{"annot", "lowest version", annot(1, 0, 0, 1, -1<<31), "version 2147483648"},
		{"annot", "vertex beyond", annot(1, 5, 0, 1, 1, "t", "V1", 1, 2, 3, 0), "names vertex 5, it has 1"},
		{"annot", "vertex twice", annot(2, 0, 0, 0, 0, 1, 1, "t", "V1", 1, 2, 3, 0), "vertex 0 twice"},
		{"annot", "colour", annot(1, 0, 0, 1, 1, "t", "V1", 1, 256, 3, 0), "colour value 256"},
		{"annot", "many regions", annot(1, 0, 0, 1, 1<<20, "t"), "claims 1048576 regions"},
		{"label", "empty", nil, "ends before its count"},
		{"label", "count", []byte("#!ascii\n3\n1 0 0 0 0\n"), "announces 3 vertices, it has 1"},
		{"label", "volume", []byte("#!ascii\n1\n-1 0 0 0 0\n"), "drawn in a volume"},
		{"label", "words", []byte("#!ascii\nmany\n"), "a count of vertices is needed"},
		{"label", "fields", []byte("#!ascii\n1\n1 2 3\n"), "3 fields, not 5"},
		{"label", "binary", bytes.Repeat([]byte{1}, 1<<17), "too long"},
	} {
		t.Run(c.reader+" "+c.name, func(t *testing.T) {
			err := readers[c.reader](c.file)
			var e *fault.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a fault with %q", err, c.says)
			}
		})
	}
}

func TestAnnotValueOfNoRegion(t *testing.T) {
	a, err := ReadAnnot(bytes.NewReader(annot(3, 2, 12345, 0, 0, 1, 1, 1, 1, "t", "V1", 1, 0, 0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a.Label, []int32{-1, 0, -1}) || a.Unknown != 1 {
		t.Errorf("labels %v, %d unknown", a.Label, a.Unknown)
	}
}

func TestWriteAnnotRefuses(t *testing.T) {
	for name, a := range map[string]*Annot{
		"two of one colour": {Regions: []Region{{Name: "a", R: 1}, {Name: "b", Number: 1, R: 1}}},
		"black":             {Regions: []Region{{Name: "a"}}},
		"no such region":    {Label: []int32{1}, Regions: []Region{{Name: "a", R: 1}}},
	} {
		if err := WriteAnnot(&bytes.Buffer{}, a, "t"); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

func TestBattery(t *testing.T) {
	for name, read := range readersByFile {
		file := neuroiotest.File(t, name)
		need := 0
		switch name {
		case "lh.octa":
			need = surfaceNeed(file)
		case "lh.octa.label":
			// Text: digits may go missing at the end of the last line without a trace.
			need = bytes.LastIndex(file, []byte(" ")) + 2
		}
		neuroiotest.Battery(t, neuroiotest.Format{Name: name, File: file, Need: need, Read: read})
	}
}

var readersByFile = map[string]func([]byte) error{
	"lh.octa":          func(b []byte) error { _, err := ReadSurface(bytes.NewReader(b)); return err },
	"lh.octa.curv":     func(b []byte) error { _, err := ReadCurv(bytes.NewReader(b)); return err },
	"lh.octa.annot":    func(b []byte) error { _, err := ReadAnnot(bytes.NewReader(b)); return err },
	"lh.octa.v1.annot": func(b []byte) error { _, err := ReadAnnot(bytes.NewReader(b)); return err },
	"lh.octa.label":    func(b []byte) error { _, err := ReadLabel(bytes.NewReader(b)); return err },
}

func fuzz(f *testing.F, names ...string) {
	for _, name := range names {
		f.Add(neuroiotest.File(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e *fault.Error
		if err := readersByFile[names[0]](b); err != nil && !errors.As(err, &e) {
			t.Fatalf("an error that is no fault: %v", err)
		}
	})
}

func FuzzSurface(f *testing.F) { fuzz(f, "lh.octa") }
func FuzzCurv(f *testing.F)    { fuzz(f, "lh.octa.curv") }
func FuzzAnnot(f *testing.F)   { fuzz(f, "lh.octa.annot", "lh.octa.v1.annot") }
func FuzzLabel(f *testing.F)   { fuzz(f, "lh.octa.label") }
