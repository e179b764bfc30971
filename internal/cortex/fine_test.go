package cortex

import (
	"math"
	"os"
	"reflect"
	"testing"

	"cortexmap/internal/neuroio/neuroiotest"
)

// parents undoes the rule of Fine: the triangles that it was applied to.
func parents(faces [][3]int32, n int32) [][3]int32 {
	sum := map[int32]int32{}
	for _, t := range faces {
		for k := range 3 {
			if m, v := t[k], t[(k+1)%3]; m >= n && v < n {
				sum[m] += v
			}
		}
	}
	out := make([][3]int32, len(faces)/4)
	for i := range out {
		t := faces[i]
		out[i] = [3]int32{t[0], sum[t[1]] - t[0], sum[t[2]] - t[0]}
	}
	return out
}

// The rule gives fsaverage5's own list of triangles, number by number, from the icosahedron up.
func TestRuleOfFsaverage(t *testing.T) {
	g, err := LoadDemo(os.DirFS("../../testdata/demo"))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range g.Hemis {
		levels := [][][3]int32{h.Sphere.Faces}
		for n := 2562; n >= 12; n = (n-2)/4 + 2 {
			levels = append(levels, parents(levels[len(levels)-1], int32(n)))
		}
		faces, n := levels[len(levels)-1], 12
		if len(faces) != 20 {
			t.Fatalf("%s begins with %d triangles", h.Name, len(faces))
		}
		for k := len(levels) - 2; k >= 0; k-- {
			fine, middles := split(faces, n)
			faces, n = fine, n+len(middles)
			if !reflect.DeepEqual(faces, levels[k]) {
				t.Fatalf("%s: the list of %d triangles is another", h.Name, len(faces))
			}
		}
		if n != 10242 {
			t.Errorf("%s ends with %d vertices", h.Name, n)
		}
	}
}

// The points that the rule puts between fsaverage4's are FreeSurfer's own to 0.02 mm (0.0054 mm on average;
// its sphere is stored to about 0.01 mm).
func TestMiddlesLieOnTheSphere(t *testing.T) {
	g, err := LoadDemo(os.DirFS("../../testdata/demo"))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range g.Hemis {
		_, middles := split(parents(h.Sphere.Faces, 2562), 2562)
		coarse := &Surface{Points: h.Sphere.Points[:2562]}
		for i, p := range coarse.middles(middles, true) {
			q := h.Sphere.Points[i]
			if d := length([3]float32{p[0] - q[0], p[1] - q[1], p[2] - q[2]}); d > 0.02 {
				t.Fatalf("%s, vertex %d lies at %v, the rule says %v", h.Name, i, q, p)
			}
		}
	}
}

func TestFine(t *testing.T) {
	g, err := LoadDemo(os.DirFS("../../testdata/demo"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := g.Fine(163842)
	if err != nil {
		t.Fatal(err)
	}
	if f.Name != "fsaverage7" || g.Name != "fsaverage5" || g.Hemis[0].N() != 10242 {
		t.Fatalf("%s from %s", f.Name, g.Name)
	}
	for i, h := range f.Hemis {
		if h.N() != 163842 || len(h.Pial.Points) != 163842 || len(h.Sphere.Faces) != 327680 || len(h.Curv) != 163842 {
			t.Fatalf("%d vertices, %d triangles", h.N(), len(h.Sphere.Faces))
		}
		for v, p := range h.Sphere.Points {
			if r := length(p); math.Abs(r-100) > 0.02 {
				t.Fatalf("vertex %d is %v mm from the centre", v, r)
			}
		}
		if want := 16 * len(g.Hemis[i].Flat.Faces); len(h.Flat.Faces) != want {
			t.Errorf("the flat map has %d triangles, want %d", len(h.Flat.Faces), want)
		}
		for _, tri := range h.Flat.Faces {
			for _, v := range tri {
				if math.IsNaN(float64(h.Flat.Points[v][0])) {
					t.Fatalf("vertex %d of the flat map has no place", v)
				}
			}
		}
	}
	back := f.Coarse(10242)
	if back.Name != "fsaverage5" || !reflect.DeepEqual(back.Hemis[1].White.Points, g.Hemis[1].White.Points) {
		t.Error("coarse again, it isn't what it was")
	}
}

// A mesh whose numbering isn't fsaverage's is refused: the fine vertices would be nobody's.
func TestFineRefuses(t *testing.T) {
	g, err := LoadDemo(os.DirFS("../../testdata/demo"))
	if err != nil {
		t.Fatal(err)
	}
	other := *g.Hemis[0].Sphere
	other.Faces = append([][3]int32{}, other.Faces...)
	other.Faces[0], other.Faces[1] = other.Faces[1], other.Faces[0]
	g.Hemis[0].Sphere = &other
	_, err = g.Fine(40962)
	neuroiotest.Refused(t, err, "not numbered as fsaverage")
}

// Lists of vertices that others published for the mesh of 163,842 are connected on ours: the medial wall and
// the cuts of autoflatten 1.0.7. With other numbers above 10,242 the largest patch of them had 8 vertices.
func TestPublishedVertexListsAreConnected(t *testing.T) {
	var lists map[string][]int32
	neuroiotest.Python(t, "autoflatten", `
import autoflatten, os
print(open(os.path.join(os.path.dirname(autoflatten.__file__), "default_templates", "fsaverage_cuts_template.json")).read())`, &lists)
	g, err := LoadDemo(os.DirFS("../../testdata/demo"))
	if err != nil {
		t.Fatal(err)
	}
	if g, err = g.Fine(163842); err != nil {
		t.Fatal(err)
	}
	neighbours := [2][][]int32{g.Hemis[0].Neighbours(), g.Hemis[1].Neighbours()}
	for name, list := range lists {
		inside := map[int32]bool{}
		for _, v := range list {
			inside[v] = true
		}
		queue := list[:1:1]
		delete(inside, list[0])
		for ; len(queue) > 0; queue = queue[1:] {
			for _, w := range neighbours[Side(name[:2])][queue[0]] {
				if inside[w] {
					delete(inside, w)
					queue = append(queue, w)
				}
			}
		}
		if len(list) == 0 || len(inside) > 0 {
			t.Errorf("%s: %d of %d vertices aren't connected with the first", name, len(inside), len(list))
		}
	}
}
