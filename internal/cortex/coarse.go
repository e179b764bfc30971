package cortex

// Coarse is a nested geometry at a lower resolution: its first vertices, at most so many a hemisphere, with
// the triangles that are split in four to give the next finer mesh. A mesh that is not nested (its vertex
// count is not 10·4^k + 2), or that is small enough, comes back as it is. Name follows: fsaverage5, 6 or 7.
func (g *Geometry) Coarse(most int) *Geometry {
	n, halved := g.Hemis[0].N(), false
	for n > most && nested(n) {
		n, halved = (n-2)/4+2, true
	}
	if !halved || g.Hemis[1].N() != g.Hemis[0].N() {
		return g
	}
	out := &Geometry{Name: g.Name}
	for level, size := range map[string]int{"fsaverage5": 10242, "fsaverage6": 40962, "fsaverage4": 2562, "fsaverage3": 642} {
		if size == n {
			out.Name = level
		}
	}
	for i, h := range g.Hemis {
		out.Hemis[i] = h.coarse(n)
	}
	return out
}

// nested says whether n is 10·4^k + 2 for a k above 0.
func nested(n int) bool {
	n -= 2
	for n > 10 && n%4 == 0 {
		n /= 4
	}
	return n == 10
}

func (h *Hemisphere) coarse(n int) *Hemisphere {
	first := func(x []float32) []float32 {
		if x == nil {
			return nil
		}
		return x[:n]
	}
	c := &Hemisphere{Name: h.Name, Curv: first(h.Curv), Sulc: first(h.Sulc)}
	for _, s := range []struct {
		from *Surface
		into **Surface
	}{{h.White, &c.White}, {h.Pial, &c.Pial}, {h.Inflated, &c.Inflated}, {h.Sphere, &c.Sphere}, {h.Flat, &c.Flat}} {
		if s.from != nil {
			*s.into = s.from.coarse(n)
		}
	}
	return c
}

func (s *Surface) coarse(n int) *Surface {
	out := &Surface{Points: s.Points[:n], Faces: s.Faces}
	for size := len(s.Points); size > n; size = (size-2)/4 + 2 {
		out.Faces = merge(out.Faces, int32((size-2)/4+2))
	}
	return out
}

// merge finds the triangles of the next coarser mesh, of n vertices. Each was split in four by the middles of
// its edges; the triangle of the three middles stands for it, and each middle's two neighbours below n are
// the ends of its edge.
func merge(faces [][3]int32, n int32) [][3]int32 {
	ends := map[int32][2]int32{}
	note := func(middle, end int32) {
		e, ok := ends[middle]
		switch {
		case !ok:
			ends[middle] = [2]int32{end, -1}
		case e[0] != end:
			ends[middle] = [2]int32{e[0], end}
		}
	}
	for _, t := range faces {
		for e := range 3 {
			i, j := t[e], t[(e+1)%3]
			if i >= n && j < n {
				note(i, j)
			}
			if j >= n && i < n {
				note(j, i)
			}
		}
	}
	var out [][3]int32
	for _, t := range faces {
		if t[0] < n || t[1] < n || t[2] < n {
			continue
		}
		big := [3]int32{common(ends[t[0]], ends[t[1]]), common(ends[t[1]], ends[t[2]]), common(ends[t[2]], ends[t[0]])}
		if big[0] >= 0 && big[1] >= 0 && big[2] >= 0 {
			out = append(out, big)
		}
	}
	return out
}

// common is what two pairs share, -1 for nothing: at a flat map's cuts some triangles are gone.
func common(a, b [2]int32) int32 {
	for _, x := range a {
		if x >= 0 && (x == b[0] || x == b[1]) {
			return x
		}
	}
	return -1
}
