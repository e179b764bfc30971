package analyze

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/stats"
	"cortexmap/internal/store"
)

// Clusters are groups of vertices that read the shared channels alike, found as the publication does
// (paper.md 1.8): K = W Wᵀ with W [V, C] the readout's weights; k-means of the rows of K by cosine; Ward's tree of
// the centroids' cosines; cut at exactly 20 groups. Beside it, three things are our own: the rows of K are replaced
// by C numbers each that have the same products (stats.ProfileCoordinates), first centroids are drawn with a fixed
// seed, and k is 1,000 or a tenth of the vertices if that is less, so that small mappings have groups too.
type Clusters struct {
	Of       []int     // [V] cluster of each vertex from 0, the largest cluster first; −1: not fitted, or no weights
	Size     []int     // vertices of each cluster
	Overlaps []Overlap // by cluster, the best region first
	Rand     float64   // adjusted Rand index of clusters and regions, over vertices that have both
	K        int       // centroids of k-means
	Settled  bool      // k-means came to rest within its iterations
}

// Overlap is what a cluster and a region have in common.
type Overlap struct {
	Cluster int
	ROI     string  // "" where no region of the mapping has a vertex in the cluster
	NROI    int     // fitted vertices of the region
	NBoth   int     // those in the cluster
	Dice    float64 // 2·|both| / (|cluster| + |region|), 0..1
}

const (
	clusterGroups     = 20
	clusterCentroids  = 1000
	clusterRows       = 10 // at least so many vertices a centroid, on average
	clusterIterations = 300
	clusterSeed       = 0
)

// FindClusters groups a mapping's vertices; nil for a method without channels that vertices share.
func FindClusters(ctx context.Context, in Input) (*Clusters, error) {
	w := in.Mapping.Tensor("readout.weight")
	if w == nil || len(w.Shape) != 2 || w.Shape[1] == 0 || !finite(w.Data) {
		return nil, nil
	}
	d := int(w.Shape[1])
	var at []int // vertices of the weights' rows
	for i := range in.Mapping.Vertices {
		if in.Mapping.Vertices[i].Fitted {
			at = append(at, i)
		}
	}
	if len(at) != int(w.Shape[0]) || len(at) == 0 {
		return nil, nil
	}
	k := min(clusterCentroids, max(clusterGroups, len(at)/clusterRows))
	u := stats.ProfileCoordinates(w.Data, d)
	means, err := stats.CosineKMeans(ctx, u, d, stats.Seeds(len(at), k, clusterSeed), clusterIterations)
	if err != nil {
		return nil, err
	}
	group := stats.Ward(stats.Cosines(means.Centroids, d), clusterGroups)
	c := &Clusters{Of: make([]int, len(in.Mapping.Vertices)), K: min(k, len(at)), Settled: means.Settled}
	for i := range c.Of {
		c.Of[i] = -1
	}
	for row, label := range means.Label {
		if label >= 0 {
			c.Of[at[row]] = group[label]
		}
	}
	c.number()
	c.overlaps(in)
	return c, nil
}

func finite(x []float32) bool {
	for _, v := range x {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}

// number orders the clusters by size, equal ones by their first vertex.
func (c *Clusters) number() {
	size, first := map[int]int{}, map[int]int{}
	for i, k := range c.Of {
		if k < 0 {
			continue
		}
		if size[k] == 0 {
			first[k] = i
		}
		size[k]++
	}
	var order []int
	for k := range size {
		order = append(order, k)
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(size[b], size[a]), cmp.Compare(first[a], first[b])) })
	c.Size = make([]int, len(order))
	place := map[int]int{-1: -1}
	for p, k := range order {
		place[k], c.Size[p] = p, size[k]
	}
	for i, k := range c.Of {
		c.Of[i] = place[k]
	}
}

