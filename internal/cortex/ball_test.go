package cortex

import (
	"math/rand/v2"
	"os"
	"testing"

	"cortexmap/internal/fault"
)

// TestBall: the nearest vertex is the one that looking at all of them finds, on an even sphere, on one with a dense
// patch and a hole, and on a few points.
func TestBall(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	anywhere := func() [3]float32 {
		return [3]float32{float32(random.NormFloat64()), float32(random.NormFloat64()), float32(random.NormFloat64())}
	}
	spheres := map[string][][3]float32{"even": load5(t).Hemis[0].Sphere.Points, "a point": {{0, 0, 100}}, "three": {anywhere(), anywhere(), anywhere()}}
	for range 2000 {
		p := anywhere()
		spheres["dense"] = append(spheres["dense"], [3]float32{p[0] / 50, p[1] / 50, 1})
	}
	for name, sphere := range spheres {
		b := NewBall(sphere)
		for range 300 {
			p := Direction(anywhere())
			best, top := int32(-1), -2.0
			for v, q := range b.points {
				if d := q[0]*p[0] + q[1]*p[1] + q[2]*p[2]; d > top {
					best, top = int32(v), d
				}
			}
			if got := b.Nearest(p); got != best {
				t.Fatalf("%s: the nearest to %v is %d (%v), found %d", name, p, best, top, got)
			}
		}
	}
	if v := NewBall(nil).Nearest([3]float64{1, 0, 0}); v != -1 {
		t.Errorf("no points, and %d is the nearest", v)
	}
}

// TestOnto: a coarser fsaverage has the first vertices; a surface of its own whose vertices are fsaverage's in another
// order gives that order back, and one without a hemisphere nothing there; a finer fsaverage is refused.
func TestOnto(t *testing.T) {
	coarse := load5(t)
	fine, err := coarse.Fine(40962)
	if err != nil {
		t.Fatal(err)
	}
	from, err := fine.Onto(coarse)
	if err != nil {
		t.Fatal(err)
	}
	for side := range from {
		for v, k := range from[side] {
			if k != int32(v) {
				t.Fatalf("vertex %d of %s takes its value from %d", v, Sides[side], k)
			}
		}
	}
	order := rand.New(rand.NewPCG(3, 4)).Perm(coarse.Hemis[1].N())
	own := &Geometry{Name: "own", Hemis: [2]*Hemisphere{{Name: "lh"}, {Name: "rh", Sphere: &Surface{Points: make([][3]float32, len(order))}}}}
	for v, k := range order {
		p := coarse.Hemis[1].Sphere.Points[k]
		own.Hemis[1].Sphere.Points[v] = [3]float32{2 * p[0], 2 * p[1], 2 * p[2]} // of another radius
	}
	if from, err = own.Onto(coarse); err != nil {
		t.Fatal(err)
	}
	for v, k := range from[1] {
		if order[k] != v || from[0][v] != -1 {
			t.Fatalf("vertex %d takes its value from %d, which is %d, and %d", v, k, order[k], from[0][v])
		}
	}
	if _, err := coarse.Onto(fine); fault.ClassOf(err) != fault.Input {
		t.Errorf("a finer surface: %v", err)
	}
}

func load5(t *testing.T) *Geometry {
	g, err := LoadFsaverage(os.DirFS("../../testdata/demo"), "fsaverage5")
	if err != nil {
		t.Fatal(err)
	}
	return g
}
