package analyze

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"cortexmap/internal/cortex"
	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// Spin is how alike two maps of one cortex are, tested against rotations of one of them over the sphere
// (Alexander-Bloch et al. 2018): maps are smooth, so vertices are not independent, and the correlation's own p is far
// too small.
//
//	y'_i = y_j,  j the vertex nearest to Qᵀ s_i           s the sphere's points, Q a rotation drawn uniformly
//	p    = (1 + #{|r'| ≥ |r|}) / (1 + n)
//
// The right hemisphere turns by M Q M, M = diag(−1, 1, 1): as the left one in a mirror. A vertex that gets the value
// of one without data (the medial wall, outside of the mask) is left out of that draw; a draw of which less than a
// tenth of the pairs remain, or less than twenty, is drawn anew, so a small mask is tested against few and rough draws and the
// test is careful there.
type Spin struct {
	R      float64 // Pearson over the vertices that have both numbers
	N      int     // those vertices
	Draws  int
	Null   Interval // its mean and the middle 95 %
	P      float64
	Reason string
}

// spinLeast is how many vertices there must be, also after turning.
const spinLeast = 20

// spinTries is how many rotations are tried for each draw before there is no test.
const spinTries = 50

// SpinTest compares two numbers of the units [V].
func SpinTest(ctx context.Context, g *cortex.Geometry, m *store.Mapping, x, y []float64, draws int, seed uint64) (Spin, error) {
	s := Spin{R: stats.Pearson(x, y), Null: Interval{Estimate: nan, Lo: nan, Hi: nan}, P: nan}
	for i := range x {
		if !math.IsNaN(x[i]) && !math.IsNaN(y[i]) {
			s.N++
		}
	}
	switch {
	case !Placed(g, m) || g.Hemis[0].Sphere == nil || g.Hemis[1].Sphere == nil:
		s.Reason = "the units have no place on a sphere"
		return s, nil
	case math.IsNaN(s.R):
		s.Reason = "one of the maps is constant, or they share fewer than two vertices"
		return s, nil
	}
	if s.N < spinLeast {
		s.Reason = fmt.Sprintf("%d vertices have both numbers, %d are needed", s.N, spinLeast)
		return s, nil
	}
	ball := newBall(g, m)
	random := rand.New(rand.NewPCG(seed, 0x7370696e)) // "spin": a stream of its own
	least := max(spinLeast, s.N/10)
	var null []float64
	for try := 0; len(null) < draws && try < draws*spinTries; try++ {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		turned := ball.turn(rotation(random), y)
		n := 0
		for i, v := range turned {
			if !math.IsNaN(v) && !math.IsNaN(x[i]) {
				n++
			}
		}
		if n < least {
			continue
		}
		if r := stats.Pearson(x, turned); !math.IsNaN(r) {
			null = append(null, r)
		}
	}
	if s.Draws = len(null); s.Draws < draws {
		s.Reason = "the mask is too small: rotations leave too few vertices that have both numbers"
		return s, nil
	}
	q := stats.Quantiles(null, 0.025, 0.975)
	s.Null = Interval{Estimate: stats.Mean(null), Lo: q[0], Hi: q[1]}
	for i := range null {
		null[i] = math.Abs(null[i])
	}
	s.P = stats.PermutationP(math.Abs(s.R), null)
	return s, nil
}

// rotation is drawn uniformly: the unit quaternion of four normal numbers.
func rotation(random *rand.Rand) (q [3][3]float64) {
	var u [4]float64
	norm := 0.0
	for k := range u {
		u[k] = random.NormFloat64()
		norm += u[k] * u[k]
	}
	for k := range u {
		u[k] /= math.Sqrt(norm)
	}
	a, b, c, d := u[0], u[1], u[2], u[3]
	return [3][3]float64{
		{1 - 2*(c*c+d*d), 2 * (b*c - a*d), 2 * (b*d + a*c)},
		{2 * (b*c + a*d), 1 - 2*(b*b+d*d), 2 * (c*d - a*b)},
		{2 * (b*d - a*c), 2 * (c*d + a*b), 1 - 2*(b*b+c*c)},
	}
}

