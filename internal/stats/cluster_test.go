package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// TestClustersAgainstSciPy: the short form in d numbers a row gives the clusters of the whole N × N matrix.
func TestClustersAgainstSciPy(t *testing.T) {
	var golden struct {
		D, Groups                           int
		W                                   []float32
		Seeds, Labels, Cut, Clusters, Other []int
		Heights                             []float64
		RandOther                           float64 `json:"rand_other"`
		RandLabels                          float64 `json:"rand_labels"`
	}
	data, err := os.ReadFile("../../testdata/reference/clusters.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	c, err := CosineKMeans(t.Context(), ProfileCoordinates(golden.W, golden.D), golden.D, golden.Seeds, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if !c.Settled || !slices.Equal(c.Label, golden.Labels) {
		t.Errorf("labels after %d iterations are\n%v, want\n%v", c.Iterations, c.Label, golden.Labels)
	}
	cosines := Cosines(c.Centroids, golden.D)
	cut := Ward(cosines, golden.Groups)
	if r := AdjustedRand(cut, golden.Cut); r != 1 {
		t.Errorf("Ward's groups are %v, SciPy's %v: adjusted Rand %v", cut, golden.Cut, r)
	}
	var heights []float64
	for _, m := range wardMerges(squaredDistances(cosines)) {
		heights = append(heights, math.Sqrt(m.height))
	}
	slices.Sort(heights)
	for i, h := range heights {
		if math.Abs(h-golden.Heights[i]) > 1e-5 { // centroids are float32
			t.Errorf("merge %d lies at %v, SciPy's at %v", i, h, golden.Heights[i])
		}
	}
	near(t, "adjusted Rand, unrelated", AdjustedRand(golden.Clusters, golden.Other), golden.RandOther)
	near(t, "adjusted Rand, finer", AdjustedRand(golden.Clusters, golden.Labels), golden.RandLabels)
}

// TestKMeansAlwaysEnds: rows that are equal, zero, fewer than centroids, or opposite.
func TestKMeansAlwaysEnds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := make([]float32, 300*4)
	for i := range random {
		random[i] = float32(r.NormFloat64())
	}
	for _, c := range []struct {
		name  string
		x     []float32
		seeds []int
		sizes int // groups that have rows
	}{
		{"equal rows", []float32{1, 2, 1, 2, 1, 2, 1, 2}, []int{0, 1, 2}, 3},
		{"a row of zeros", []float32{0, 0, 1, 0, 0, 1, 0, 0}, []int{0, 1}, 2},
		{"all zeros", make([]float32, 8), []int{0, 1}, 0},
		{"one row", []float32{3, 4}, []int{0}, 1},
		{"no row", nil, nil, 0},
		{"opposite", []float32{1, 0, -1, 0}, []int{0, 1}, 2},
	} {
		got, err := CosineKMeans(t.Context(), c.x, 2, c.seeds, 50)
		if err != nil {
			t.Fatal(err)
		}
		found := map[int]bool{}
		for i, l := range got.Label {
			if zero(c.x[2*i:2*i+2]) != (l < 0) {
				t.Errorf("%s: row %d has the label %d", c.name, i, l)
			}
			if l >= 0 {
				found[l] = true
			}
		}
		if len(found) != c.sizes {
			t.Errorf("%s: labels %v, want %d groups", c.name, got.Label, c.sizes)
		}
	}
	a, err := CosineKMeans(t.Context(), random, 4, Seeds(300, 40, 3), 200)
	if err != nil {
		t.Fatal(err)
	}
	b, err := CosineKMeans(t.Context(), random, 4, Seeds(300, 40, 3), 200)
	if err != nil || !slices.Equal(a.Label, b.Label) || !slices.Equal(a.Centroids, b.Centroids) {
		t.Error("the same rows and seeds give other labels the second time")
	}
}

// TestWard: points on a line, groups by their gaps; exactly as many groups as wanted, ties or not.
func TestWard(t *testing.T) {
	line := [][]float64{{0}, {0.1}, {5}, {5.2}, {9}, {0.2}}
	for groups, want := range map[int][]int{1: {0, 0, 0, 0, 0, 0}, 3: {0, 0, 1, 1, 2, 0}, 6: {0, 1, 2, 3, 4, 5}, 9: {0, 1, 2, 3, 4, 5}} {
		if got := Ward(line, groups); !slices.Equal(got, want) {
			t.Errorf("%d groups: %v, want %v", groups, got, want)
		}
	}
	for _, n := range []int{0, 1, 2, 7, 64} {
		same := make([][]float64, n)
		for i := range same {
			same[i] = []float64{1, 1}
		}
		got := Ward(same, 5)
		if n > 0 && slices.Max(got) != min(5, n)-1 {
			t.Errorf("%d equal points: groups %v, want %d", n, got, min(5, n))
		}
	}
}

func TestAdjustedRand(t *testing.T) {
	for _, c := range []struct {
		a, b []int
		want float64
	}{
		{[]int{0, 0, 1, 1}, []int{5, 5, 2, 2}, 1},
		{[]int{0, 0, 1, 1}, []int{0, 1, 0, 1}, -0.5},
		{[]int{0, 0, 1, 1, -1, 3}, []int{5, 5, 2, 2, 2, -1}, 1},
		{[]int{0, 0}, []int{1, 1}, nan},
		{nil, nil, nan},
	} {
		near(t, "adjusted Rand", AdjustedRand(c.a, c.b), c.want)
	}
}
