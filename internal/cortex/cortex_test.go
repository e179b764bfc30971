package cortex

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/neuroiotest"
)

var demo = sync.OnceValues(func() (*Geometry, error) {
	return LoadDemo(os.DirFS(filepath.Join("..", "..", "testdata", "demo")))
})

func fsaverage5(t testing.TB) *Geometry {
	g, err := demo()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// octahedron has 6 vertices at ±r on the axes and 8 triangles.
func octahedron(r float32) *Surface {
	return &Surface{
		Points: [][3]float32{{r, 0, 0}, {-r, 0, 0}, {0, r, 0}, {0, -r, 0}, {0, 0, r}, {0, 0, -r}},
		Faces:  [][3]int32{{0, 2, 4}, {2, 1, 4}, {1, 3, 4}, {3, 0, 4}, {2, 0, 5}, {1, 2, 5}, {3, 1, 5}, {0, 3, 5}},
	}
}

// What neuro.md section 3 and the data's README say of fsaverage5.
func TestDemoGeometry(t *testing.T) {
	g := fsaverage5(t)
	flatFaces := [2]int{18654, 18790} // before triangles that reach across cuts are dropped
	flatPoints := [2]int{9465, 9537}
	for i, h := range g.Hemis {
		if h.Name != Sides[i] || h.N() != 10242 || len(h.White.Faces) != 20480 {
			t.Fatalf("%s: %d vertices, %d triangles", h.Name, h.N(), len(h.White.Faces))
		}
		edges := 0
		degree := map[int]int{}
		for _, near := range h.Neighbours() {
			edges += len(near)
			degree[len(near)]++
		}
		if euler := h.N() - edges/2 + len(h.White.Faces); euler != 2 {
			t.Errorf("%s: Euler number %d, a closed surface has 2", h.Name, euler)
		}
		// A subdivided icosahedron: its 12 corners have 5 neighbours, all others 6.
		if degree[5] != 12 || degree[6] != 10230 {
			t.Errorf("%s: numbers of neighbours %v", h.Name, degree)
		}
		for v, p := range h.Sphere.Points {
			// The files keep 5 digits behind the point or so; FreeSurfer's radius is 100.
			if r := distance(p, [3]float32{}); math.Abs(r-100) > 0.01 {
				t.Fatalf("%s: vertex %d of the sphere is %v mm from its centre", h.Name, v, r)
			}
		}
		if !slices.EqualFunc(h.Sphere.Faces, h.Pial.Faces, func(a, b [3]int32) bool { return a == b }) {
			t.Errorf("%s: sphere and pial have different triangles", h.Name)
		}
		used := 0
		for _, p := range h.Flat.Points {
			if p[0] == p[0] {
				used++
			}
		}
		// 0.1 % of the triangles are dropped, and with them hardly a point.
		if n := len(h.Flat.Faces); n > flatFaces[i] || n < flatFaces[i]*995/1000 || used > flatPoints[i] || used < flatPoints[i]*995/1000 {
			t.Errorf("%s: the flat map has %d triangles and %d points, the file %d and %d", h.Name, n, used, flatFaces[i], flatPoints[i])
		}
		for _, tri := range h.Flat.Faces {
			for _, v := range tri {
				if p := h.Flat.Points[v]; p[0] != p[0] || p[2] != 0 {
					t.Fatalf("%s: vertex %d of the flat map lies at %v", h.Name, v, p)
				}
			}
		}
		mean := 0.0
		for _, p := range h.White.Points {
			mean += float64(p[0]) / float64(h.N())
		}
		if (mean < 0) != (i == 0) {
			t.Errorf("%s lies at x = %v", h.Name, mean)
		}
	}
}

func TestVisualAreas(t *testing.T) {
	fsys := os.DirFS(filepath.Join("..", "..", "testdata", "demo"))
	areas, err := VisualAreas(fsys)
	if err != nil {
		t.Fatal(err)
	}
	total, counts := 0, map[string][2]int{}
	for i, side := range Sides {
		l, err := LoadLabels(fsys, "rois/"+side+".glasser_360.annot")
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range areas {
			c := counts[a.Label]
			c[i] = len(l.Vertices(a.Label))
			counts[a.Label], total = c, total+c[i]
		}
	}
	if len(areas) != 30 || total != 2790 {
		t.Errorf("%d areas with %d vertices, want 30 with 2790", len(areas), total)
	}
	for name, want := range map[string][2]int{"V1": {284, 299}, "V2": {197, 185}, "V3": {100, 102}, "V4": {112, 107}, "FFC": {54, 54}, "PH": {66, 64}} {
		if counts[name] != want {
			t.Errorf("%s has %v vertices, want %v", name, counts[name], want)
		}
	}
}

func TestPositionCodeCoordinates(t *testing.T) {
	g := fsaverage5(t)
	var hemi []string
	var vertex []int32
	for _, h := range g.Hemis {
		for v := range h.N() {
			hemi, vertex = append(hemi, h.Name), append(vertex, int32(v))
		}
	}
	all, err := PositionCodeCoordinates(g, hemi, vertex)
	if err != nil {
		t.Fatal(err)
	}
	n := g.Hemis[0].N()
	_, left := rangeX(all[:n])
	right, end := rangeX(all[n:])
	// Half a diameter between the spheres; a vertex need not lie exactly at the sphere's extreme.
	if gap := right - left; math.Abs(float64(gap)-100) > 0.5 {
		t.Errorf("the spheres are %v mm apart, want 100", gap)
	}
	if math.Abs(float64(end)-400) > 1 {
		t.Errorf("the right sphere ends at %v, want about 400", end)
	}
	for i, p := range all[:n] {
		if p != g.Hemis[0].Sphere.Points[i] {
			t.Fatal("the left sphere was moved")
		}
	}
	// The shift is the whole spheres', whatever part is asked for.
	one, err := PositionCodeCoordinates(g, []string{"rh"}, []int32{77})
	if err != nil || one[0] != all[n+77] {
		t.Errorf("vertex 77 alone lies at %v, among all at %v (%v)", one, all[n+77], err)
	}
	for name, bad := range map[string]struct {
		hemi   string
		vertex int32
	}{"no hemisphere": {"", 0}, "beyond": {"lh", 10242}, "negative": {"rh", -1}} {
		var e *fault.Error
		if _, err := PositionCodeCoordinates(g, []string{bad.hemi}, []int32{bad.vertex}); !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Spheres that lie apart already stay.
	apart := &Geometry{Hemis: [2]*Hemisphere{{Sphere: octahedron(1)}, {Sphere: &Surface{Points: [][3]float32{{10, 0, 0}}}}}}
	if s := apart.RightShift(); s != 0 {
		t.Errorf("spheres that lie apart are shifted by %v", s)
	}
}

func TestAreas(t *testing.T) {
	s := octahedron(1)
	total := 0.0
	for v, a := range s.Areas() {
		// Four equilateral triangles of side sqrt(2), a third of each: 4/3 * sqrt(3)/2.
		if want := 4.0 / 3 * math.Sqrt(3) / 2; math.Abs(a-want) > 1e-12 { // float64 rounding
			t.Errorf("vertex %d has the area %v, want %v", v, a, want)
		}
		total += a
	}
	if want := 4 * math.Sqrt(3); math.Abs(total-want) > 1e-12 {
		t.Errorf("the area is %v, want %v", total, want)
	}
	h := fsaverage5(t).Hemis[0]
	total = 0
	for _, a := range h.Sphere.Areas() {
		total += a
	}
	// Chords cut a little off the sphere of radius 100.
	if want := 4 * math.Pi * 1e4; total > want || total < 0.998*want {
		t.Errorf("the sphere's area is %v mm², a sphere of radius 100 has %v", total, want)
	}
}

func TestNearOnAnOctahedron(t *testing.T) {
	s := octahedron(1)
	near, err := s.Near(context.Background(), []int32{4, 0, 5}, math.Inf(1))
	if err != nil {
		t.Fatal(err)
	}
	edge := float32(math.Sqrt2)
	want := [][]Near{
		{{0, 0}, {1, edge}, {2, 2 * edge}},
		{{1, 0}, {0, edge}, {2, edge}},
		{{2, 0}, {1, edge}, {0, 2 * edge}},
	}
	for i := range want {
		if !slices.Equal(near[i], want[i]) {
			t.Errorf("from member %d: %v, want %v", i, near[i], want[i])
		}
	}
	near, err = s.Near(context.Background(), []int32{4, 0, 5}, 1.5)
	if err != nil || len(near[0]) != 2 || len(near[1]) != 3 {
		t.Errorf("within 1.5: %v, %v", near, err)
	}
}

// floyd is every shortest path by the plainest of algorithms.
func floyd(s *Surface) [][]float64 {
	n := len(s.Points)
	d := make([][]float64, n)
	for i := range d {
		d[i] = make([]float64, n)
		for j := range d[i] {
			if i != j {
				d[i][j] = math.Inf(1)
			}
		}
	}
	for _, t := range s.Faces {
		for i, v := range t {
			w := t[(i+1)%3]
			d[v][w] = distance(s.Points[v], s.Points[w])
			d[w][v] = d[v][w]
		}
	}
	for k := range n {
		for i := range n {
			for j := range n {
				d[i][j] = min(d[i][j], d[i][k]+d[k][j])
			}
		}
	}
	return d
}

func TestNearEqualsFloyd(t *testing.T) {
	// The part of the white surface among the first 300 vertices' triangles' vertices is small enough.
	white := fsaverage5(t).Hemis[0].White
	keep := map[int32]int32{}
	part := &Surface{}
	for _, f := range white.Faces[:500] {
		var tri [3]int32
		for i, v := range f {
			if _, ok := keep[v]; !ok {
				keep[v] = int32(len(part.Points))
				part.Points = append(part.Points, white.Points[v])
			}
			tri[i] = keep[v]
		}
		part.Faces = append(part.Faces, tri)
	}
	want := floyd(part)
	set := []int32{}
	for v := range part.Points {
		if v%3 == 0 {
			set = append(set, int32(v))
		}
	}
	const limit = 40
	near, err := part.Near(context.Background(), set, limit)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range set {
		found := map[int32]float32{}
		for _, n := range near[i] {
			found[n.Index] = n.Distance
		}
		for j, w := range set {
			d, ok := found[int32(j)]
			if within := want[v][w] <= limit; within != ok {
				t.Fatalf("from %d to %d: %v mm, within %d: %v", v, w, want[v][w], limit, ok)
			} else if ok && math.Abs(float64(d)-want[v][w]) > 1e-5 { // float32 of up to 40
				t.Fatalf("from %d to %d: %v, want %v", v, w, d, want[v][w])
			}
		}
	}
}

// Along edges no path is shorter than the great circle but for chords; the bounds are those that the
// package comment states, measured on four times as many vertices.
func TestNearOnTheSphere(t *testing.T) {
	sphere := fsaverage5(t).Hemis[0].Sphere
	set := make([]int32, 642)
	for i := range set {
		set[i] = int32(i)
	}
	near, err := sphere.Near(context.Background(), set, 60)
	if err != nil {
		t.Fatal(err)
	}
	sum, n := 0.0, 0
	for i, list := range near {
		for _, m := range list[1:] {
			chord := distance(sphere.Points[set[i]], sphere.Points[set[m.Index]])
			arc := 200 * math.Asin(chord/200)
			ratio := float64(m.Distance) / arc
			if ratio < 0.998 || ratio > 1.24 {
				t.Fatalf("from %d to %d: %v mm along edges, %v along the sphere", i, m.Index, m.Distance, arc)
			}
			sum, n = sum+ratio, n+1
		}
	}
	if mean := sum / float64(n); mean < 1.07 || mean > 1.10 {
		t.Errorf("paths along edges are on average %v times the arcs", mean)
	}
}

func TestNearStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := octahedron(1).Near(ctx, []int32{0, 1}, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled search gave %v", err)
	}
}

func TestLoadSurfaceTellsByContent(t *testing.T) {
	fsys := fstest.MapFS{
		"gifti":   {Data: neuroiotest.File(t, "lh.octa.surf.gii")},
		"surface": {Data: neuroiotest.File(t, "lh.octa")},
		"curv":    {Data: neuroiotest.File(t, "lh.octa.curv")},
		"func":    {Data: neuroiotest.File(t, "lh.octa.func.gii.gz")},
		"text":    {Data: []byte("nothing")},
	}
	for _, name := range []string{"gifti", "surface"} {
		s, err := LoadSurface(fsys, name)
		if err != nil || len(s.Points) != 6 || len(s.Faces) != 8 || s.Points[1][0] != -50 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	for _, name := range []string{"curv", "func"} {
		if v, err := LoadValues(fsys, name); err != nil || len(v) != 6 || v[1] != -1.25 {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	for _, name := range []string{"text", "curv", "missing"} {
		_, err := LoadSurface(fsys, name)
		var e *fault.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkNear(b *testing.B) {
	white := fsaverage5(b).Hemis[0].White
	set := make([]int32, 1400)
	for i := range set {
		set[i] = int32(i * 7)
	}
	for b.Loop() {
		if _, err := white.Near(context.Background(), set, 40); err != nil {
			b.Fatal(err)
		}
	}
}
