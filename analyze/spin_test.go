package analyze

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"cortexmap/internal/cortex"
	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// coarse is fsaverage3: the first 642 vertices of fsaverage5's spheres, and a mapping of all of them.
func coarse(t *testing.T) (*cortex.Geometry, *store.Mapping) {
	t.Helper()
	g, err := cortex.LoadDemo(os.DirFS("../testdata/demo"))
	if err != nil {
		t.Fatal(err)
	}
	const n = 642
	out, m := &cortex.Geometry{Name: "fsaverage3"}, &store.Mapping{}
	for side, h := range g.Hemis {
		s := &cortex.Surface{Points: h.Sphere.Points[:n]}
		out.Hemis[side] = &cortex.Hemisphere{Name: h.Name, White: s, Sphere: s}
		for v := range n {
			u := store.NewVertex(h.Name, int32(v))
			u.Fitted = true
			m.Vertices = append(m.Vertices, u)
		}
	}
	return out, m
}

// kernel is a Gaussian of sd 0.25 of the radius between the vertices of one sphere (the other has the same places).
func kernel(g *cortex.Geometry) (k [][]float64) {
	points := g.Hemis[0].Sphere.Points
	for _, p := range points {
		row := make([]float64, len(points))
		for j, q := range points {
			d := 0.0
			for k := range p {
				d += float64((p[k] - q[k]) * (p[k] - q[k]))
			}
			row[j] = math.Exp(-d / (2 * 25 * 25))
		}
		k = append(k, row)
	}
	return k
}

// smooth is noise that is smooth over each sphere.
func smooth(random *rand.Rand, kernel [][]float64) []float64 {
	var out []float64
	for range 2 {
		white := make([]float64, len(kernel))
		for i := range white {
			white[i] = random.NormFloat64()
		}
		for _, row := range kernel {
			sum := 0.0
			for j, w := range row {
				sum += white[j] * w
			}
			out = append(out, sum)
		}
	}
	return out
}

// TestSpinIsCalibrated: of pairs of maps that have nothing to do with each other about one in twenty is called alike at
// p < 0.05, while the correlation's own p calls most of them so. Binomial limits: of 60 pairs at 5 % more than 9 has a
// probability of 0.001.
func TestSpinIsCalibrated(t *testing.T) {
	g, m := coarse(t)
	random := rand.New(rand.NewPCG(3, 4))
	spun, naive, k := 0, 0, kernel(g)
	const pairs = 60
	for pair := range pairs {
		x, y := smooth(random, k), smooth(random, k)
		s, err := SpinTest(t.Context(), g, m, x, y, 40, uint64(pair))
		if err != nil || s.Reason != "" || s.Draws != 40 {
			t.Fatalf("%+v, %v", s, err)
		}
		if s.P < 0.05 {
			spun++
		}
		if stats.PearsonP(s.R, s.N) < 0.05 {
			naive++
		}
	}
	t.Logf("called alike: %d of %d by turning, %d by the correlation's own p", spun, pairs, naive)
	if spun > 9 || naive < pairs/3 {
		t.Errorf("called alike: %d of %d by turning, %d by the correlation's own p", spun, pairs, naive)
	}
}

// TestSpin: a map is like itself; the mirror image turns as its original; what can't be tested says why.
func TestSpin(t *testing.T) {
	g, m := coarse(t)
	x := smooth(rand.New(rand.NewPCG(1, 1)), kernel(g))
	s, err := SpinTest(t.Context(), g, m, x, x, 99, 1)
	if err != nil || math.Abs(s.R-1) > 1e-12 || s.P != 0.01 || s.N != len(x) {
		t.Errorf("a map and itself: %+v, %v", s, err)
	}
	b := newBall(g, m)
	y := make([]float64, len(x))
	for i := range y {
		y[i] = math.Abs(b.at[i][0]) // the same on both sides of the mirror, as fsaverage3's vertices are
	}
	turned := b.turn(rotation(rand.New(rand.NewPCG(2, 2))), y)
	for i := range 642 {
		j := b.sphere[1].Nearest([3]float64{-b.at[i][0], b.at[i][1], b.at[i][2]})
		// two grids of vertices, each within half their distance (0.14) of the point: values differ by less than two
		if d := math.Abs(turned[i] - turned[642+j]); d > 0.28 {
			t.Errorf("vertex %d gets %v, its mirror image %v", i, turned[i], turned[642+j])
		}
	}
	for reason, c := range map[string]struct {
		g    *cortex.Geometry
		x, y []float64
	}{
		"the units have no place on a sphere":                                {nil, x, x},
		"one of the maps is constant, or they share fewer than two vertices": {g, x, make([]float64, len(x))},
		"9 vertices have both numbers, 20 are needed":                        {g, x, only(x, 9)},
	} {
		if s, err := SpinTest(t.Context(), c.g, m, c.x, c.y, 20, 1); err != nil || s.Reason != reason || !math.IsNaN(s.P) {
			t.Errorf("got %+v, %v, want %q", s, err, reason)
		}
	}
}

// only keeps the first n numbers.
func only(x []float64, n int) []float64 {
	out := make([]float64, len(x))
	for i := range out {
		out[i] = nan
		if i < n {
			out[i] = x[i]
		}
	}
	return out
}
