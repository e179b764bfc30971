package stats

import "gonum.org/v1/gonum/stat/distuv"

// TCDF is the probability that Student's t with df degrees of freedom is at most t.
func TCDF(t, df float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.CDF(t)
}
