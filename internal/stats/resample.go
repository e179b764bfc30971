package stats

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Bootstrap is the distribution of a statistic when its n items (images, never vertices) are drawn anew with
// replacement: draws values. stat gets the items' indices, n of them, in a slice that is used again for the
// next draw. Equal seeds give equal draws, whatever stat is: so two networks can be compared on the same ones.
func Bootstrap(n, draws int, seed uint64, stat func(items []int) float64) []float64 {
	random := rand.New(rand.NewPCG(seed, 0x626f6f74)) // "boot": a stream of its own
	out, items := make([]float64, draws), make([]int, n)
	for d := range out {
		for i := range items {
			items[i] = random.IntN(n)
		}
		out[d] = stat(items)
	}
	return out
}

// PercentileInterval is the interval at a level such as 0.95 that leaves equal parts of the draws outside.
func PercentileInterval(estimate float64, draws []float64, level float64) Interval {
	q := Quantiles(draws, (1-level)/2, (1+level)/2)
	return Interval{estimate, q[0], q[1]}
}

// CorrectedInterval is the interval at a level such as 0.95 of an estimate from draws over n items (groups of images),
// corrected for the bias that the draws show and for there being few items, with the two-sided p of the value 0:
//
//	c = 2θ − mean(θ*),  s = √(n/(n−1)) SD(θ*),  c ± t s,  p = 2 P(T > |c|/s)        T Student's t on n−1 degrees of freedom
//
// The first is the bootstrap's estimate of bias (Efron and Tibshirani 1993, chapter 10), the root makes up for draws
// that vary by (n−1)/n of what samples do, and t for a spread that is itself estimated (Hesterberg 2015, Am. Stat. 69).
// NaN bounds for fewer than two items or draws.
func CorrectedInterval(estimate float64, draws []float64, n int, level float64) (Interval, float64) {
	none := Interval{estimate, math.NaN(), math.NaN()}
	if n < 2 || len(draws) < 2 {
		return none, math.NaN()
	}
	df := float64(n - 1)
	centre, s := 2*estimate-Mean(draws), SD(draws)*math.Sqrt(float64(n)/df)
	half := TQuantile((1+level)/2, df) * s
	p := 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Survival(math.Abs(centre)/s)
	return Interval{estimate, centre - half, centre + half}, p
}

// PermutationP is the one-sided p of an observed value among those of n permutations: how many are as large
// or larger, the observed one counted in,
//
//	p = (1 + #{null ≥ observed}) / (1 + n)
//
// which is never 0. For a two-sided test give absolute values. Missing draws are left out; NaN for a missing
// observation. Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9.
func PermutationP(observed float64, null []float64) float64 {
	if math.IsNaN(observed) {
		return math.NaN()
	}
	larger, n := 0, 0
	for _, v := range null {
		if math.IsNaN(v) {
			continue
		}
		n++
		if v >= observed {
			larger++
		}
	}
	return float64(1+larger) / float64(1+n)
}

// FDR turns p values into q values: the smallest false discovery rate at which each would be called. So
// q ≤ 0.05 marks Benjamini and Hochberg's discoveries at 5 %. With m tests and p₍₁₎ ≤ … ≤ p₍ₘ₎,
//
//	q₍ᵢ₎ = min over j ≥ i of p₍ⱼ₎ m / j
//
// NaN is no test: it is not counted in m, and stays. Holds for independent tests and for positively dependent
// ones, as smooth maps are. Benjamini & Hochberg 1995, J. R. Stat. Soc. B 57.
func FDR(p []float64) []float64 {
	q := slices.Clone(p)
	order := make([]int, 0, len(p))
	for i, v := range p {
		if !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	least := 1.0
	for j := len(order); j > 0; j-- {
		i := order[j-1]
		least = min(least, p[i]*float64(len(order))/float64(j))
		q[i] = least
	}
	return q
}
