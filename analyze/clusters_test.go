package analyze

import (
	"math"
	"math/rand/v2"
	"testing"

	"cortexmap/internal/store"
)

// readout gives a mapping weights: every region its own direction, with a little noise.
func readout(m *store.Mapping, channels int, noise float64) {
	r := rand.New(rand.NewPCG(5, 6))
	kinds := map[string][]float64{}
	w := store.Tensor{Name: "readout.weight", Shape: []int64{0, int64(channels)}}
	for i := range m.Vertices {
		v := &m.Vertices[i]
		if !v.Fitted {
			continue
		}
		kind := kinds[v.ROIs[0]]
		if kind == nil {
			kind = make([]float64, channels)
			for k := range kind {
				kind[k] = r.NormFloat64()
			}
			kinds[v.ROIs[0]] = kind
		}
		for _, x := range kind {
			w.Data = append(w.Data, float32(x+noise*r.NormFloat64()))
		}
		w.Shape[0]++
	}
	m.Weights = append(m.Weights, w)
}

// TestClusters: regions that read channels of their own are the clusters, each found whole.
func TestClusters(t *testing.T) {
	order := make([]string, clusterGroups)
	depth := map[string]float64{}
	for i := range order {
		order[i] = string(rune('A' + i))
		depth[order[i]] = float64(i) / float64(len(order)-1)
	}
	m := sample(4, 30, depth, order...)
	m.Vertices[3].Fitted = false
	readout(m, 32, 0.05)
	in := Input{Mapping: m, Hierarchy: chain(order...), R2Top: math.NaN()}
	c, err := FindClusters(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Size) != clusterGroups || c.Rand != 1 || !c.Settled || c.Of[3] != -1 || c.K != 119 {
		t.Errorf("%d clusters of %d centroids, adjusted Rand %v, settled %v, the unfitted vertex in %d; want 20 of 119, 1, true, -1", len(c.Size), c.K, c.Rand, c.Settled, c.Of[3])
	}
	c.Label(m)
	if m.Vertices[3].Cluster != -1 || int(m.Vertices[4].Cluster) != c.Of[4]+1 {
		t.Errorf("labels %d and %d, want none and %d", m.Vertices[3].Cluster, m.Vertices[4].Cluster, c.Of[4]+1)
	}
	for k, n := range c.Size {
		if o := c.Best(k); o.Dice != 1 || o.NBoth != n || n < 59 {
			t.Errorf("cluster %d of %d vertices is %+v, want a whole region", k, n, o)
		}
	}
	results := run(t, in)
	table := results.Tables[len(results.Tables)-1]
	if table.Name != "clusters" || len(table.Rows) != clusterGroups || ClusterMap(in, c) != nil {
		t.Errorf("the last table is %s with %d rows; want clusters with %d, and no map without a surface", table.Name, len(table.Rows), clusterGroups)
	}
}

// TestFewClusters: fewer vertices than clusters, weights that are zero, none at all, or not numbers.
func TestFewClusters(t *testing.T) {
	small := sample(4, 1, map[string]float64{"A": 0, "B": 1}, "A", "B")
	readout(small, 8, 0.5)
	c, err := FindClusters(t.Context(), Input{Mapping: small})
	if err != nil || len(c.Size) != 4 || c.K != 4 {
		t.Errorf("four vertices give %+v, %v; want four clusters", c, err)
	}
	clear(small.Weights[0].Data)
	c, err = FindClusters(t.Context(), Input{Mapping: small})
	if err != nil || len(c.Size) != 0 || !math.IsNaN(c.Rand) {
		t.Errorf("weights of zero give %+v, %v; want no cluster", c, err)
	}
	small.Weights[0].Data[0] = float32(math.NaN())
	if c, err = FindClusters(t.Context(), Input{Mapping: small}); c != nil || err != nil {
		t.Errorf("weights that are no numbers give %+v, %v", c, err)
	}
	small.Weights = nil
	if c, err = FindClusters(t.Context(), Input{Mapping: small}); c != nil || err != nil {
		t.Errorf("no weights give %+v, %v", c, err)
	}
}

// TestClusterMap: on a surface the map has a name for every cluster and no data outside the mapping.
func TestClusterMap(t *testing.T) {
	in := onSurface(t, 4)
	readout(in.Mapping, 32, 0.3)
	c, err := FindClusters(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	m := ClusterMap(in, c)
	n := 0
	for side := range m.Values {
		for _, v := range m.Values[side] {
			if !math.IsNaN(v) {
				n++
				if v < 0 || int(v) >= len(m.Categories) || m.Categories[int(v)] == "" {
					t.Fatalf("a vertex has the category %v of %d", v, len(m.Categories))
				}
			}
		}
	}
	if n != len(in.Mapping.Vertices) || len(m.Categories) != clusterGroups {
		t.Errorf("%d vertices of %d have a cluster, of %d", n, len(in.Mapping.Vertices), len(m.Categories))
	}
	if !(c.Rand > 0.3) {
		t.Errorf("clusters of regions with channels of their own agree with them by %v only", c.Rand)
	}
}