// overlaps compares with every region, and with the partition into the hierarchy's regions.
func (c *Clusters) overlaps(in Input) {
	m := in.Mapping
	names := roiNames(m, in.Hierarchy)
	both, size := make([]map[string]int, len(c.Size)), map[string]int{}
	for k := range both {
		both[k] = map[string]int{}
	}
	region := make([]int, len(c.Of))
	for i := range m.Vertices {
		region[i] = -1
		if !m.Vertices[i].Fitted {
			continue
		}
		for _, roi := range m.Vertices[i].ROIs {
			size[roi]++
			if c.Of[i] >= 0 {
				both[c.Of[i]][roi]++
			}
			if at := slices.Index(names, roi); at >= 0 && (region[i] < 0 || at < region[i]) {
				region[i] = at
			}
		}
	}
	for k := range both {
		var of []Overlap
		for roi, n := range both[k] {
			of = append(of, Overlap{Cluster: k, ROI: roi, NROI: size[roi], NBoth: n, Dice: 2 * float64(n) / float64(c.Size[k]+size[roi])})
		}
		if of == nil {
			of = []Overlap{{Cluster: k, Dice: nan}}
		}
		slices.SortFunc(of, func(a, b Overlap) int { return cmp.Or(cmp.Compare(b.Dice, a.Dice), cmp.Compare(a.ROI, b.ROI)) })
		c.Overlaps = append(c.Overlaps, of...)
	}
	c.Rand = stats.AdjustedRand(c.Of, region)
}

// Label writes the clusters into the mapping's vertices, from 1 as tables and maps count them.
func (c *Clusters) Label(m *store.Mapping) {
	for i, k := range c.Of {
		m.Vertices[i].Cluster = -1
		if k >= 0 {
			m.Vertices[i].Cluster = int32(k + 1)
		}
	}
}

// Best is the region that has most in common with a cluster; its ROI is "" if none has anything.
func (c *Clusters) Best(cluster int) Overlap {
	for _, o := range c.Overlaps {
		if o.Cluster == cluster {
			return o
		}
	}
	return Overlap{Cluster: cluster, Dice: nan}
}

// ClusterTable is clusters.csv: a row a cluster and region that share vertices.
func ClusterTable(m *store.Mapping, c *Clusters) *Table {
	t := &Table{Name: "clusters", Title: "Channel clusters and regions", Columns: []Column{
		{"model", "network"}, {"subject", ""}, {"seed", "of the fit"}, {"protocol", ""}, {"cluster", "from 1, the largest first"}, {"n_vertices", "of the cluster"},
		{"roi", "region, FAMILY/NAME; empty: the cluster has no vertex in any"}, {"n_roi", "fitted units of the region"}, {"n_both", "units in both"},
		{"dice", "2·n_both / (n_vertices + n_roi), 0..1"}, {"adjusted_rand", "agreement of all clusters with the partition into regions; 0 by chance, 1 the same"}, simulatedColumn,
	}}
	for _, o := range c.Overlaps {
		t.Add(m.Info.Model, m.Info.Subject, m.Info.Seed, m.Info.Protocol, o.Cluster+1, c.Size[o.Cluster], o.ROI, o.NROI, o.NBoth, o.Dice, c.Rand, m.Info.Simulated)
	}
	return t
}

// ClusterMap shows the clusters; nil where the units have no place on a surface.
func ClusterMap(in Input, c *Clusters) *cortex.Map {
	if !Placed(in.Geometry, in.Mapping) || len(c.Size) == 0 {
		return nil
	}
	x := make([]float64, len(c.Of))
	for i, k := range c.Of {
		x[i] = nan
		if k >= 0 {
			x[i] = float64(k)
		}
	}
	m := newMap(in, "clusters", "Channel clusters: which vertices read the same channels", "cluster: region it shares most with", cortex.RuleCategories, 0, float64(len(c.Size)-1), x)
	for k := range c.Size {
		name := strconv.Itoa(k + 1)
		if best := c.Best(k); best.ROI != "" {
			name += ": " + best.ROI[strings.LastIndex(best.ROI, "/")+1:]
		}
		m.Categories = append(m.Categories, name)
	}
	m.Note = fmt.Sprintf("%d groups of vertices whose readout weights are alike: k-means by cosine with %d centroids, then Ward’s tree. Colours and numbers (the largest is 1) mean nothing beyond this map; the regions named share most vertices with a cluster (Dice), not all.", len(c.Size), c.K)
	return m
}
