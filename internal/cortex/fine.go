package cortex

import (
	"math"

	"cortexmap/internal/fault"
)

// fsaverage lists the sizes of the nested surfaces, vertices a hemisphere.
var fsaverage = map[int]string{10242: "fsaverage5", 40962: "fsaverage6", 163842: "fsaverage7"}

// Fine is the geometry with at least so many vertices a hemisphere: every triangle is split in four by the
// middles of its edges, as often as needed, so fsaverage5 gives 6 and 7 (40,962 and 163,842 vertices).
//
// The vertices' numbers are fsaverage's own. Its meshes come from one recursive rule: triangle i of M, with the
// corners (v0, v1, v2), numbers the middles that are new in the order a = v0v2, c = v1v2, b = v0v1, and leaves
//
//	i          (v0, b, a)
//	M + 3i     (a, c, v2)
//	M + 3i + 1 (b, c, a)
//	M + 3i + 2 (b, v1, c)
//
// The rule gives fsaverage5's list of triangles from the icosahedron's twenty, exactly, at each of its five
// levels (a test holds that), and on the mesh of 163,842 vertices the published vertex lists of the medial
// wall and of cuts along sulci are each one connected patch. A mesh that the rule doesn't give is refused:
// its new vertices couldn't be numbered as anybody else's.
//
// Places are another matter. On a sphere the middles are put at their ends' mean distance from the centre,
// 0.005 mm from FreeSurfer's own points on average (measured from level 4 to 5). The other shapes get the plain middle: they are
// fsaverage5's folds with more points, good for drawing and for finding neighbours, not for measuring areas.
func (g *Geometry) Fine(least int) (*Geometry, error) {
	out := *g
	for i, h := range g.Hemis {
		for h != nil && h.N() < least {
			var err error
			if h, err = h.fine(); err != nil {
				return nil, err
			}
			out.Name = fsaverage[h.N()]
		}
		out.Hemis[i] = h
	}
	return &out, nil
}

// fine splits every triangle once.
func (h *Hemisphere) fine() (*Hemisphere, error) {
	n := h.N()
	if h.Sphere == nil || !nested(n) || !ruled(h.Sphere.Faces, n) {
		return nil, fault.Inputf("the surface %s of %d vertices is not numbered as fsaverage, so it can't be refined", h.Name, n).
			Remedy("give the fine surface itself")
	}
	faces, middles := split(h.Sphere.Faces, n)
	out := &Hemisphere{Name: h.Name, Curv: between(h.Curv, middles), Sulc: between(h.Sulc, middles)}
	for _, s := range []struct {
		from *Surface
		into **Surface
	}{{h.White, &out.White}, {h.Pial, &out.Pial}, {h.Inflated, &out.Inflated}, {h.Sphere, &out.Sphere}} {
		if s.from != nil {
			*s.into = &Surface{Points: s.from.middles(middles, s.from == h.Sphere), Faces: faces}
		}
	}
	if h.Flat != nil {
		out.Flat = h.Flat.fineFlat(n, faces, h.Sphere.Faces, middles)
	}
	return out, nil
}

// ruled says whether the rule of Fine gives these triangles of n vertices from a coarser mesh.
func ruled(faces [][3]int32, n int) bool {
	coarse := int32((n-2)/4 + 2)
	if len(faces)%4 != 0 {
		return false
	}
	sum := make([]int32, n) // of the two ends of a middle's edge: each edge from a middle to an end stands in one triangle
	for _, t := range faces {
		for k := range 3 {
			if m, v := t[k], t[(k+1)%3]; m >= coarse && v < coarse {
				sum[m] += v
			}
		}
	}
	parent := make([][3]int32, len(faces)/4)
	for i := range parent {
		t := faces[i]
		parent[i] = [3]int32{t[0], sum[t[1]] - t[0], sum[t[2]] - t[0]}
		for _, v := range parent[i] {
			if v < 0 || v >= coarse {
				return false
			}
		}
	}
	again, middles := split(parent, int(coarse))
	if int(coarse)+len(middles) != n {
		return false
	}
	for i, t := range again {
		if t != faces[i] {
			return false
		}
	}
	return true
}

