package fit

import (
	"context"
	"math"

	"cortexmap/internal/fault"
	"cortexmap/internal/store"

	"gonum.org/v1/gonum/mat"
)

const (
	covarianceImages = 32   // images a Run
	keptAxes         = 1e-5 // of the largest eigenvalue: axes below it are noise of storage
	whitening        = 0.25 // exponent of (16): between none and full (0.5), which differ little
)

// covariance is the mean and covariance of some tokens, in float64.
type covariance struct {
	n     float64
	shift []float32 // about the mean, so that sums of squares don't swamp the differences
	s     []float64 // Σ (x-shift)(x-shift)ᵀ [D, D]
	m     []float64 // Σ (x-shift) [D]
}

func newCovariance(shift []float32) *covariance {
	d := len(shift)
	return &covariance{shift: shift, s: make([]float64, d*d), m: make([]float64, d)}
}

func (c *covariance) add(n int, s, m []float32) {
	c.n += float64(n)
	for i, x := range s {
		c.s[i] += float64(x)
	}
	for i, x := range m {
		c.m[i] += float64(x)
	}
}

func (c *covariance) mean(dst []float32) {
	for i := range dst {
		dst[i] = float32(float64(c.shift[i]) + c.m[i]/c.n)
	}
}

func (c *covariance) matrix() *mat.SymDense {
	d := len(c.m)
	out := mat.NewSymDense(d, nil)
	for i := range d {
		for j := i; j < d; j++ {
			out.SetSym(i, j, c.s[i*d+j]/c.n-c.m[i]/c.n*c.m[j]/c.n)
		}
	}
	return out
}

// whiten sets centres and bottlenecks of every layer by (16), and returns their ranks. images are those of
// the initialisation; local tokens need only some of them.
func (m *model) whiten(ctx context.Context, images []int) ([]int, error) {
	ordered := m.statisticsFirst(images)
	local := min(len(ordered), m.set.StatisticsImages)
	ranks := make([]int, m.L)
	kernels := map[int]*kernel{}
	for _, d := range m.widths {
		if kernels[d] == nil {
			k, err := m.e.loadOnce(covarianceGraph(d, m.G))
			if err != nil {
				return nil, err
			}
			defer k.close()
			kernels[d] = k
		}
	}
	err := m.e.spread(ctx, m.L, func(ctx context.Context, w, l int) error {
		loc, glo, err := m.tokenMoments(ctx, kernels[m.widths[l]], w, l, ordered, local)
		if err != nil {
			return err
		}
		loc.mean(m.kc[l])
		glo.mean(m.hc[l])
		rk, err := m.axes(l, "local", loc, m.bottleneck.part(m.bottleneck.data, 2*l))
		if err != nil {
			return err
		}
		rh, err := m.axes(l, "global", glo, m.bottleneck.part(m.bottleneck.data, 2*l+1))
		ranks[l] = max(rk, rh, 1)
		m.report.progress("statistics", l+1, m.L)
		return err
	})
	return ranks, err
}

// statisticsFirst orders the images so that the ones drawn for the local tokens come first.
func (m *model) statisticsFirst(images []int) []int {
	some := sample(images, m.set.StatisticsImages, m.seed, streamStatistics)
	chosen := make(map[int]bool, len(some))
	for _, i := range some {
		chosen[i] = true
	}
	for _, i := range images {
		if !chosen[i] {
			some = append(some, i)
		}
	}
	return some
}

// tokenMoments sums a layer's local tokens of the first images and its global tokens of all.
func (m *model) tokenMoments(ctx context.Context, k *kernel, w, l int, images []int, local int) (loc, glo *covariance, err error) {
	d, row := m.widths[l], m.tokens()*m.widths[l]
	x := make([]uint16, covarianceImages*row)
	s, sum := make([]float32, d*d), make([]float32, d)
	for at := 0; at < len(images); {
		limit := len(images)
		if at < local {
			limit = local
		}
		part := images[at:min(at+covarianceImages, limit)]
		if err := m.read(ctx, l, part, x[:len(part)*row]); err != nil {
			return nil, nil, err
		}
		if at == 0 {
			loc, glo = newCovariance(m.roughMean(x[:row], d, 0, m.G*m.G)), newCovariance(m.roughMean(x[:row], d, m.G*m.G, m.tokens()))
		}
		add := func(c *covariance, from, to int) error {
			var b binding
			defer b.close()
			b.f16(x[:len(part)*row], len(part), m.tokens(), d).i64([]int64{int64(from)}, 1).i64([]int64{int64(to)}, 1)
			b.f32(c.shift, d).gives(s, d, d).gives(sum, d)
			if err := k.run(ctx, w, &b); err != nil {
				return err
			}
			c.add(len(part)*(to-from), s, sum)
			return nil
		}
		if at < local {
			if err := add(loc, 0, m.G*m.G); err != nil {
				return nil, nil, err
			}
		}
		if err := add(glo, m.G*m.G, m.tokens()); err != nil {
			return nil, nil, err
		}
		at += len(part)
	}
	return loc, glo, nil
}

// roughMean is the mean of some tokens of one image.
func (m *model) roughMean(x []uint16, d, from, to int) []float32 {
	mean, row := make([]float32, d), make([]float32, d)
	for t := from; t < to; t++ {
		store.FloatSlice(row, x[t*d:(t+1)*d])
		axpy(1/float32(to-from), row, mean)
	}
	return mean
}

// axes fills a bottleneck [C, D] with scaled principal axes and returns how many there are.
func (m *model) axes(l int, path string, c *covariance, dst []float32) (int, error) {
	d := m.widths[l]
	var eig mat.EigenSym
	s := c.matrix()
	if !finite(s) || !eig.Factorize(s, true) {
		return 0, fault.Inputf("the %s tokens of layer %s have no covariance: values that are not finite", path, m.Features.Layers[l].Name).
			In("%s", m.Features.Dir()).Remedy("extract again with a float32 network, or leave the layer out")
	}
	values := eig.Values(nil) // ascending
	var vectors mat.Dense
	eig.VectorsTo(&vectors)
	top := values[d-1]
	rank := 0
	for rank < min(m.C, d) && values[d-1-rank] > keptAxes*top && values[d-1-rank] > 0 {
		rank++
	}
	clear(dst)
	var variance float64
	for c := range rank {
		variance += math.Pow(values[d-1-c], 1-2*whitening)
	}
	unit := 1 / math.Sqrt(variance/float64(max(rank, 1)))
	for c := range rank {
		scale := unit * math.Pow(values[d-1-c], -whitening) * sign(&vectors, d-1-c)
		for i := range d {
			dst[c*d+i] = float32(scale * vectors.At(i, d-1-c))
		}
	}
	return rank, nil
}

func finite(s *mat.SymDense) bool {
	trace := mat.Trace(s) // a value that is not finite makes its own variance so
	return !math.IsNaN(trace) && !math.IsInf(trace, 0)
}

// sign makes an eigenvector's largest entry positive, which LAPACK leaves open.
func sign(vectors *mat.Dense, col int) float64 {
	d, _ := vectors.Dims()
	largest := 0.0
	for i := range d {
		if x := vectors.At(i, col); math.Abs(x) > math.Abs(largest) {
			largest = x
		}
	}
	return math.Copysign(1, largest)
}
