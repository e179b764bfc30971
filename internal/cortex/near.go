package cortex

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Near is one vertex of a set that lies within reach of another.
type Near struct {
	Index    int32   // position in the set that was asked for
	Distance float32 // mm along edges
}

// Near finds, for each of a set of vertices, the members of the set that are at most limit mm away along
// the surface's edges: itself at 0, then the others by distance, equal ones by place in the set. Paths may
// leave the set. An infinite limit reaches everything that is connected.
//
// Dijkstra's algorithm from every member, on all processors; the work grows with the number of vertices
// within limit, not with the mesh. It panics if a vertex isn't there or is named twice.
func (s *Surface) Near(ctx context.Context, set []int32, limit float64) ([][]Near, error) {
	place := make([]int32, len(s.Points)) // place in the set, plus one
	for i, v := range set {
		if place[v] != 0 {
			panic("cortex: Near: a vertex is named twice")
		}
		place[v] = int32(i) + 1
	}
	out := make([][]Near, len(set))
	e := s.edges()
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			w := newWalker(e)
			for i := next.Add(1) - 1; i < int64(len(set)); i = next.Add(1) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				out[i] = w.from(set[i], limit, place)
			}
			return nil
		})
	}
	return out, g.Wait()
}

// edges are a surface's edges by vertex: those of v are to[start[v]:start[v+1]], length mm.
type edges struct {
	start  []int32
	to     []int32
	length []float64
}

func (s *Surface) edges() *edges {
	e := &edges{start: make([]int32, 1, len(s.Points)+1)}
	for v, near := range s.Neighbours() {
		for _, w := range near {
			e.to = append(e.to, w)
			e.length = append(e.length, distance(s.Points[v], s.Points[w]))
		}
		e.start = append(e.start, int32(len(e.to)))
	}
	return e
}

// walker holds one Dijkstra's state, cleaned after each source by what was touched.
type walker struct {
	*edges
	best    []float64 // per vertex; infinite: not reached
	touched []int32
	heap    []reach
}

type reach struct {
	d float64
	v int32
}

func newWalker(e *edges) *walker {
	w := &walker{edges: e, best: make([]float64, len(e.start)-1)}
	for i := range w.best {
		w.best[i] = math.Inf(1)
	}
	return w
}

// from gives the members of the set within limit of source; place is as in Near.
func (w *walker) from(source int32, limit float64, place []int32) []Near {
	var out []Near
	w.push(reach{0, source})
	for len(w.heap) > 0 {
		r := w.pop()
		if r.d > w.best[r.v] {
			continue // a shorter way was found after this one was pushed
		}
		if p := place[r.v]; p != 0 {
			out = append(out, Near{p - 1, float32(r.d)})
		}
		for k := w.start[r.v]; k < w.start[r.v+1]; k++ {
			if d := r.d + w.length[k]; d <= limit && d < w.best[w.to[k]] {
				w.push(reach{d, w.to[k]})
			}
		}
	}
	for _, v := range w.touched {
		w.best[v] = math.Inf(1)
	}
	w.touched = w.touched[:0]
	slices.SortFunc(out, func(a, b Near) int {
		switch {
		case a.Distance < b.Distance:
			return -1
		case a.Distance > b.Distance:
			return 1
		}
		return int(a.Index - b.Index)
	})
	return out
}

// push notes a better way to r.v and puts it onto the heap, smallest first.
func (w *walker) push(r reach) {
	if math.IsInf(w.best[r.v], 1) {
		w.touched = append(w.touched, r.v)
	}
	w.best[r.v] = r.d
	w.heap = append(w.heap, r)
	i := len(w.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if w.heap[up].d <= r.d {
			break
		}
		w.heap[i] = w.heap[up]
		i = up
	}
	w.heap[i] = r
}

func (w *walker) pop() reach {
	top := w.heap[0]
	last := len(w.heap) - 1
	r := w.heap[last]
	w.heap = w.heap[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			if last > 0 {
				w.heap[i] = r
			}
			return top
		}
		if down+1 < last && w.heap[down+1].d < w.heap[down].d {
			down++
		}
		if r.d <= w.heap[down].d {
			w.heap[i] = r
			return top
		}
		w.heap[i] = w.heap[down]
		i = down
	}
}
