package cortex

import (
	"math"
	"slices"

	"cortexmap/internal/fault"
)

// Neighbours lists the vertices that share an edge with each vertex, ascending, of the closed mesh.
func (h *Hemisphere) Neighbours() [][]int32 {
	for _, s := range []*Surface{h.White, h.Sphere, h.Pial, h.Inflated} {
		if s != nil {
			return s.Neighbours()
		}
	}
	return make([][]int32, h.N())
}

// Neighbours lists the vertices that share an edge with each vertex, ascending.
func (s *Surface) Neighbours() [][]int32 {
	n := len(s.Points)
	count := make([]int, n)
	for _, t := range s.Faces {
		for _, v := range t {
			count[v] += 2
		}
	}
	out := make([][]int32, n)
	all := make([]int32, 0, 6*len(s.Faces))
	for v, c := range count {
		out[v] = all[len(all) : len(all) : len(all)+c]
		all = all[:len(all)+c]
	}
	for _, t := range s.Faces {
		for i, v := range t {
			out[v] = append(out[v], t[(i+1)%3], t[(i+2)%3])
		}
	}
	for v := range out {
		slices.Sort(out[v])
		out[v] = slices.Compact(out[v])
	}
	return out
}

// Areas is the area in mm² that belongs to each vertex: a third of each of its triangles, 0 for a vertex
// of none. The sum is the surface's area.
func (s *Surface) Areas() []float64 {
	out := make([]float64, len(s.Points))
	for _, t := range s.Faces {
		third := triangleArea(s.Points[t[0]], s.Points[t[1]], s.Points[t[2]]) / 3
		for _, v := range t {
			out[v] += third
		}
	}
	return out
}

// triangleArea is half the length of the cross product of two sides.
func triangleArea(a, b, c [3]float32) float64 {
	var u, v [3]float64
	for i := range 3 {
		u[i], v[i] = float64(b[i])-float64(a[i]), float64(c[i])-float64(a[i])
	}
	x, y, z := u[1]*v[2]-u[2]*v[1], u[2]*v[0]-u[0]*v[2], u[0]*v[1]-u[1]*v[0]
	return math.Sqrt(x*x+y*y+z*z) / 2
}

// PositionCodeCoordinates are the coordinates that the position code is given: the two spheres side by
// side, as the paper has them (paper.md 1.2). With a and c the smallest and largest x of the whole left
// sphere, every x of the right one is shifted so that its smallest is a + 1.5 (c - a), unless it is at
// least so large already: for spheres of radius 100 that is a gap of 100 between them.
//
// hemi [V] is lh or rh, vertex [V] the vertex number; the result is [V] in mm. The shift depends on the
// spheres, not on which vertices are asked for. A hemisphere without a sphere, another name and a vertex
// that isn't there are faults.
func PositionCodeCoordinates(g *Geometry, hemi []string, vertex []int32) ([][3]float32, error) {
	if len(hemi) != len(vertex) {
		panic("cortex: PositionCodeCoordinates: hemi and vertex differ in length")
	}
	shift := g.RightShift()
	out := make([][3]float32, len(hemi))
	for i, name := range hemi {
		h := g.Hemi(name)
		if h == nil || h.Sphere == nil {
			return nil, fault.Inputf("unit %d lies on the hemisphere %q, of which %s has no sphere", i, name, g.Name)
		}
		v := vertex[i]
		if v < 0 || int(v) >= len(h.Sphere.Points) {
			return nil, fault.Inputf("unit %d lies at vertex %d of %s, which has %d", i, v, name, len(h.Sphere.Points))
		}
		out[i] = h.Sphere.Points[v]
		if name == Sides[1] {
			out[i][0] += shift
		}
	}
	return out, nil
}

// RightShift is what PositionCodeCoordinates adds to every x of the right sphere, in mm; 0 where one of
// the spheres isn't known.
func (g *Geometry) RightShift() float32 {
	left, right := g.Hemis[0], g.Hemis[1]
	if left == nil || right == nil || left.Sphere == nil || right.Sphere == nil || len(left.Sphere.Points) == 0 || len(right.Sphere.Points) == 0 {
		return 0
	}
	a, c := rangeX(left.Sphere.Points)
	lowest, _ := rangeX(right.Sphere.Points)
	return max(0, a+1.5*(c-a)-lowest)
}

func rangeX(points [][3]float32) (lo, hi float32) {
	lo, hi = points[0][0], points[0][0]
	for _, p := range points {
		lo, hi = min(lo, p[0]), max(hi, p[0])
	}
	return lo, hi
}
