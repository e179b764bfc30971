package extract

import (
	"math"
	"testing"
)

// The area rule again, as a picture: repeat each cell g times, take means of runs of n.
func areaByRepeating(n, g int) []float64 {
	w := make([]float64, g*n)
	for k := range n * g {
		w[k/n*n+k/g] += 1 / float64(n)
	}
	return w
}

func TestAxisWeights(t *testing.T) {
	cases := []struct {
		n        int
		protocol string
		want     []float64 // of a 2-cell fit grid
	}{
		{2, Sound, []float64{1, 0, 0, 1}},
		{4, Sound, []float64{.5, .5, 0, 0, 0, 0, .5, .5}},
		{3, Sound, []float64{2. / 3, 1. / 3, 0, 0, 1. / 3, 2. / 3}},
		{1, Sound, []float64{1, 1}},
		{4, Paper, []float64{.5, .5, 0, 0, 0, 0, .5, .5}},
		{6, Paper, []float64{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}},
		{3, Paper, []float64{.75, .25, 0, 0, .25, .75}},
	}
	for _, c := range cases {
		got := axisWeights(c.n, 2, c.protocol)
		for i := range got {
			if math.Abs(got[i]-c.want[i]) > 1e-15 {
				t.Errorf("%d %s: got %v, want %v", c.n, c.protocol, got, c.want)
				break
			}
		}
	}
}

func TestAreaRule(t *testing.T) {
	for _, n := range []int{8, 9, 14, 15, 16, 28, 56, 112} {
		got, want := axisWeights(n, 8, Sound), areaByRepeating(n, 8)
		columns := make([]float64, n)
		for i := range got {
			if math.Abs(got[i]-want[i]) > 1e-14 { // sums of at most 112 equal parts
				t.Fatalf("%d: weight %d is %v, want %v", n, i, got[i], want[i])
			}
			columns[i%n] += got[i]
		}
		for j, s := range columns { // meanKept rests on this
			if math.Abs(s-8/float64(n)) > 1e-14 {
				t.Errorf("%d: native cell %d counts %v", n, j, s)
			}
		}
	}
}

func TestRowsSumToOne(t *testing.T) {
	for _, protocol := range []string{Sound, Paper} {
		for n := 1; n < 40; n++ {
			w := axisWeights(n, 8, protocol)
			for i := range 8 {
				sum := 0.0
				for _, v := range w[i*n : (i+1)*n] {
					sum += v
				}
				if math.Abs(sum-1) > 1e-14 {
					t.Errorf("%s %d: row %d sums to %v", protocol, n, i, sum)
				}
			}
		}
	}
}
