package analyze

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"

	"cortexmap/internal/cortex"
	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// Field gives 95 % spatial intervals of weighted sums over a mapping's vertices:
//
//	Σ a_v y_v ± 1.96 √(aᵀΣa)
//
// Σ is a covariance over the distance along the white surface, estimated by stats.Spatial from the residuals
// of y around its line along the hierarchy, within each hemisphere. At most 800 vertices a hemisphere
// carry the smooth part of Σ; of more, those that share a cell of a grid in space stand for each other (their
// weights are added), while the nugget is summed over all. Within a cell vertices are not copies of each other: there
// Σ_ij is that of their own distance, straight through space. A map with the same value everywhere has an
// interval of no width; without a surface, or with fewer than ten vertices, bounds are NaN.
type Field struct {
	place  []float64 // [V] x of each vertex's level, the mean of them for those in none
	hemi   []int     // [V]
	stand  []int     // [V] the vertex that stands for it
	mates  [][]mate  // [V] the vertices behind it in its cell
	kept   []int     // the vertices that stand for others, by hemisphere
	rank   []int     // [V] place of a kept vertex in its hemisphere's distances; −1 for others
	way    [2][][]float32
	off    bool // no surface, or BoundsSubjects: no bounds
	mu     sync.Mutex
	fitted map[string]*fitted // by the vertices that have the number
	models map[string]*model
}

// mate is another vertex of a vertex's cell.
type mate struct {
	at       int
	distance float32 // mm, straight
}

// fitted is the arithmetic for one set of vertices.
type fitted struct {
	at      []int       // kept vertices that have the number
	rank    map[int]int // the other way round
	spatial *stats.Spatial
}

// model is a covariance fitted to one quantity.
type model struct {
	*fitted
	covariance stats.Covariance
	smooth     stats.Covariance // without the nugget
}

// most is how many vertices a hemisphere carry the smooth part.
const most = 800

// least is the number of vertices below which no covariance is estimated.
const least = 10

// NewField measures the distances between a mapping's fitted vertices. A nil geometry, or one that lacks a white
// surface, gives a Field without bounds, and so does BoundsSubjects.
func NewField(ctx context.Context, in Input) (*Field, error) { return newField(ctx, in, most) }

