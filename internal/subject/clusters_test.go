package subject

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// kinds are the features of pictures of so many kinds, far from each other, and which kind each is of.
func kinds(s *Subject, per, count int) (vectors [][]float32, of []int) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range s.Images.Len() {
		kind := n / per % count
		x := make([]float32, count)
		for c := range x {
			x[c] = float32(0.1 * r.NormFloat64())
		}
		x[kind]++
		vectors, of = append(vectors, x), append(of, kind)
	}
	return vectors, of
}

// A split by cluster keeps alike pictures on one side, and all windows of a photograph; it follows from seed and
// pictures alone.
func TestSplitsByCluster(t *testing.T) {
	s := windows(80, 3) // 80 photographs of 20 kinds
	vectors, kind := kinds(s, 3, 20)
	vectors[7] = nil // could not be decoded; its photograph's others were
	seen := map[string]bool{}
	for seed := range uint64(10) {
		of, err := Clusters(t.Context(), s, vectors, seed)
		if err != nil {
			t.Fatal(err)
		}
		o := SplitOptions{By: "cluster", Clusters: of, Val: 0.1, Test: 0.2, Seed: seed}
		train, val, test, side := sides(t, s, o)
		for n := range side {
			for m := range n {
				if (of[n] == of[m] || n/3 == m/3) && side[n] != side[m] {
					t.Fatalf("seed %d: pictures %d and %d of one cluster are in %s and %s", seed, n, m, side[n], side[m])
				}
			}
		}
		if len(train) == 0 || len(val) == 0 || len(test) < 24 || len(test) > 72 { // 48 wanted, clusters have 12 or so
			t.Errorf("seed %d: %d, %d and %d pictures", seed, len(train), len(val), len(test))
		}
		seen[string(side[0][0])+string(side[30][0])+string(side[60][0])] = true
		// Kinds are found: most pairs of one kind are in one cluster, though k-means may merge kinds and cut others.
		together, pairs := 0, 0
		for n := range kind {
			for m := range n {
				if kind[n] == kind[m] {
					pairs++
					if of[n] == of[m] {
						together++
					}
				}
			}
		}
		if float64(together) < 0.7*float64(pairs) {
			t.Errorf("seed %d: %d of %d pairs of one kind are in one cluster", seed, together, pairs)
		}
		// The pictures in another order get the same sides.
		turned := windows(80, 3)
		slices.Reverse(turned.Images.Stimuli)
		slices.Reverse(turned.Photo)
		back := slices.Clone(vectors)
		slices.Reverse(back)
		if o.Clusters, err = Clusters(t.Context(), turned, back, seed); err != nil {
			t.Fatal(err)
		}
		_, _, _, other := sides(t, turned, o)
		slices.Reverse(other)
		if !slices.Equal(other, side) {
			t.Errorf("seed %d: the order of the pictures changes the split", seed)
		}
	}
	if len(seen) < 2 {
		t.Error("ten seeds give one split")
	}
	if _, err := Clusters(t.Context(), windows(11, 1), vectors[:11], 0); err == nil {
		t.Error("11 photographs make clusters")
	}
}
