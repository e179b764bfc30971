package cortex

import "math"

// maxStretch is how much longer than on the white surface an edge of a flat map may be. In fsaverage5's
// map 0.1 % of the triangles reach across a cut with edges stretched up to 33 times, where the 99th
// percentile is 1.9.
const maxStretch = 4

// CleanFlat keeps of a flat map what can be drawn: triangles that lie face up (positive area) in the plane
// z = 0 and have no edge stretched more than 4 times against white. Points that no kept triangle names
// become NaN; the numbering stays. The surfaces given are not changed.
func CleanFlat(flat, white *Surface) *Surface {
	out := &Surface{Points: make([][3]float32, len(flat.Points))}
	used := make([]bool, len(flat.Points))
	for _, t := range flat.Faces {
		if !lies(flat, white, t) {
			continue
		}
		out.Faces = append(out.Faces, t)
		for _, v := range t {
			used[v] = true
		}
	}
	nan := float32(math.NaN())
	for v, p := range flat.Points {
		if !used[v] {
			p = [3]float32{nan, nan, nan}
		}
		out.Points[v] = p
	}
	return out
}

// lies says whether a triangle of a flat map is sound.
func lies(flat, white *Surface, t [3]int32) bool {
	a, b, c := flat.Points[t[0]], flat.Points[t[1]], flat.Points[t[2]]
	if a[2] != 0 || b[2] != 0 || c[2] != 0 {
		return false
	}
	area := float64(b[0]-a[0])*float64(c[1]-a[1]) - float64(c[0]-a[0])*float64(b[1]-a[1])
	if !(area > 0) {
		return false
	}
	for i, v := range t {
		w := t[(i+1)%3]
		if distance(flat.Points[v], flat.Points[w]) > maxStretch*distance(white.Points[v], white.Points[w]) {
			return false
		}
	}
	return true
}

func distance(a, b [3]float32) float64 {
	x, y, z := float64(a[0])-float64(b[0]), float64(a[1])-float64(b[1]), float64(a[2])-float64(b[2])
	return math.Sqrt(x*x + y*y + z*z)
}