// newField lets at most so many vertices of a hemisphere carry the smooth part.
func newField(ctx context.Context, in Input, limit int) (*Field, error) {
	m := in.Mapping
	f := &Field{fitted: map[string]*fitted{}, models: map[string]*model{}}
	if f.off = in.Bounds == BoundsSubjects || !Placed(in.Geometry, in.Mapping) || slices.ContainsFunc(in.Geometry.Hemis[:], unmeasured); f.off {
		return f, nil
	}
	n := len(m.Vertices)
	f.place, f.hemi, f.stand, f.rank, f.mates = levelPlaces(in), make([]int, n), make([]int, n), make([]int, n), make([][]mate, n)
	for side, h := range in.Geometry.Hemis {
		var at []int
		for i := range m.Vertices {
			if cortex.Side(m.Vertices[i].Hemi) == side && m.Vertices[i].Fitted {
				at = append(at, i)
				f.hemi[i] = side
			}
		}
		if len(at) == 0 {
			continue
		}
		kept := f.thin(m, h.White, at, limit)
		f.pair(m, h.White, at)
		f.kept = append(f.kept, kept...)
		if err := f.measure(ctx, m, side, h.White, kept); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// unmeasured says whether distances along the cortex of a hemisphere with vertices are unknown.
func unmeasured(h *cortex.Hemisphere) bool { return h.N() > 0 && h.White == nil }

// levelPlaces are the vertices' places along the hierarchy.
func levelPlaces(in Input) []float64 {
	out := make([]float64, len(in.Mapping.Vertices))
	var known []float64
	for i := range out {
		out[i] = nan
		for k, l := range in.Hierarchy.Levels {
			for _, roi := range l.ROIs {
				if In(&in.Mapping.Vertices[i], roi) && len(in.Hierarchy.Levels) > 1 {
					out[i] = in.Hierarchy.Place(k)
				}
			}
		}
		if !math.IsNaN(out[i]) {
			known = append(known, out[i])
		}
	}
	middle := stats.Mean(known)
	for i, x := range out {
		switch {
		case len(known) == 0:
			out[i] = 0
		case math.IsNaN(x):
			out[i] = middle
		}
	}
	return out
}

// thin chooses the vertices that stand for others: one a cell of a cubic grid whose cells grow until there
// are few enough.
func (f *Field) thin(m *store.Mapping, s *cortex.Surface, at []int, limit int) []int {
	for edge := 0.0; ; edge = math.Max(1, 1.15*edge) { // mm; 0: every vertex by itself
		cells := map[[3]int]int{}
		var kept []int
		for _, i := range at {
			f.stand[i] = i
			if edge > 0 {
				cell := [3]int{}
				for k, x := range s.Points[m.Vertices[i].Vertex] {
					cell[k] = int(math.Floor(float64(x) / edge))
				}
				first, ok := cells[cell]
				if !ok {
					first = i
					cells[cell] = i
				}
				f.stand[i] = first
			}
			if f.stand[i] == i {
				kept = append(kept, i)
			}
		}
		if len(kept) <= limit {
			return kept
		}
	}
}

// pair finds the vertices that share a cell.
func (f *Field) pair(m *store.Mapping, s *cortex.Surface, at []int) {
	cells := map[int][]int{}
	for _, i := range at {
		for _, j := range cells[f.stand[i]] {
			p, q := s.Points[m.Vertices[j].Vertex], s.Points[m.Vertices[i].Vertex]
			d := math.Sqrt(math.Pow(float64(p[0]-q[0]), 2) + math.Pow(float64(p[1]-q[1]), 2) + math.Pow(float64(p[2]-q[2]), 2))
			f.mates[j] = append(f.mates[j], mate{i, float32(d)})
		}
		cells[f.stand[i]] = append(cells[f.stand[i]], i)
	}
}

// measure fills the distances between the kept vertices of a hemisphere.
func (f *Field) measure(ctx context.Context, m *store.Mapping, side int, s *cortex.Surface, kept []int) error {
	set := make([]int32, len(kept))
	for k, i := range kept {
		set[k], f.rank[i] = m.Vertices[i].Vertex, k
	}
	near, err := s.Near(ctx, set, math.Inf(1))
	if err != nil {
		return err
	}
	f.way[side] = make([][]float32, len(kept))
	for k, list := range near {
		row := make([]float32, len(kept))
		for j := range row {
			row[j] = float32(math.Inf(1))
		}
		for _, n := range list {
			row[n.Index] = n.Distance
		}
		f.way[side][k] = row
	}
	return nil
}

// of prepares (once) the arithmetic for the kept vertices where y is a number.
func (f *Field) of(y []float64) *fitted {
	var at []int
	mask := make([]byte, len(f.kept))
	for k, i := range f.kept {
		if !math.IsNaN(y[i]) {
			at = append(at, i)
			mask[k] = 1
		}
	}
	key := string(mask)
	if g, ok := f.fitted[key]; ok {
		return g
	}
	g := &fitted{at: at, rank: map[int]int{}}
	if len(at) >= least {
		place, group := make([]float64, len(at)), make([]int, len(at))
		for k, i := range at {
			place[k], group[k], g.rank[i] = f.place[i], f.hemi[i], k
		}
		g.spatial = stats.NewSpatial(place, group, func(i, j int) float64 {
			return float64(f.way[group[i]][f.rank[at[i]]][f.rank[at[j]]])
		})
	}
	f.fitted[key] = g
	return g
}

// model fits (once) the covariance of a quantity.
func (f *Field) model(name string, y []float64) *model {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m, ok := f.models[name]; ok {
		return m
	}
	m := &model{fitted: f.of(y)}
	if m.spatial != nil {
		x := make([]float64, len(m.at))
		for k, i := range m.at {
			x[k] = y[i]
		}
		m.covariance = m.spatial.Fit(x)
		m.smooth = m.covariance
		m.smooth.Nugget = 0
	}
	f.models[name] = m
	return m
}

// fork is a Field of the same vertices for another goroutine, which fits its own covariances.
func (f *Field) fork() *Field {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &Field{place: f.place, hemi: f.hemi, stand: f.stand, kept: f.kept, rank: f.rank, mates: f.mates, way: f.way, off: f.off, fitted: maps.Clone(f.fitted), models: map[string]*model{}}
}

// interval is the weighted sum of a quantity [V] with its bounds. name tells quantities apart: the covariance
// is fitted once for each.
func (f *Field) interval(name string, y []float64, w []weight) stats.Interval {
	out := stats.Interval{Estimate: nan, Lo: nan, Hi: nan}
	if len(w) == 0 {
		return out
	}
	out.Estimate = 0
	for _, v := range w {
		out.Estimate += v.w * y[v.at]
	}
	if f.off {
		return out
	}
	m := f.model(name, y)
	if m.spatial == nil {
		return out
	}
	a, own := make([]float64, len(m.at)), 0.0
	for _, v := range w {
		k, ok := m.rank[f.stand[v.at]]
		if !ok {
			return out // what stands for it has no number: rather no bounds than wrong ones
		}
		a[k] += v.w
		own += v.w * v.w
	}
	variance := m.spatial.Variance(m.smooth, a) + m.covariance.Nugget*own - f.apart(m.smooth, w)
	half := stats.NormalQuantile(0.975) * math.Sqrt(max(0, variance))
	out.Lo, out.Hi = out.Estimate-half, out.Estimate+half
	return out
}

// apart is what the smooth variance has too much because vertices of a cell stand for each other as copies:
// 2 Σ w_i w_j (1 − ρ(d_ij)) sill over the pairs of each cell.
func (f *Field) apart(c stats.Covariance, w []weight) float64 {
	of := make([]float64, len(f.stand))
	for _, v := range w {
		of[v.at] += v.w
	}
	sum := 0.0
	for _, v := range w {
		for _, o := range f.mates[v.at] {
			if of[o.at] != 0 {
				sum += 2 * v.w * of[o.at] * (1 - c.Correlation(float64(o.distance)))
			}
		}
	}
	return c.Sill * sum
}

// spread is the standard deviation √(sill + nugget) of a single vertex around the map's line, NaN where no
// covariance is known.
func (f *Field) spread(name string, y []float64) float64 {
	if f.off {
		return nan
	}
	m := f.model(name, y)
	if m.spatial == nil {
		return nan
	}
	return math.Sqrt(m.covariance.Sill + m.covariance.Nugget)
}

// mean is the mean of a quantity over some vertices, those without the number left out.
func (f *Field) mean(name string, y []float64, at []int) stats.Interval {
	_, at = pick(y, at)
	w := make([]weight, len(at))
	for k, i := range at {
		w[k] = weight{i, 1 / float64(len(at))}
	}
	return f.interval(name, y, w)
}
