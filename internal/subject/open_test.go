package subject

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/cortex"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/freesurfer"
	"cortexmap/internal/neuroio/gifti"
	"cortexmap/internal/neuroio/npy"
	"cortexmap/internal/stats"
)

// tree is a folder's files by path; a test changes one and sees what Open says.
type tree map[string][]byte

func (f tree) with(name string, data []byte) tree {
	out := tree{}
	for k, v := range f {
		out[k] = v
	}
	if data == nil {
		delete(out, name)
	} else {
		out[name] = data
	}
	return out
}

// yaml replaces a part of subject.yaml.
func (f tree) yaml(t *testing.T, from, to string) tree {
	t.Helper()
	text := string(f["subject.yaml"])
	if !strings.Contains(text, from) {
		t.Fatalf("subject.yaml has no %q", from)
	}
	return f.with("subject.yaml", []byte(strings.Replace(text, from, to, 1)))
}

func (f tree) more(lines string) tree {
	return f.with("subject.yaml", append(bytes.Clone(f["subject.yaml"]), lines...))
}

func (f tree) open(t *testing.T) (*Subject, error) {
	t.Helper()
	return f.withOptions(t, Options{Demo: demoFS})
}

func (f tree) withOptions(t *testing.T, o Options) (*Subject, error) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range f {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(context.Background(), dir, o)
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

func (f tree) mustOpen(t *testing.T) *Subject {
	t.Helper()
	s, err := f.open(t)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// picture is a PNG of one colour, different for every number.
func picture(i int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 8, 8))
	for x := range 64 {
		img.Set(x%8, x/8, color.RGBA{uint8(i), uint8(10 * i), 7, 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func array[T npy.Number](data []T, shape ...int) []byte {
	var b bytes.Buffer
	if err := npy.Write(&b, data, shape...); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// fortran turns a file of C order into the same array in Fortran order.
func fortran[T npy.Number](data []T, shape ...int) []byte {
	turned := make([]T, len(data))
	for at, x := range data {
		index, rest := make([]int, len(shape)), at
		for d := len(shape) - 1; d >= 0; d-- {
			index[d], rest = rest%shape[d], rest/shape[d]
		}
		place := 0
		for d := len(shape) - 1; d >= 0; d-- {
			place = place*shape[d] + index[d]
		}
		turned[place] = x
	}
	return bytes.Replace(array(turned, shape...), []byte("'fortran_order': False"), []byte("'fortran_order': True "), 1)
}

const (
	nPictures = 5
	nUnits    = 3
)

// answers is the response of a unit to a picture: small numbers that every type can hold.
func answers(n, u int) float32 { return float32((n*7+u*5)%11 + n) }

// plain is a whole folder: 5 pictures, 3 units, no places.
func plain() tree {
	f := tree{"subject.yaml": []byte("format: 1\nname: tiny\nlicence: CC0\nattribution: nobody\nimages: {folder: images}\nresponses: {file: responses.npy, rows: images}\n")}
	var data []float32
	for n := range nPictures {
		f[fmt.Sprintf("images/p%d.png", n)] = picture(n)
		for u := range nUnits {
			data = append(data, answers(n, u))
		}
	}
	f["responses.npy"] = array(data, nPictures, nUnits)
	return f
}

func transposed[T any](data []T, rows int) []T {
	columns := len(data) / rows
	out := make([]T, 0, len(data))
	for c := range columns {
		for r := range rows {
			out = append(out, data[r*columns+c])
		}
	}
	return out
}

func as[T npy.Number](data []float32) []T {
	out := make([]T, len(data))
	for i, x := range data {
		out[i] = T(x)
	}
	return out
}

func half(data []float32, rows, columns int) []byte {
	b := array(make([]uint16, len(data)), rows, columns)
	b = bytes.Replace(b, []byte("<u2"), []byte("<f2"), 1)
	for i, x := range data { // whole numbers up to 15: sign 0, exact
		e := 0
		for m := x; m >= 2; m /= 2 {
			e++
		}
		h := uint16(0)
		if x != 0 {
			h = uint16(e+15)<<10 | uint16(float64(x)/math.Ldexp(1, e)*1024)&1023
		}
		binary.LittleEndian.PutUint16(b[len(b)-2*len(data)+2*i:], h)
	}
	return b
}

func TestEveryFormGivesTheSame(t *testing.T) {
	f := plain()
	want := f.mustOpen(t)
	data := slices.Clone(want.Responses)
	units := f.yaml(t, "rows: images", "rows: units")
	turned := transposed(data, nPictures)
	for name, other := range map[string]tree{
		"float64":           f.with("responses.npy", array(as[float64](data), nPictures, nUnits)),
		"float16":           f.with("responses.npy", half(data, nPictures, nUnits)),
		"int8":              f.with("responses.npy", array(as[int8](data), nPictures, nUnits)),
		"uint64":            f.with("responses.npy", array(as[uint64](data), nPictures, nUnits)),
		"Fortran":           f.with("responses.npy", fortran(data, nPictures, nUnits)),
		"Fortran int16":     f.with("responses.npy", fortran(as[int16](data), nPictures, nUnits)),
		"units":             units.with("responses.npy", array(turned, nUnits, nPictures)),
		"units Fortran":     units.with("responses.npy", fortran(turned, nUnits, nPictures)),
		"units int32":       units.with("responses.npy", array(as[int32](turned), nUnits, nPictures)),
		"with a list":       f.yaml(t, "folder: images", "folder: images, list: l.csv").with("l.csv", []byte("file\np0.png\np1.png\np2.png\np3.png\np4.png\n")),
		"another name":      f.yaml(t, "name: tiny", "name: other"),
		"zscore none":       f.yaml(t, "rows: images", "rows: images, zscore: none"),
		"explicit defaults": f.more("simulated: false\nrois: []\n"),
	} {
		t.Run(name, func(t *testing.T) {
			s := other.mustOpen(t)
			if !slices.Equal(s.Responses, data) || s.Units != nUnits || s.Images.Len() != nPictures {
				t.Errorf("responses %v, want %v", s.Responses, data)
			}
			if s.Digest != want.Digest {
				t.Error("the digest differs though the fit sees the same")
			}
		})
	}
	if s := f.with("images/p0.png", picture(99)).mustOpen(t); s.Digest == want.Digest {
		t.Error("another picture gives the same digest")
	}
	if want.Licence != "CC0" || want.Attribution != "nobody" || want.Kind != "plain" || want.Simulated || !math.IsNaN(want.StimulusDegrees) {
		t.Errorf("the description was read as %+v", want)
	}
	if want.Positions != nil || want.Hierarchy != nil || want.Vertex[2] != 2 || want.Hemi[2] != "" || !math.IsNaN(float64(want.Ceiling[0])) {
		t.Error("what isn't given isn't unknown")
	}
}

func TestListKeepsItsOrderAndColumns(t *testing.T) {
	list := "file,photo,split,session,x,y,w,h,mirror\n" +
		"p4.png,a,test,s1,0,0,4,4,1\n" +
		"p4.png,a,,s1,4,4,4,4,0\n" +
		"p0.png,b,train,s2,,,,,\n" +
		"p1.png,,,s2,,,,,\n" +
		"p2.png,,val,s2,,,,,\n"
	s := plain().yaml(t, "folder: images", "folder: images, list: l.csv").with("l.csv", []byte(list)).mustOpen(t)
	if s.Images.Stimuli[0].Window == nil || !s.Images.Stimuli[0].Window.Mirror || s.Images.Stimuli[2].Name != "p0.png" {
		t.Errorf("the pictures are %+v", s.Images.Stimuli)
	}
	if want := []string{"test", "", "train", "", "val"}; !slices.Equal(s.Split, want) {
		t.Errorf("split %v, want %v", s.Split, want)
	}
	if want := []string{"s1", "s1", "s2", "s2", "s2"}; !slices.Equal(s.Groups["session"], want) || len(s.Groups) != 1 {
		t.Errorf("groups %v", s.Groups)
	}
	if s.Photo[0] != "a" || s.Photo[1] != "a" || s.Photo[2] != "b" || s.Photo[3] == "" {
		t.Errorf("photographs %v", s.Photo)
	}
}

// repeatedTree shows picture 0 three times and picture 1 twice, among others.
func repeatedTree(t *testing.T, cells []float32) tree {
	list := "file,session\np0.png,a\np1.png,a\np0.png,a\np2.png,b\np1.png,b\np0.png,b\np3.png,b\n"
	return plain().yaml(t, "folder: images", "folder: images, list: l.csv").with("l.csv", []byte(list)).
		with("responses.npy", array(cells, 7, 2))
}

var repeatCells = func() []float32 {
	nan := float32(math.NaN())
	return []float32{1, 10, 2, 20, 3, nan, 4, nan, 6, 40, 8, 30, 5, 50}
}()

func TestRepeats(t *testing.T) {
	nan := float32(math.NaN())
	f := repeatedTree(t, repeatCells)
	s := f.mustOpen(t)
	// Images p0 p1 p2 p3; unit 1 has no datum in the second showing of p0, and none for p2.
	want := []float32{4, 20, 4, 30, 4, nan, 5, 50}
	for i, x := range want {
		if got := s.Responses[i]; got != x && !(got != got && x != x) {
			t.Errorf("response %d is %v, want %v", i, got, x)
		}
	}
	if !slices.Equal(s.Trials, []int{3, 2, 1, 1}) {
		t.Errorf("trials %v", s.Trials)
	}
	place := []int{0, 1, 0, 2, 1, 0, 3}
	for u := range 2 {
		var trials []float64
		for r := range 7 {
			trials = append(trials, float64(repeatCells[2*r+u]))
		}
		ncsnr := stats.NCSNR(trials, place)
		// (1/3 + 1/2 + 1 + 1) / 4 of the noise stays in the averages.
		ceiling := stats.Ceiling(ncsnr, (1.0/3+1.0/2+2)/4)
		if math.Abs(float64(s.NCSNR[u])-ncsnr) > 1e-6 || math.Abs(float64(s.Ceiling[u])-ceiling) > 1e-6 { // float32
			t.Errorf("unit %d: ncsnr %v and ceiling %v, want %v and %v", u, s.NCSNR[u], s.Ceiling[u], ncsnr, ceiling)
		}
		if of := s.CeilingOf([]int{0}); math.Abs(float64(of[u])-stats.Ceiling(float64(s.NCSNR[u]), 1.0/3)) > 1e-6 {
			t.Errorf("unit %d: the ceiling of picture 0 is %v", u, of[u])
		}
	}
	if !hasWarning(s, "few-repeats") {
		t.Errorf("ceilings from two repeated pictures without a warning: %v", s.Warnings)
	}
	turned := f.yaml(t, "rows: images", "rows: units").with("responses.npy", array(transposed(repeatCells, 7), 2, 7)).mustOpen(t)
	if turned.Digest != s.Digest {
		t.Error("the other way round gives other responses")
	}
}

func TestZScore(t *testing.T) {
	cells := []float32{1, 10, 3, 10, 5, 10, 4, 7, 8, 7, 8, 9, 4, 9} // sessions a: rows 0-2, b: rows 3-6
	for _, form := range []string{"zscore: session", "zscore: column session"} {
		s := repeatedTree(t, cells).yaml(t, "rows: images", "rows: images, "+form).mustOpen(t)
		sd := math.Sqrt(8.0 / 3) // of 1 3 5, by n
		want := []float64{(-2/sd + 2/sd + 1) / 3, (0 + 1.0) / 2, -1, -1}
		for n, x := range want {
			if got := float64(s.Responses[2*n]); math.Abs(got-x) > 1e-6 { // float32 of numbers about 1
				t.Errorf("unit 0, picture %d: %v, want %v", n, got, x)
			}
		}
		// Unit 1 is constant in session a: 0 there.
		if got := s.Responses[1]; math.Abs(float64(got)-1.0/3) > 1e-6 {
			t.Errorf("unit 1, picture 0: %v, want 1/3: two showings in the constant session and one of +1", got)
		}
	}
}

func hasWarning(s *Subject, id string) bool {
	return slices.ContainsFunc(s.Warnings, func(w Warning) bool { return w.ID == id })
}

func TestCeilingFiles(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		form   string
		values []float64
		want   []float64
	}{
		{"{file: c.npy}", []float64{0, 0.5, nan}, []float64{0, 0.5, nan}},
		{"{file: c.npy, kind: percent}", []float64{36.2, 100, 0}, []float64{0.362, 1, 0}},
		{"{file: c.npy, kind: ncsnr, repeats: 3}", []float64{0.49, 0, nan}, []float64{0.2401 / (0.2401 + 1.0/3), 0, nan}},
	} {
		s := plain().more("ceiling: "+c.form+"\n").with("c.npy", array(c.values, nUnits)).mustOpen(t)
		for u, want := range c.want {
			if got := float64(s.Ceiling[u]); math.Abs(got-want) > 1e-7 || math.IsNaN(got) != math.IsNaN(want) { // float32
				t.Errorf("%s: unit %d has the ceiling %v, want %v", c.form, u, got, want)
			}
		}
	}
}

func TestTrials(t *testing.T) {
	// 3 units, 5 pictures, 4 repeats of counts around the response; 255: none. Picture 1 has 2 repeats only.
	var data []float32
	counts := make([]uint8, 0, nUnits*nPictures*4)
	trials, image := make([][]float64, nUnits), []int{}
	for u := range nUnits {
		for n := range nPictures {
			sum, k := 0.0, 0.0
			for r := range 4 {
				x := int(answers(n, u)) + (r*3+n+u)%4
				if n == 1 && r > 1 {
					x = 255
				} else {
					sum, k = sum+float64(x), k+1
					trials[u] = append(trials[u], float64(x))
					if u == 0 {
						image = append(image, n)
					}
				}
				counts = append(counts, uint8(x))
			}
			data = append(data, float32(sum/k))
		}
	}
	shape := []int{nUnits, nPictures, 4}
	f := plain().yaml(t, "rows: images", "rows: units").with("responses.npy", array(data, nUnits, nPictures)).
		more("ceiling: {trials: t.npy, missing: 255}\n")
	var imagesFirst []uint8
	for n := range nPictures {
		for u := range nUnits {
			imagesFirst = append(imagesFirst, counts[(u*nPictures+n)*4:][:4]...)
		}
	}
	other := plain().with("responses.npy", array(transposed(data, nUnits), nPictures, nUnits)).more("ceiling: {trials: t.npy, missing: 255}\n")
	for name, tree := range map[string]tree{
		"units":          f.with("t.npy", array(counts, shape...)),
		"units Fortran":  f.with("t.npy", fortran(counts, shape...)),
		"images":         other.with("t.npy", array(imagesFirst, nPictures, nUnits, 4)),
		"images Fortran": other.with("t.npy", fortran(imagesFirst, nPictures, nUnits, 4)),
	} {
		t.Run(name, func(t *testing.T) {
			s := tree.mustOpen(t)
			if !slices.Equal(s.Trials, []int{4, 2, 4, 4, 4}) {
				t.Errorf("trials %v", s.Trials)
			}
			for u := range nUnits {
				want := stats.NCSNR(trials[u], image)
				if math.Abs(float64(s.NCSNR[u])-want) > 1e-6*want { // float32
					t.Errorf("unit %d: ncsnr %v, want %v", u, s.NCSNR[u], want)
				}
			}
			if hasWarning(s, "trials-disagree") {
				t.Errorf("the trials' mean is the response, and yet %v", s.Warnings)
			}
		})
	}
	for i := range data {
		data[i]++
	}
	if s := f.with("responses.npy", array(data, nUnits, nPictures)).with("t.npy", array(counts, shape...)).mustOpen(t); !hasWarning(s, "trials-disagree") {
		t.Error("trials of other responses without a warning")
	}
}

// onSurface puts the 3 units onto fsaverage5: 2 vertices of lh, 1 of rh.
func onSurface() tree {
	lh := make([]uint8, 10242)
	lh[7], lh[100] = 1, 1
	return plain().more("positions: {surface: fsaverage5, mask: {lh: lh.npy, rh: rh.npy}}\n").
		with("lh.npy", array(lh, 10242)).with("rh.npy", array([]int64{5000}, 1))
}

func TestPositionsOnASurface(t *testing.T) {
	s := onSurface().mustOpen(t)
	g := s.Geometry
	if !slices.Equal(s.Hemi, []string{"lh", "lh", "rh"}) || !slices.Equal(s.Vertex, []int32{7, 100, 5000}) || s.Surface != "fsaverage5" {
		t.Fatalf("places %v %v on %q", s.Hemi, s.Vertex, s.Surface)
	}
	want, err := cortex.PositionCodeCoordinates(g, s.Hemi, s.Vertex)
	if err != nil || !slices.Equal(s.Positions, want) {
		t.Errorf("positions %v, want %v (%v)", s.Positions, want, err)
	}
	// One hemisphere alone, as a list in the units' own order.
	one := plain().more("positions: {surface: fsaverage5, mask: {rh: rh.npy}}\n").with("rh.npy", array([]int32{9, 3, 6}, 3)).mustOpen(t)
	if !slices.Equal(one.Hemi, []string{"rh", "rh", "rh"}) || !slices.Equal(one.Vertex, []int32{9, 3, 6}) {
		t.Errorf("places %v %v", one.Hemi, one.Vertex)
	}
}

func TestPositionsElsewhere(t *testing.T) {
	csv := plain().more("positions: {csv: p.csv}\n").with("p.csv", []byte("hemi,x,y,z\nlh,1,2,3\n,4,5,6\nrh,-1.5,0,1e1\n")).mustOpen(t)
	if !slices.Equal(csv.Positions, [][3]float32{{1, 2, 3}, {4, 5, 6}, {-1.5, 0, 10}}) || !slices.Equal(csv.Hemi, []string{"lh", "", "rh"}) || csv.Surface != "" {
		t.Errorf("positions %v, hemispheres %v", csv.Positions, csv.Hemi)
	}
	var b bytes.Buffer
	points := [][3]float32{{-1, 0, 0}, {1, 0, 0}, {0, 1, 0}}
	if err := freesurfer.WriteSurface(&b, &freesurfer.Surface{Points: points, Faces: [][3]int32{{0, 1, 2}}}); err != nil {
		t.Fatal(err)
	}
	own := plain().more("positions: {surface: {files: {lh: lh.sphere}}}\n").with("lh.sphere", b.Bytes()).mustOpen(t)
	if !slices.Equal(own.Positions, points) || own.Surface != "own" || own.Geometry.Hemis[0].N() != 3 || own.Geometry.Hemis[1].N() != 0 {
		t.Errorf("on its own sphere: %v", own.Positions)
	}
}

func TestROIs(t *testing.T) {
	annot := func(n int) []byte {
		a := &freesurfer.Annot{Label: make([]int32, n), Regions: []freesurfer.Region{{Number: 0, Name: "???", R: 9}, {Number: 1, Name: "V1", R: 1}, {Number: 2, Name: "V9", G: 1}}}
		a.Label[7], a.Label[100] = 1, -1
		var b bytes.Buffer
		if err := freesurfer.WriteAnnot(&b, a, "t"); err != nil {
			panic(err)
		}
		return b.Bytes()
	}
	labelGII := func() []byte {
		keys := make([]int32, 10242)
		keys[5000] = 3
		var b bytes.Buffer
		if err := gifti.Write(&b, gifti.LabelFile("rh", "areas", keys, []gifti.Label{{Key: 3, Name: "hV4"}})); err != nil {
			panic(err)
		}
		return b.Bytes()
	}
	perVertex := make([]int16, 10242)
	perVertex[100] = 2
	perVertex[5] = -1
	for _, c := range []struct {
		name, rois string
		files      tree
		want       [][]string
		warning    string
	}{
		{"name", "[{name: all}]", nil, [][]string{{"all"}, {"all"}, {"all"}}, ""},
		{"annot", "[{file: a.annot, hemi: lh, family: atlas}]", tree{"a.annot": annot(10242)}, [][]string{{"atlas/V1"}, nil, nil}, "rois-outside"},
		{"annot of fsaverage7", "[{file: a.annot, hemi: lh}]", tree{"a.annot": annot(163842)}, [][]string{{"V1"}, nil, nil}, "rois-outside"},
		{"label", "[{file: rh.MT.label, hemi: rh}]", tree{"rh.MT.label": []byte("#!\n2\n5000 0 0 0 0\n163841 0 0 0 0\n")}, [][]string{nil, nil, {"MT"}}, ""},
		{"label with a name", "[{file: x.label, hemi: lh, name: IT, family: f}]", tree{"x.label": []byte("#!\n1\n7 0 0 0 0\n")}, [][]string{{"f/IT"}, nil, nil}, ""},
		{"GIFTI", "[{file: a.label.gii, hemi: rh}]", tree{"a.label.gii": labelGII()}, [][]string{nil, nil, {"hV4"}}, ""},
		{"number a unit", "[{file: a.npy, names: {1: V1, 2: V2}}]", tree{"a.npy": array([]float64{2, 0, 1}, 3)}, [][]string{{"V2"}, nil, {"V1"}}, ""},
		{"number a unit of rh", "[{file: a.npy, hemi: rh, names: {1: V1}}]", tree{"a.npy": array([]int32{1}, 1)}, [][]string{nil, nil, {"V1"}}, ""},
		{"number a vertex", "[{file: a.npy, hemi: lh, names: {2: V2}}]", tree{"a.npy": array(perVertex, 10242)}, [][]string{nil, {"V2"}, nil}, ""},
		{"csv", "[{file: a.csv, family: f}]", tree{"a.csv": []byte("roi,unit\nB,1\nA,1\nB,2\n")}, [][]string{nil, {"f/A", "f/B"}, {"f/B"}}, ""},
		{"several", "[{name: all}, {file: x.label, hemi: lh}]", tree{"x.label": []byte("#!\n1\n7 0 0 0 0\n")}, [][]string{{"all", "x"}, {"all"}, {"all"}}, ""},
		{"none inside", "[{file: x.label, hemi: lh}]", tree{"x.label": []byte("#!\n1\n8 0 0 0 0\n")}, [][]string{nil, nil, nil}, "rois-outside"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := onSurface().more("rois: " + c.rois + "\n")
			for name, data := range c.files {
				f = f.with(name, data)
			}
			s := f.mustOpen(t)
			for u := range c.want {
				if !slices.Equal(s.ROIs[u], c.want[u]) {
					t.Errorf("unit %d: %v, want %v", u, s.ROIs[u], c.want[u])
				}
			}
			if (c.warning != "") != hasWarning(s, "rois-outside") {
				t.Errorf("warnings %v", s.Warnings)
			}
		})
	}
}

func TestHierarchy(t *testing.T) {
	f := plain().with("a.csv", []byte("unit,roi\n0,V1\n1,V2\n2,EBA\n")).with("b.csv", []byte("unit,roi\n0,V2\n"))
	s := f.more("rois: [{file: a.csv, family: prf}]\nhierarchy: [V1, prf/V2, {high: [EBA, FFA]}]\n").mustOpen(t)
	want := []Level{{"V1", []string{"prf/V1"}}, {"prf/V2", []string{"prf/V2"}}, {"high", []string{"prf/EBA", "FFA"}}}
	if !reflect.DeepEqual(s.Hierarchy, want) || !hasWarning(s, "hierarchy-missing") {
		t.Errorf("%v, want %v; %v", s.Hierarchy, want, s.Warnings)
	}
	_, err := f.more("rois: [{file: a.csv, family: prf}, {file: b.csv, family: atlas}]\nhierarchy: [V1, V2]\n").open(t)
	if err == nil || !strings.Contains(err.Error(), "several families: atlas/V2, prf/V2") {
		t.Errorf("an ambiguous name: %v", err)
	}
}

func TestDeadUnits(t *testing.T) {
	nan := float32(math.NaN())
	s := plain().with("responses.npy", array([]float32{1, nan, 5, 2, nan, 5, 3, nan, 5, 4, nan, 5, 5, nan, 5}, 5, 3)).mustOpen(t)
	if len(s.Warnings) != 1 || s.Warnings[0].ID != "dead-units" || !strings.Contains(s.Warnings[0].Text, "1 of 3 units have no data and 1 are constant") {
		t.Errorf("warnings %v", s.Warnings)
	}
}

// Every mismatch is a fault that says both numbers, the file and, where it is likely right, the remedy.
func TestFaults(t *testing.T) {
	f := plain()
	listed := func(rows string) tree {
		return f.yaml(t, "folder: images", "folder: images, list: l.csv").with("l.csv", []byte(rows))
	}
	numbers := array(make([]float32, 12), 4, 3)
	inf := []float32{1, 2, 3, 4, float32(math.Inf(1)), 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	for _, c := range []struct {
		name string
		tree tree
		says []string
	}{
		{"no description", f.with("subject.yaml", nil), []string{"has no subject.yaml"}},
		{"unknown key", f.more("licences: x\n"), []string{"licences", "licence"}},
		{"format", f.yaml(t, "format: 1", "format: 2"), []string{"it is 2, this version reads 1"}},
		{"no name", f.yaml(t, "name: tiny", "name: \"\""), []string{"needs a name"}},
		{"degrees", f.more("stimulus_degrees: -3\n"), []string{"stimulus_degrees", "-3"}},
		{"no pictures", f.yaml(t, "images: {folder: images}", "images: {}"), []string{"one of folder and zip"}},
		{"missing folder", f.yaml(t, "folder: images", "folder: pictures"), []string{"pictures is no folder"}},
		{"missing file", f.with("responses.npy", nil), []string{"responses.npy does not exist"}},
		{"rows", f.yaml(t, "rows: images", "rows: pictures"), []string{`"pictures"`, "images or units"}},
		{"too few rows", f.with("responses.npy", numbers), []string{"5 images are listed, the responses have 4", "responses.npy"}},
		{"axes exchanged", f.yaml(t, "rows: images", "rows: units"), []string{"5 images are listed, the responses have 3", "write `rows: images`"}},
		{"one dimension", f.with("responses.npy", array([]float32{1, 2, 3, 4, 5}, 5)), []string{"1 dimensions, 2 are needed"}},
		{"cut short", f.with("responses.npy", f["responses.npy"][:150]), []string{"needs 60 bytes of data, it has 22", "responses.npy"}},
		{"no npy", f.with("responses.npy", []byte("1 2 3\n")), []string{"no .npy file", "responses.npy"}},
		{"infinite", f.with("responses.npy", array(inf, 5, 3)), []string{"unit 1 to p1.png is infinite"}},
		{"nothing varies", f.with("responses.npy", array(make([]float32, 15), 5, 3)), []string{"no unit has responses that vary"}},
		{"hdf5", f.yaml(t, "file: responses.npy", "file: responses.h5"), []string{"here .npy, .parquet is read", "subject.yaml:6:"}},
		{"parquet", f.yaml(t, "file: responses.npy", "file: responses.parquet").with("responses.parquet", []byte("no table")), []string{"no Parquet", "responses.parquet"}},
		{"outside", f.yaml(t, "file: responses.npy", "file: ../responses.npy"), []string{"leaves the subject's folder", "subject.yaml:6:"}},
		{"absolute", f.yaml(t, "file: responses.npy", "file: /tmp/responses.npy"), []string{"leaves the subject's folder"}},
		{"images outside", f.yaml(t, "folder: images", "folder: .."), []string{"leaves the subject's folder"}},
		{"listed file missing", listed("file\np9.png\n"), []string{"l.csv:2", "p9.png"}},
		{"split word", listed("file,split\np0.png,train\np1.png,tests\np2.png,\np3.png,\np4.png,\n"), []string{`split is "tests" for p1.png in row 2`}},
		{"split of a repeat", listed("file,split\np0.png,train\np1.png,\np2.png,\np3.png,\np0.png,test\n"), []string{"p0.png is in train by row 1 and in test by row 5"}},
		{"zscore without a list", f.yaml(t, "rows: images", "rows: images, zscore: session"), []string{"images.list, which is not given"}},
		{"zscore column", listed("file,session\np0.png,a\np1.png,a\np2.png,a\np3.png,a\np4.png,a\n").yaml(t, "rows: images", "rows: images, zscore: sesion"), []string{`no column "sesion"`, "did you mean session?"}},
		{"zscore of one row", listed("file,session\np0.png,a\np1.png,a\np2.png,a\np3.png,a\np4.png,b\n").yaml(t, "rows: images", "rows: images, zscore: session"), []string{`session "b" has one row only`}},
		{"ceiling count", f.more("ceiling: {file: c.npy}\n").with("c.npy", array([]float32{1, 1}, 2)), []string{"shape [2], the responses 3 units", "c.npy"}},
		{"ceiling percent", f.more("ceiling: {file: c.npy}\n").with("c.npy", array([]float32{1, 36, 1}, 3)), []string{"unit 1 is 36", "kind: percent"}},
		{"ceiling negative", f.more("ceiling: {file: c.npy, kind: percent}\n").with("c.npy", array([]float32{1, 36, -1}, 3)), []string{"unit 2 is -1"}},
		{"ceiling kind", f.more("ceiling: {file: c.npy, kind: per cent}\n"), []string{`"per cent"`}},
		{"ncsnr without repeats", f.more("ceiling: {file: c.npy, kind: ncsnr}\n"), []string{"number of averaged trials"}},
		{"trials of other units", f.more("ceiling: {trials: t.npy}\n").with("t.npy", array(make([]uint8, 5*2*2), 5, 2, 2)), []string{"of 2 units and 5 images, the responses of 3 and 5"}},
		{"trials flat", f.more("ceiling: {trials: t.npy}\n").with("t.npy", array(make([]uint8, 15), 5, 3)), []string{"2 dimensions, 3 are needed"}},
		{"nifti", f.more("positions: {nifti: m.nii.gz}\n").with("m.nii.gz", niftiMask(&identity, 0, 1, 1)), []string{"2 voxels are above 0, the responses have 3 units"}},
		{"nifti nowhere", f.more("positions: {nifti: m.nii}\n").with("m.nii", niftiMask(nil, 1, 1, 1)), []string{"doesn't say where its voxels are"}},
		{"two positions", f.more("positions: {nifti: m.nii, csv: p.csv}\n"), []string{"one of surface, csv and nifti is needed, 2 are given"}},
		{"nifti outside", f.more("positions: {nifti: ../m.nii}\n"), []string{"leaves the subject's folder", "subject.yaml:7:"}},
		{"roi of a volume", f.more("rois: [{file: a.nii, names: {1: V1}}]\n").with("a.nii", niftiMask(&identity, 1, 1, 1)), []string{"units have no voxels"}},
		{"roi of another volume", f.more("positions: {nifti: m.nii}\nrois: [{file: a.nii, names: {1: V1}}]\n").with("m.nii", niftiMask(&identity, 1, 1, 1)).with("a.nii", niftiMask(&identity, 1, 1, 1, 1)), []string{"have the shape [4 1 1], the mask of the units [3 1 1]"}},
		{"unknown surface", f.more("positions: {surface: fsaverage4}\n"), []string{"fsaverage4", "fsaverage5"}},
		{"fsaverage7", f.more("positions: {surface: fsaverage7}\n"), []string{"327684 vertices (163842 lh, 163842 rh), the responses have 3 units"}},
		{"all vertices", f.more("positions: {surface: fsaverage5}\n"), []string{"20484 vertices (10242 lh, 10242 rh), the responses have 3 units"}},
		{"mask length", onSurface().with("lh.npy", array(make([]uint8, 10000), 10000)), []string{"10000 values, the surface 10242 vertices", "lh.npy"}},
		{"mask of a sum", onSurface().with("lh.npy", array(append(make([]uint8, 10240), 2, 2), 10242)), []string{"holds 0 and 1, this one has 2 too"}},
		{"vertex beyond", onSurface().with("rh.npy", array([]int32{10242}, 1)), []string{"vertex 10242 is named, the surface has 10242"}},
		{"vertex twice", onSurface().with("lh.npy", array([]int32{7, 7}, 2)), []string{"vertex 7 is named twice"}},
		{"mask fraction", onSurface().with("rh.npy", array([]float32{0.5}, 1)), []string{"a whole number is needed", "rh.npy"}},
		{"mask count", onSurface().with("rh.npy", array([]int32{1, 2}, 2)), []string{"4 vertices (2 lh, 2 rh), the responses have 3 units"}},
		{"points count", f.more("positions: {csv: p.csv}\n").with("p.csv", []byte("x,y,z\n1,2,3\n")), []string{"1 rows of positions, the responses have 3 units", "p.csv"}},
		{"points word", f.more("positions: {csv: p.csv}\n").with("p.csv", []byte("x,y,z\n1,2,3\n1,2,?\n1,1,1\n")), []string{`row 2: z is "?"`}},
		{"points column", f.more("positions: {csv: p.csv}\n").with("p.csv", []byte("x,y\n1,2\n1,2\n1,1\n")), []string{"the column z is missing"}},
		{"points hemi", f.more("positions: {csv: p.csv}\n").with("p.csv", []byte("x,y,z,hemi\n1,2,3,L\n1,2,3,\n1,1,1,\n")), []string{`hemi is "L"`}},
		{"roi without a surface", f.more("rois: [{file: a.annot, hemi: lh}]\n"), []string{"no places on one"}},
		{"roi without hemi", onSurface().more("rois: [{file: a.annot}]\n"), []string{"hemi: lh"}},
		{"roi mgz", onSurface().more("rois: [{file: a.mgz, hemi: lh}]\n"), []string{"does not exist"}},
		{"roi numbers", f.more("rois: [{file: a.npy}]\n").with("a.npy", array([]int32{1, 2, 0}, 3)), []string{"nothing names the numbers of a.npy"}},
		{"roi number unnamed", f.more("rois: [{file: a.npy, names: {1: V1}}]\n").with("a.npy", array([]int32{1, 2, 0}, 3)), []string{"number 2 stands for a region (at place 1)"}},
		{"roi count", f.more("rois: [{file: a.npy, names: {1: V1}}]\n").with("a.npy", array([]int32{1, 1}, 2)), []string{"2 labels, the subject has 3 units"}},
		{"roi vertices", onSurface().more("rois: [{file: a.npy, hemi: lh, names: {1: V1}}]\n").with("a.npy", array(make([]int32, 642), 642)), []string{"has 642 vertices, the subject's surface (fsaverage5) 10242"}},
		{"roi unit", f.more("rois: [{file: a.csv}]\n").with("a.csv", []byte("unit,roi\n3,V1\n")), []string{`unit is "3", the subject has 3 units, counted from 0`}},
		{"hierarchy of one", f.more("hierarchy: [V1]\n"), []string{"1 levels, a slope needs 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.tree.open(t)
			var e *fault.Error
			if !errors.As(err, &e) || e.Class != fault.Input {
				t.Fatalf("got %v, want a fault of class Input", err)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("got %v\nwithout %q", err, s)
				}
			}
		})
	}
}

func TestLinksThatLeadOutAreRefused(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	f := plain()
	if err := os.WriteFile(filepath.Join(outside, "responses.npy"), f["responses.npy"], 0o666); err != nil {
		t.Fatal(err)
	}
	for name, data := range f.with("responses.npy", nil) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(outside, "responses.npy"), filepath.Join(dir, "responses.npy")); err != nil {
		t.Skipf("links can't be made here: %v", err)
	}
	if _, err := Open(context.Background(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "leads out of the subject's folder") {
		t.Errorf("a link out of the folder: %v", err)
	}
}

func TestFolderThatIsNotThere(t *testing.T) {
	if _, err := Open(context.Background(), filepath.Join(t.TempDir(), "none"), Options{}); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a folder that isn't there: %v", err)
	}
}

func TestOpenStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	for name, data := range plain() {
		path := filepath.Join(dir, name)
		_ = os.MkdirAll(filepath.Dir(path), 0o777)
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(ctx, dir, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Open gave %v", err)
	}
}