// split is the rule: the triangles of the next finer mesh, and the two ends of each new vertex from n on.
func split(faces [][3]int32, n int) (fine [][3]int32, middles [][2]int32) {
	// The middles of the edges from a vertex to larger ones hang in a list that begins at first[vertex]-1.
	first, next := make([]int32, n), make([]int32, 0, 3*len(faces)/2)
	middle := func(x, y int32) int32 {
		x, y = min(x, y), max(x, y)
		for k := first[x] - 1; k >= 0; k = next[k] {
			if middles[k][1] == y {
				return int32(n) + k
			}
		}
		middles, next = append(middles, [2]int32{x, y}), append(next, first[x]-1)
		first[x] = int32(len(middles))
		return int32(n+len(middles)) - 1
	}
	m := len(faces)
	fine = make([][3]int32, 4*m)
	for i, t := range faces {
		a, c, b := middle(t[0], t[2]), middle(t[1], t[2]), middle(t[0], t[1])
		fine[i] = [3]int32{t[0], b, a}
		fine[m+3*i] = [3]int32{a, c, t[2]}
		fine[m+3*i+1] = [3]int32{b, c, a}
		fine[m+3*i+2] = [3]int32{b, t[1], c}
	}
	return fine, middles
}

// middles are the surface's points and those between; on a sphere they are lifted to it.
func (s *Surface) middles(edges [][2]int32, sphere bool) [][3]float32 {
	out := make([][3]float32, len(s.Points), len(s.Points)+len(edges))
	copy(out, s.Points)
	for _, e := range edges {
		p, q := s.Points[e[0]], s.Points[e[1]]
		m := [3]float32{(p[0] + q[0]) / 2, (p[1] + q[1]) / 2, (p[2] + q[2]) / 2}
		if sphere {
			scale := float32((length(p) + length(q)) / 2 / length(m))
			m = [3]float32{m[0] * scale, m[1] * scale, m[2] * scale}
		}
		out = append(out, m)
	}
	return out
}

func length(p [3]float32) float64 {
	x, y, z := float64(p[0]), float64(p[1]), float64(p[2])
	return math.Sqrt(x*x + y*y + z*z)
}

// between puts a value's mean between its two ends.
func between(values []float32, edges [][2]int32) []float32 {
	if values == nil {
		return nil
	}
	out := make([]float32, len(values), len(values)+len(edges))
	copy(out, values)
	for _, e := range edges {
		out = append(out, (values[e[0]]+values[e[1]])/2)
	}
	return out
}

// fineFlat splits the triangles that the flat map has; fine and closed are the closed mesh's before and after.
func (s *Surface) fineFlat(n int, fine, closed [][3]int32, edges [][2]int32) *Surface {
	have := make(map[[3]int32]bool, len(s.Faces))
	for _, t := range s.Faces {
		have[turned(t)] = true
	}
	out := &Surface{Points: s.middles(edges, false)}
	used := make([]bool, len(edges))
	m := len(closed)
	for i, t := range closed {
		if !have[turned(t)] {
			continue
		}
		for _, child := range [4]int{i, m + 3*i, m + 3*i + 1, m + 3*i + 2} {
			out.Faces = append(out.Faces, fine[child])
			for _, v := range fine[child] {
				if int(v) >= n {
					used[int(v)-n] = true
				}
			}
		}
	}
	nan := float32(math.NaN())
	for k, ok := range used {
		if !ok {
			out.Points[n+k] = [3]float32{nan, nan, nan}
		}
	}
	return out
}

// turned begins a triangle with its smallest vertex.
func turned(t [3]int32) [3]int32 {
	for t[0] > t[1] || t[0] > t[2] {
		t = [3]int32{t[1], t[2], t[0]}
	}
	return t
}
