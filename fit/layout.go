package fit

import (
	"cmp"
	"slices"
)

// maxCell is how many vertices of a cell go through one Run where all layers are read.
const maxCell = 300

// layout is the vertices in the order of their cells, and who works on which.
type layout struct {
	order []int32   // [V] place → vertex; ties in vertex order
	jobs  []cellJob // in the order of places
	mine  [][]int   // [workers] indices into jobs
}

// cellJob is a run of places that read the same tokens.
type cellJob struct {
	from, to int     // places
	cell     int     // as in selection
	rows     []int64 // of the token table
	// Of the descent and the evaluator: the layers that are read, their rows in the table seen as
	// [tokens·L, C], and where the places' coefficients begin, [places, rows, layers] each.
	layers []int32
	tokens []int64
	at     int
}

func (j cellJob) len() int { return j.to - j.from }

// cost is what a Run takes, in vertices and layers (any unit will do): its products, and as much again as
// ten vertices whatever it holds.
func (j cellJob) cost() int { return (j.len() + 10) * max(len(j.layers), 1) }

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
	l.eachCell(s, func(from, to, cell int) { l.cut(s, from, to, cell, maxCell) })
	l.assign(workers)
	return l
}

// eachCell calls do with the places of every cell.
func (l *layout) eachCell(s *selection, do func(from, to, cell int)) {
	for from := 0; from < len(l.order); {
		cell := s.cell[l.order[from]]
		to := from
		for to < len(l.order) && s.cell[l.order[to]] == cell {
			to++
		}
		do(from, to, int(cell))
		from = to
	}
}

// cut splits a cell's places evenly into jobs of at most most.
func (l *layout) cut(s *selection, from, to, cell, most int) {
	n, parts := to-from, (to-from+most-1)/most
	for i := range parts {
		l.jobs = append(l.jobs, cellJob{from: from + n*i/parts, to: from + n*(i+1)/parts, cell: cell, rows: s.tokens(cell)})
	}
}

// assign gives the jobs, largest first, to the worker with the least to do so far.
func (l *layout) assign(workers int) {
	bySize := upTo[int](len(l.jobs))
	slices.SortStableFunc(bySize, func(a, b int) int { return cmp.Compare(l.jobs[b].cost(), l.jobs[a].cost()) })
	l.mine = make([][]int, workers)
	load := make([]int, workers)
	for _, i := range bySize {
		w := slices.Index(load, slices.Min(load))
		l.mine[w] = append(l.mine[w], i)
		load[w] += l.jobs[i].cost()
	}
	for _, jobs := range l.mine {
		slices.Sort(jobs) // neighbouring cells share tokens, which are then still in the cache
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
