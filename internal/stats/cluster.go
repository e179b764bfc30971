package stats

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"
)

// ProfileCoordinates turns the rows of w [n, d] into vectors u with u_i·u_j = K_i·K_j, where K = w wᵀ and K_i is
// its row i: u_i = G^½ w_i with G = wᵀw. Clustering the rows of K by cosine is then clustering the u, in d
// numbers a row instead of n (paper.md 1.8): assignments, means and cosines are the same.
func ProfileCoordinates(w []float32, d int) []float32 {
	n := len(w) / d
	if n*d != len(w) {
		panic(fmt.Sprintf("stats: %d numbers are no rows of %d", len(w), d))
	}
	g := mat.NewSymDense(d, nil)
	row := make([]float64, d)
	for i := range n {
		for k, x := range w[i*d : (i+1)*d] {
			row[k] = float64(x)
		}
		g.SymRankOne(g, 1, mat.NewVecDense(d, row))
	}
	var e mat.EigenSym
	if !e.Factorize(g, true) {
		panic("stats: the eigenvalues of a Gram matrix do not converge: it has a NaN")
	}
	var v mat.Dense
	e.VectorsTo(&v)
	root := make([]float32, d*d) // (V diag(√λ) Vᵀ), symmetric
	for a := range d {
		for b := range d {
			sum := 0.0
			for k, l := range e.Values(nil) {
				sum += v.At(a, k) * v.At(b, k) * math.Sqrt(math.Max(0, l))
			}
			root[a*d+b] = float32(sum)
		}
	}
	out := make([]float32, n*d)
	if n > 0 {
		blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, general(w, n, d), general(root, d, d), 0, general(out, n, d))
	}
	return out
}

func general(x []float32, rows, cols int) blas32.General {
	return blas32.General{Rows: rows, Cols: cols, Stride: cols, Data: x}
}

// Clustering is what CosineKMeans finds.
type Clustering struct {
	Label      []int     // [n] of each row, −1 for rows of zeros, which point nowhere
	Centroids  []float32 // [k, d] means of the rows as they are, not of their directions
	Iterations int
	Settled    bool // the last iteration changed no label
}

// Seeds draws k different rows of n, reproducibly.
func Seeds(n, k int, seed uint64) []int {
	out := rand.New(rand.NewPCG(seed, 0x5eed)).Perm(n)[:min(n, k)]
	slices.Sort(out)
	return out
}

// CosineKMeans groups the rows of x [n, d] around centroids: a row belongs to the centroid with the largest
// cosine (the first of equals), a centroid is the mean of its rows. It begins at the given rows and ends when
// no label changes, or after most iterations; rows that are equal to the end keep to one side, so it always
// ends. A centroid that loses all rows takes the row that fits its own worst, from a group of several. The
// same input gives the same labels, whatever the number of cores.
func CosineKMeans(ctx context.Context, x []float32, d int, seeds []int, most int) (*Clustering, error) {
	n, k := len(x)/d, len(seeds)
	c := &Clustering{Label: make([]int, n), Centroids: make([]float32, k*d)}
	for j, i := range seeds {
		copy(c.Centroids[j*d:], x[i*d:(i+1)*d])
	}
	for i := range c.Label {
		c.Label[i] = -1
	}
	unit := directions(x, d)
	fit := make([]float32, n)
	for c.Iterations < most && !c.Settled && k > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		before := slices.Clone(c.Label)
		c.assign(unit, d, fit)
		c.fillEmpty(k, fit)
		c.Settled = slices.Equal(before, c.Label)
		c.average(x, d)
		c.Iterations++
	}
	return c, nil
}

// directions are the rows at length 1; rows of zeros stay.
func directions(x []float32, d int) []float32 {
	out := make([]float32, len(x))
	for i := 0; i < len(x); i += d {
		sum := 0.0
		for _, v := range x[i : i+d] {
			sum += float64(v) * float64(v)
		}
		if sum > 0 {
			f := float32(1 / math.Sqrt(sum))
			for k, v := range x[i : i+d] {
				out[i+k] = v * f
			}
		}
	}
	return out
}

// assign labels every row, in blocks on all cores, and notes its cosine.
func (c *Clustering) assign(unit []float32, d int, fit []float32) {
	const block = 256
	n, k := len(fit), len(c.Centroids)/d
	to := directions(c.Centroids, d)
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			cosine := make([]float32, block*k)
			for at := range next {
				rows := min(block, n-at)
				blas32.Gemm(blas.NoTrans, blas.Trans, 1, general(unit[at*d:(at+rows)*d], rows, d), general(to, k, d), 0, general(cosine[:rows*k], rows, k))
				for i := range rows {
					label, best := -1, float32(math.Inf(-1))
					if !zero(unit[(at+i)*d : (at+i+1)*d]) {
						for j, v := range cosine[i*k : (i+1)*k] {
							if v > best {
								label, best = j, v
							}
						}
					}
					c.Label[at+i], fit[at+i] = label, best
				}
			}
		})
	}
	for at := 0; at < n; at += block {
		next <- at
	}
	close(next)
	wg.Wait()
}

func zero(x []float32) bool {
	for _, v := range x {
		if v != 0 {
			return false
		}
	}
	return true
}

// fillEmpty gives every centroid without rows the worst fitting one of a group of several.
func (c *Clustering) fillEmpty(k int, fit []float32) {
	size := make([]int, k)
	for _, j := range c.Label {
		if j >= 0 {
			size[j]++
		}
	}
	for j := range size {
		if size[j] > 0 {
			continue
		}
		worst := -1
		for i, of := range c.Label {
			if of >= 0 && size[of] > 1 && (worst < 0 || fit[i] < fit[worst]) {
				worst = i
			}
		}
		if worst < 0 {
			continue // fewer rows than centroids
		}
		size[c.Label[worst]]--
		c.Label[worst], fit[worst], size[j] = j, 1, 1
	}
}

// average makes every centroid the mean of its rows; one without rows keeps its place.
func (c *Clustering) average(x []float32, d int) {
	k := len(c.Centroids) / d
	sum, size := make([]float64, k*d), make([]int, k)
	for i, j := range c.Label {
		if j < 0 {
			continue
		}
		size[j]++
		for e, v := range x[i*d : (i+1)*d] {
			sum[j*d+e] += float64(v)
		}
	}
	for j, n := range size {
		if n == 0 {
			continue
		}
		for e := range d {
			c.Centroids[j*d+e] = float32(sum[j*d+e] / float64(n))
		}
	}
}

// Cosines is the k × k matrix of cosines between the rows of x [k, d], with zeros on the diagonal and
// wherever a row is zero.
func Cosines(x []float32, d int) [][]float64 {
	k := len(x) / d
	out := make([][]float64, k)
	length := make([]float64, k)
	dot := func(i, j int) (sum float64) {
		for e := range d {
			sum += float64(x[i*d+e]) * float64(x[j*d+e])
		}
		return sum
	}
	for i := range k {
		out[i], length[i] = make([]float64, k), math.Sqrt(dot(i, i))
	}
	for i := range k {
		for j := range i {
			if l := length[i] * length[j]; l > 0 {
				out[i][j] = dot(i, j) / l
				out[j][i] = out[i][j]
			}
		}
	}
	return out
}