// ball finds the vertex of a sphere that is nearest to a point, by cells of a cubic grid.
type ball struct {
	side   []int    // [V] hemisphere of each unit
	unit   [2][]int // [N] the unit at a vertex, −1 for none
	points [2][][3]float64
	at     [][3]float64 // [V] the units' points, on the unit sphere
	side3  int          // cells along an axis
	start  [2][]int32   // [cells + 1] where a cell's vertices begin
	list   [2][]int32
	edge   float64
}

func newBall(g *cortex.Geometry, m *store.Mapping) *ball {
	b := &ball{side: make([]int, len(m.Vertices)), at: make([][3]float64, len(m.Vertices))}
	n := g.Hemis[0].N()
	b.edge = 2 * math.Sqrt(4*math.Pi/float64(n)) // two vertices' distance: the 27 cells around a point always hold one
	b.side3 = int(2/b.edge) + 4                  // one cell more on either side
	for side, h := range g.Hemis {
		b.unit[side] = make([]int, h.N())
		count := make([]int32, b.side3*b.side3*b.side3+1)
		for v, p := range h.Sphere.Points {
			b.unit[side][v] = -1
			b.points[side] = append(b.points[side], sphere(p))
			count[b.cell(b.points[side][v])+1]++
		}
		for c := 1; c < len(count); c++ {
			count[c] += count[c-1]
		}
		b.start[side], b.list[side] = count, make([]int32, h.N())
		next := slices.Clone(count)
		for v, p := range b.points[side] {
			c := b.cell(p)
			b.list[side][next[c]] = int32(v)
			next[c]++
		}
	}
	for i := range m.Vertices {
		v := &m.Vertices[i]
		side := cortex.Side(v.Hemi)
		b.side[i], b.at[i] = side, b.points[side][v.Vertex]
		b.unit[side][v.Vertex] = i
	}
	return b
}

func sphere(p [3]float32) [3]float64 {
	x, y, z := float64(p[0]), float64(p[1]), float64(p[2])
	n := math.Sqrt(x*x + y*y + z*z)
	return [3]float64{x / n, y / n, z / n}
}

// cell is the place of a point's cell.
func (b *ball) cell(p [3]float64) int {
	at := func(x float64) int { return int((x+1)/b.edge) + 1 }
	return (at(p[0])*b.side3+at(p[1]))*b.side3 + at(p[2])
}

// turn gives every unit the value of the nearest unit of the rotated map.
func (b *ball) turn(q [3][3]float64, y []float64) []float64 {
	out := make([]float64, len(y))
	for i, p := range b.at {
		if b.side[i] == 1 {
			p[0] = -p[0]
		}
		back := [3]float64{ // Qᵀ p
			q[0][0]*p[0] + q[1][0]*p[1] + q[2][0]*p[2],
			q[0][1]*p[0] + q[1][1]*p[1] + q[2][1]*p[2],
			q[0][2]*p[0] + q[1][2]*p[1] + q[2][2]*p[2],
		}
		if b.side[i] == 1 {
			back[0] = -back[0]
		}
		out[i] = nan
		if v := b.nearest(b.side[i], back); v >= 0 {
			if u := b.unit[b.side[i]][v]; u >= 0 {
				out[i] = y[u]
			}
		}
	}
	return out
}

func (b *ball) nearest(side int, p [3]float64) int {
	c, best, top := b.cell(p), -1, -2.0
	for dx := -1; dx <= 1; dx++ {
		for dy := -1; dy <= 1; dy++ {
			row := c + (dx*b.side3+dy)*b.side3
			for _, v := range b.list[side][b.start[side][row-1]:b.start[side][row+2]] { // three cells lie side by side
				s := b.points[side][v]
				if d := s[0]*p[0] + s[1]*p[1] + s[2]*p[2]; d > top {
					best, top = int(v), d
				}
			}
		}
	}
	return best
}
