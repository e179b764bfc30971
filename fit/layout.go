package fit

import (
	"cmp"
	"slices"
)

// maxCell is how many vertices of a cell go through one Run: more don't make the product faster, fewer
// than about 200 make it slower.
const maxCell = 300

// layout is the vertices in the order of their cells, and who works on which.
type layout struct {
	order []int32   // [V] place → vertex; ties in vertex order
	jobs  []cellJob // in the order of places
	mine  [][]int   // [workers] indices into jobs
}

// cellJob is a run of places that read the same tokens.
type cellJob struct {
	from, to int      // places
	cell     int      // as in selection
	rows     [5]int64 // of the token table
}

func (j cellJob) len() int { return j.to - j.from }

// layoutOf sorts some vertices by cell; nil: all.
func layoutOf(s *selection, vertices []int32, workers int) *layout {
	l := &layout{order: vertices}
	if vertices == nil {
		l.order = make([]int32, len(s.cell))
		for v := range l.order {
			l.order[v] = int32(v)
		}
	} else {
		l.order = slices.Clone(vertices)
	}
	slices.SortStableFunc(l.order, func(a, b int32) int { return cmp.Compare(s.cell[a], s.cell[b]) })
	for from := 0; from < len(l.order); {
		cell := s.cell[l.order[from]]
		to := from
		for to < len(l.order) && s.cell[l.order[to]] == cell {
			to++
		}
		l.cut(from, to, int(cell), s.G)
		from = to
	}
	l.assign(workers)
	return l
}

// cut splits a cell's places evenly into jobs of at most maxCell.
func (l *layout) cut(from, to, cell, grid int) {
	n, parts := to-from, (to-from+maxCell-1)/maxCell
	for i := range parts {
		l.jobs = append(l.jobs, cellJob{from: from + n*i/parts, to: from + n*(i+1)/parts, cell: cell, rows: cellTokens(cell, grid)})
	}
}

// assign gives the jobs, largest first, to the worker with the least to do so far.
func (l *layout) assign(workers int) {
	bySize := make([]int, len(l.jobs))
	for i := range bySize {
		bySize[i] = i
	}
	slices.SortStableFunc(bySize, func(a, b int) int { return cmp.Compare(l.jobs[b].len(), l.jobs[a].len()) })
	l.mine = make([][]int, workers)
	load := make([]int, workers)
	for _, i := range bySize {
		w := slices.Index(load, slices.Min(load))
		l.mine[w] = append(l.mine[w], i)
		load[w] += l.jobs[i].len() + 20 // a Run costs about as much as 20 vertices, whatever it holds
	}
}

// gather puts rows of src, one a vertex, into dst in the order of places.
func (l *layout) gather(dst, src []float32, width int) {
	for i, v := range l.order {
		copy(dst[i*width:(i+1)*width], src[int(v)*width:(int(v)+1)*width])
	}
}

// scatter is the way back.
func (l *layout) scatter(dst, src []float32, width int) {
	for i, v := range l.order {
		copy(dst[int(v)*width:(int(v)+1)*width], src[i*width:(i+1)*width])
	}
}
