package cortex

import (
	"os"
	"testing"
)

// TestCoarse: fsaverage5 halved is fsaverage4, a closed mesh of 2,562 vertices whose triangles are turned
// outwards and as large as the four that they stand for.
func TestCoarse(t *testing.T) {
	g, err := LoadDemo(os.DirFS("../../testdata/demo"))
	if err != nil {
		t.Fatal(err)
	}
	if same := g.Coarse(10242); same != g {
		t.Error("a geometry that is coarse enough is not itself")
	}
	c := g.Coarse(5000)
	if c.Name != "fsaverage4" {
		t.Errorf("its name is %s", c.Name)
	}
	for side, h := range c.Hemis {
		if h.N() != 2562 || len(h.White.Faces) != 5120 || len(h.Curv) != 2562 {
			t.Fatalf("%s: %d vertices, %d triangles, %d curvatures; want 2562, 5120, 2562", h.Name, h.N(), len(h.White.Faces), len(h.Curv))
		}
		edges := map[[2]int32]int{}
		for _, f := range h.Sphere.Faces {
			for e := range 3 {
				edges[[2]int32{f[e], f[(e+1)%3]}]++
			}
			a, b, d := h.Sphere.Points[f[0]], h.Sphere.Points[f[1]], h.Sphere.Points[f[2]]
			var u, v [3]float64
			for k := range 3 {
				u[k], v[k] = float64(b[k]-a[k]), float64(d[k]-a[k])
			}
			n := [3]float64{u[1]*v[2] - u[2]*v[1], u[2]*v[0] - u[0]*v[2], u[0]*v[1] - u[1]*v[0]}
			if n[0]*float64(a[0])+n[1]*float64(a[1])+n[2]*float64(a[2]) <= 0 {
				t.Fatalf("%s: triangle %v is turned inwards", h.Name, f)
			}
		}
		for e, n := range edges {
			if n != 1 || edges[[2]int32{e[1], e[0]}] != 1 {
				t.Fatalf("%s: edge %v has %d and %d triangles, want one on each side", h.Name, e, n, edges[[2]int32{e[1], e[0]}])
			}
		}
		if n, full := len(h.Flat.Faces), len(g.Hemis[side].Flat.Faces); 4*n < full*9/10 || 4*n > full*11/10 {
			t.Errorf("%s: the flat map has %d triangles, a quarter of %d is wanted, but for the cuts", h.Name, n, full)
		}
	}
}
