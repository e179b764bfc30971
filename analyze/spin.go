package analyze

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

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

// ball is the sphere that maps turn on, and the units on it.
type ball struct {
	side   []int        // [V] hemisphere of each unit
	at     [][3]float64 // [V] the units' points, on the unit sphere
	sphere [2]*cortex.Ball
	unit   [2][]int // [N] the unit at a vertex, −1 for none
}

func newBall(g *cortex.Geometry, m *store.Mapping) *ball {
	b := &ball{side: make([]int, len(m.Vertices)), at: make([][3]float64, len(m.Vertices))}
	for side, h := range g.Hemis {
		b.sphere[side] = cortex.NewBall(h.Sphere.Points)
		b.unit[side] = make([]int, h.N())
		for v := range b.unit[side] {
			b.unit[side][v] = -1
		}
	}
	for i := range m.Vertices {
		v := &m.Vertices[i]
		side := cortex.Side(v.Hemi)
		b.side[i], b.at[i] = side, b.sphere[side].At(v.Vertex)
		b.unit[side][v.Vertex] = i
	}
	return b
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
		if u := b.unit[b.side[i]][b.sphere[b.side[i]].Nearest(back)]; u >= 0 {
			out[i] = y[u]
		}
	}
	return out
}
