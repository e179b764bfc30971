package draw

import (
	"math"

	"cortexmap/internal/cortex"
)

// Outline is a region whose border and name are drawn.
type Outline struct {
	Name string
	In   [2][]bool // lh, rh: is a vertex of the full surface inside; nil: nothing on this side
}

const (
	smoothing = 3  // rounds of averaging before a border is traced
	island    = 10 // smaller pieces of a region have no border
)

// field is an ROI as numbers 0..1 whose level 0.5 is a smooth border.
func field(in []bool, neighbours [][]int32) []float64 {
	in = withoutIslands(in, neighbours)
	g := make([]float64, len(in))
	var near []int32 // what averaging can reach
	for i, d := range steps(in, neighbours, smoothing) {
		if d >= 0 {
			near = append(near, int32(i))
		}
		if d == 0 {
			g[i] = 1
		}
	}
	next := make([]float64, len(g))
	for range smoothing {
		for _, i := range near {
			sum := 0.0
			for _, j := range neighbours[i] {
				sum += g[j]
			}
			next[i] = g[i]
			if n := len(neighbours[i]); n > 0 {
				next[i] = (g[i] + sum/float64(n)) / 2
			}
		}
		g, next = next, g
	}
	return g
}

// withoutIslands leaves the pieces of at least ten connected vertices, or the region as it is if it has
// none of that size.
func withoutIslands(in []bool, neighbours [][]int32) []bool {
	out := make([]bool, len(in))
	seen := make([]bool, len(in))
	kept := false
	for start := range in {
		if !in[start] || seen[start] {
			continue
		}
		piece := []int32{int32(start)}
		seen[start] = true
		for k := 0; k < len(piece); k++ {
			for _, j := range neighbours[piece[k]] {
				if in[j] && !seen[j] {
					seen[j] = true
					piece = append(piece, j)
				}
			}
		}
		if len(piece) >= island {
			kept = true
			for _, i := range piece {
				out[i] = true
			}
		}
	}
	if !kept {
		return in
	}
	return out
}

// crossed are the triangles that the level 0.5 of g runs through.
func crossed(faces [][3]int32, g []float64) (out [][3]int32) {
	for _, t := range faces {
		if in := g[t[0]] >= 0.5; in != (g[t[1]] >= 0.5) || in != (g[t[2]] >= 0.5) {
			out = append(out, t)
		}
	}
	return out
}

// crossing is a point of a border: on the edge between two vertices.
type crossing struct{ i, j int32 }

// border traces the level 0.5 of g over a projected surface, where it can be seen, as polylines in samples.
func border(faces [][3]int32, s []vec, g []float64, normal []vec, toward vec, f *frame, bias float64) [][]vec {
	at := map[crossing]vec{}
	next := map[crossing][]crossing{}
	var order []crossing
	for _, t := range faces {
		if normal != nil && normal[t[0]].dot(toward) < 0.1 {
			continue // near the silhouette the bias would let hidden lines through
		}
		a, b, ok := cross(t, s, g, at)
		if !ok || !f.seen(at[a], bias) || !f.seen(at[b], bias) {
			continue
		}
		next[a], next[b] = append(next[a], b), append(next[b], a)
		order = append(order, a, b)
	}
	return chain(order, at, next)
}

// cross finds the two edges of t that the level crosses and notes where.
func cross(t [3]int32, s []vec, g []float64, at map[crossing]vec) (a, b crossing, ok bool) {
	if in := g[t[0]] >= 0.5; in == (g[t[1]] >= 0.5) && in == (g[t[2]] >= 0.5) {
		return a, b, false
	}
	var found []crossing
	for e := range 3 {
		i, j := t[e], t[(e+1)%3]
		if (g[i] >= 0.5) == (g[j] >= 0.5) {
			continue
		}
		c := edgeOf(t, e)
		u := (0.5 - g[c.i]) / (g[c.j] - g[c.i])
		at[c] = s[c.i].mul(1 - u).add(s[c.j].mul(u))
		found = append(found, c)
	}
	if len(found) != 2 || math.IsNaN(at[found[0]][0]) || math.IsNaN(at[found[1]][0]) {
		return a, b, false
	}
	return found[0], found[1], true
}

// seen says whether nothing lies more than bias samples before a point.
func (f *frame) seen(p vec, bias float64) bool {
	x, y := int(p[0]), int(p[1])
	if x < 0 || y < 0 || x >= f.w || y >= f.h {
		return false
	}
	return p[2]+bias >= float64(f.depth[y*f.w+x])
}

// chain joins segments to polylines: first from loose ends, then the closed ones. It walks in the given
// order, so that the same border always gives the same lines.
func chain(order []crossing, at map[crossing]vec, next map[crossing][]crossing) [][]vec {
	var lines [][]vec
	follow := func(c crossing) {
		line := []vec{at[c]}
		for len(next[c]) > 0 {
			d := next[c][0]
			next[c] = next[c][1:]
			next[d] = without(next[d], c)
			line = append(line, at[d])
			c = d
		}
		lines = append(lines, line)
	}
	for _, ends := range []bool{true, false} {
		for _, c := range order {
			if n := len(next[c]); n == 1 || !ends && n > 0 {
				follow(c)
			}
		}
	}
	return lines
}

func without(list []crossing, c crossing) []crossing {
	for k, x := range list {
		if x == c {
			return append(append([]crossing(nil), list[:k]...), list[k+1:]...)
		}
	}
	return list
}

// rim marks the vertices on a surface's own boundary, and those in none of its triangles. A closed mesh has none,
// a flat map its cuts. Around a vertex that is not on it, triangles and neighbours are equally many.
func rim(s *cortex.Surface) []bool {
	triangles := make([]int, len(s.Points))
	for _, t := range s.Faces {
		for _, i := range t {
			triangles[i]++
		}
	}
	out := make([]bool, len(s.Points))
	for i, around := range s.Neighbours() {
		out[i] = len(around) != triangles[i] || len(around) == 0
	}
	return out
}

// edgeOf is the e-th edge of a triangle, the smaller vertex first.
func edgeOf(t [3]int32, e int) crossing {
	i, j := t[e], t[(e+1)%3]
	return crossing{min(i, j), max(i, j)}
}

// anchor finds where a region's name is written: at that visible vertex of it which is farthest, in the
// picture, from anything that is not the region (other vertices, the surface's rim, what is hidden). wide is
// how far the region's visible part reaches to both sides. It says false if nothing of it is seen.
func anchor(region []int32, visible, rim []bool, around [][]int32, s []vec) (at vec, wide float64, ok bool) {
	var inside, border []int32
	is := make(map[int32]bool, len(region)) // inside
	for _, i := range region {
		switch {
		case !visible[i]:
		case rim[i]:
			border = append(border, i)
		default:
			inside, is[i] = append(inside, i), true
		}
	}
	for _, i := range inside {
		for _, j := range around[i] {
			if !is[j] {
				border = append(border, j)
			}
		}
	}
	best, x0, x1 := math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, i := range inside {
		x0, x1 = math.Min(x0, s[i][0]), math.Max(x1, s[i][0])
		room := math.Inf(1)
		for _, j := range border {
			dx, dy := s[i][0]-s[j][0], s[i][1]-s[j][1]
			if room = min(room, dx*dx+dy*dy); room <= best {
				break
			}
		}
		if room > best {
			best, at, ok = room, s[i], true
		}
	}
	return at, x1 - x0, ok
}
