package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Present is x without what is missing, in a new slice.
func Present(x []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(x), func(v float64) bool { return math.IsNaN(v) })
}

// Mean is the mean of what is not missing; NaN of nothing.
func Mean(x []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range x {
		if !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return sum / float64(n)
}

// SD is the sample standard deviation, √(Σ(x−x̄)²/(n−1)); NaN of fewer than two.
func SD(x []float64) float64 {
	mean, sum, n := Mean(x), 0.0, 0
	for _, v := range x {
		if !math.IsNaN(v) {
			sum, n = sum+(v-mean)*(v-mean), n+1
		}
	}
	if n < 2 {
		return math.NaN()
	}
	return math.Sqrt(sum / float64(n-1))
}

// Median is Quantile at 0.5.
func Median(x []float64) float64 { return Quantile(x, 0.5) }

// Quantile is the value below which the part p, 0..1, of x lies, linear between order statistics: type 7 of
// Hyndman and Fan 1996, NumPy's default. NaN of nothing.
func Quantile(x []float64, p float64) float64 {
	return Quantiles(x, p)[0]
}

// Quantiles are several Quantile of the same x, which is sorted once.
func Quantiles(x []float64, ps ...float64) []float64 {
	sorted := Present(x)
	slices.Sort(sorted)
	out := make([]float64, len(ps))
	for i, p := range ps {
		if p < 0 || p > 1 || math.IsNaN(p) {
			panic("stats: Quantiles: a part outside 0..1")
		}
		if len(sorted) == 0 {
			out[i] = math.NaN()
			continue
		}
		at := p * float64(len(sorted)-1)
		k := int(at)
		out[i] = sorted[k]
		if f := at - float64(k); f > 0 {
			out[i] += f * (sorted[k+1] - sorted[k])
		}
	}
	return out
}

// Interval is an estimate with its bounds.
type Interval struct{ Estimate, Lo, Hi float64 }

// TInterval is the mean of x with its interval at a level such as 0.95, by Student's t on n−1 degrees of
// freedom: for means over subjects. With fewer than two the bounds are NaN.
func TInterval(x []float64, level float64) Interval {
	x = Present(x)
	mean, n := Mean(x), float64(len(x))
	half := math.NaN()
	if n > 1 {
		half = TQuantile((1+level)/2, n-1) * SD(x) / math.Sqrt(n)
	}
	return Interval{mean, mean - half, mean + half}
}

// Proportion is k of n with the exact 95 % bounds of a binomial (Clopper and Pearson 1934); NaN for n = 0.
func Proportion(k, n float64) Interval {
	out := Interval{k / n, math.NaN(), math.NaN()}
	if n == 0 {
		return out
	}
	out.Lo, out.Hi = 0, 1
	if k > 0 {
		out.Lo = distuv.Beta{Alpha: k, Beta: n - k + 1}.Quantile(0.025)
	}
	if k < n {
		out.Hi = distuv.Beta{Alpha: k + 1, Beta: n - k}.Quantile(0.975)
	}
	return out
}

// BinomialQuantile is the smallest count k of n for which P(count ≤ k) ≥ q, each of n happening with probability p.
func BinomialQuantile(q float64, n int, p float64) float64 {
	b := distuv.Binomial{N: float64(n), P: p}
	for k := 0.0; k < float64(n); k++ {
		if b.CDF(k) >= q {
			return k
		}
	}
	return float64(n)
}

// TCDF is the probability that Student's t with df degrees of freedom is at most t.
func TCDF(t, df float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.CDF(t)
}

// TQuantile is the p-quantile of Student's t with df degrees of freedom.
func TQuantile(p, df float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile(p)
}

// NormalQuantile is the p-quantile of the standard normal: 1.95996… at 0.975.
func NormalQuantile(p float64) float64 { return distuv.UnitNormal.Quantile(p) }

// PearsonP is the two-sided p of a correlation r over n independent pairs, if there were none:
// t = r √((n−2)/(1−r²)) on n−2 degrees of freedom. NaN for n < 3. Vertices of a map are not independent.
func PearsonP(r float64, n int) float64 {
	if n < 3 || math.IsNaN(r) {
		return math.NaN()
	}
	df := float64(n - 2)
	t := math.Abs(r) * math.Sqrt(df/((1-r)*(1+r)))
	return 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Survival(t)
}

func square(x float64) float64 { return x * x }
