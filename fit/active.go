package fit

import "slices"

// activeChunk is how many vertices of a cell go through one Run of the descent: fewer read fewer layers in
// common, and their products stay in a core's own cache; below about 100 the overhead of a Run shows.
const activeChunk = 160

// The descent's layout: within a cell the vertices are sorted by expected layer and cut into chunks, and a
// chunk leaves out the layers that its vertices hardly take. What a vertex loses is bounded: the layers left
// out have at most Settings.LayerTrace of its selector p together, so that its prediction (6) lacks at most
// that part, and so do the gradients by w, β, x and s. The selectors of the layers left out stay where they
// are, and are looked at anew with every step of the selectors.

// activeLayout sorts all vertices by cell and depth, and finds each chunk's layers. With trace 0 nothing is
// left out, and vertices keep their order within a cell.
func activeLayout(s *selection, trace float64, workers int) *layout {
	l := &layout{order: inCells(s, trace > 0)}
	l.eachCell(s, func(from, to, cell int) { l.cut(s, from, to, cell, activeChunk) })
	at := 0
	for i := range l.jobs {
		j := &l.jobs[i]
		j.layers = upTo[int32](s.L)
		if trace > 0 {
			j.layers = s.active(l.order[j.from:j.to], trace)
		}
		j.tokens = tokenRows(j.rows, j.layers, s.L)
		j.at = at
		at += j.len() * len(j.tokens)
	}
	l.assign(workers)
	return l
}

// inCells are the vertices in the order of their cells, within a cell by expected layer or as they are.
func inCells(s *selection, byDepth bool) []int32 {
	keys := make([]uint64, len(s.cell)) // cell, depth, vertex
	for v, cell := range s.cell {
		var depth float64
		if byDepth && s.L > 1 {
			for l, p := range s.layer[v*s.L : (v+1)*s.L] {
				depth += float64(l) * float64(p)
			}
			depth /= float64(s.L - 1)
		}
		keys[v] = uint64(cell)<<48 | uint64(min(max(depth, 0), 1)*0xffff)<<32 | uint64(v)
	}
	slices.Sort(keys)
	order := make([]int32, len(keys))
	for i, k := range keys {
		order[i] = int32(uint32(k))
	}
	return order
}

// active are the layers that some vertices can't do without, ascending: the others, taken from the least
// wanted up, have at most trace of any one vertex's selector.
func (s *selection) active(vertices []int32, trace float64) []int32 {
	most := make([]float32, s.L)
	for _, v := range vertices {
		for l, p := range s.layer[int(v)*s.L : int(v+1)*s.L] {
			most[l] = max(most[l], p)
		}
	}
	left := upTo[int32](s.L)
	slices.SortStableFunc(left, func(a, b int32) int {
		switch {
		case most[a] < most[b]:
			return -1
		case most[a] > most[b]:
			return 1
		}
		return 0
	})
	lost := make([]float64, len(vertices))
	for len(left) > 1 && s.lose(lost, vertices, left[0]) <= trace {
		left = left[1:]
	}
	slices.Sort(left)
	return left
}

// lose adds a layer's part of each vertex's selector to what it has lost, and returns the most that one has.
func (s *selection) lose(lost []float64, vertices []int32, layer int32) (most float64) {
	for i, v := range vertices {
		lost[i] += float64(s.layer[int(v)*s.L+int(layer)])
		most = max(most, lost[i])
	}
	return most
}

// tokenRows are the rows of the token table, seen as [tokens·L, C], that a chunk reads: of each of its cell's
// tokens the layers, in the order of the coefficients.
func tokenRows(rows []int64, layers []int32, total int) []int64 {
	out := make([]int64, 0, len(rows)*len(layers))
	for _, row := range rows {
		for _, l := range layers {
			out = append(out, row*int64(total)+int64(l))
		}
	}
	return out
}

// pick writes the coefficients [tokens, len(layers)] of some layers out of all [tokens, total], spread is the way
// back, with zeros for the others.
func pick(dst, all []float32, layers []int32, total int) {
	for k := range len(all) / total {
		for i, l := range layers {
			dst[k*len(layers)+i] = all[k*total+int(l)]
		}
	}
}

func spread(all, src []float32, layers []int32, total int) {
	clear(all)
	for k := range len(all) / total {
		for i, l := range layers {
			all[k*total+int(l)] = src[k*len(layers)+i]
		}
	}
}

// work is the part of the products with every layer that a layout leaves.
func (l *layout) work(layers int) float64 {
	var part, all float64
	for _, j := range l.jobs {
		part += float64(j.len() * len(j.layers))
		all += float64(j.len() * layers)
	}
	return part / all
}
