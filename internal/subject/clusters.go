package subject

import (
	"context"

	"cortexmap/internal/fault"
	"cortexmap/internal/stats"
)

const (
	pictureClusters  = 20  // of a split by cluster, where there are photographs enough
	clusterPhotos    = 4   // a cluster has on average, at least
	leastClusters    = 3   // one for each side
	clusterMostSteps = 100 // of k-means
)

// Clusters groups pictures that look alike, for a split whose test pictures are of other kinds than those that were
// learned from: k-means by cosine of the photographs' features about their mean, 20 clusters, fewer with few
// photographs.
//
//	vectors  [pictures] features of equal length; nil where a picture has none
//	result   [pictures] the cluster; -1 where there are no features
//
// Windows of one photograph count as one, with their mean. The clusters depend on the seed and on the pictures, not on
// their order or names. Too few photographs are a fault.
func Clusters(ctx context.Context, s *Subject, vectors [][]float32, seed uint64) ([]int, error) {
	photos, err := s.groups("photo", nil)
	if err != nil {
		return nil, err
	}
	s.order(photos, seed)
	var x []float32
	var at []*group // of the rows of x
	d := 0
	for _, p := range photos {
		if mean := meanOf(vectors, p.images); mean != nil {
			x, at, d = append(x, mean...), append(at, p), len(mean)
		}
	}
	k := min(pictureClusters, len(at)/clusterPhotos)
	if k < leastClusters {
		return nil, fault.Inputf("fit.split: %d photographs are too few for clusters, which have %d each on average: %d are needed", len(at), clusterPhotos, leastClusters*clusterPhotos).
			Remedy("split by photo or image")
	}
	centreColumns(x, d)
	found, err := stats.CosineKMeans(ctx, x, d, stats.Seeds(len(at), k, seed), clusterMostSteps)
	if err != nil {
		return nil, err
	}
	out := make([]int, s.Images.Len())
	for n := range out {
		out[n] = -1
	}
	for row, p := range at {
		for _, n := range p.images {
			out[n] = found.Label[row]
		}
	}
	return out, nil
}

// meanOf is the mean of some pictures' features, nil if none has any.
func meanOf(vectors [][]float32, images []int) (mean []float32) {
	n := 0
	for _, i := range images {
		if vectors[i] == nil {
			continue
		}
		if mean == nil {
			mean = make([]float32, len(vectors[i]))
		}
		for c, v := range vectors[i] {
			mean[c] += v
		}
		n++
	}
	for c := range mean {
		mean[c] /= float32(n)
	}
	return mean
}

// centreColumns takes the columns' means off x [.., d].
func centreColumns(x []float32, d int) {
	for c := range d {
		sum := 0.0
		for i := c; i < len(x); i += d {
			sum += float64(x[i])
		}
		mean := float32(sum / float64(len(x)/d))
		for i := c; i < len(x); i += d {
			x[i] -= mean
		}
	}
}
