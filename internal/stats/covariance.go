package stats

import "math"

// Fit estimates the covariance of a map y, [V]. A map that is a line, or that has NaN, has none: Sill and
// Nugget are 0 and NaN then.
func (s *Spatial) Fit(y []float64) Covariance {
	if len(y) != s.n {
		panic("stats: Spatial: the map has another number of vertices")
	}
	seen := s.moments(y)
	best, least := Covariance{Sill: seen[0], Nugget: seen[0]}, math.Inf(1) // NaN, if it is
	for _, c := range s.candidates {
		nugget, sill, left := s.match(seen, c.moments)
		if left < least {
			least = left
			best = Covariance{Shape: shapes[c.shape].name, Range: c.length, Sill: sill, Nugget: nugget, rho: c.rho}
		}
	}
	return best
}

// moments are the means of r rᵀ of the residuals, over the diagonal and the pairs of each coarse bin.
func (s *Spatial) moments(y []float64) []float64 {
	r := make([]float64, s.n)
	copy(r, y)
	for _, u := range s.basis {
		dot := 0.0
		for i := range y {
			dot += u[i] * y[i]
		}
		for i := range r {
			r[i] -= dot * u[i]
		}
	}
	out := make([]float64, 1+coarse)
	for _, x := range r {
		out[0] += x * x / float64(s.n)
	}
	s.eachPair(func(i, j int, bin uint16) {
		if bin < coarse*merge {
			out[1+bin/merge] += 2 * r[i] * r[j]
		}
	})
	for b, n := range s.counts {
		if n > 0 {
			out[1+b] /= n
		}
	}
	return out
}

// match finds the nugget and sill, not negative, for which nugget·noise + sill·smooth is nearest to what was
// seen, and the sum of squares that is left. All bins weigh alike: those at long distance have most pairs, but
// the fewest independent ones. Empty bins are 0 in all three.
func (s *Spatial) match(seen, smooth []float64) (nugget, sill, left float64) {
	var aa, ab, bb, ay, by float64
	for k, y := range seen {
		a, b := s.noise[k], smooth[k]
		aa, ab, bb, ay, by = aa+a*a, ab+a*b, bb+b*b, ay+a*y, by+b*y
	}
	det := aa*bb - ab*ab
	nugget, sill = (bb*ay-ab*by)/det, (aa*by-ab*ay)/det
	switch {
	case det <= 1e-12*aa*bb || nugget < 0: // one can't be told from the other, or is too much
		nugget, sill = 0, max(0, by/bb)
	case sill < 0:
		nugget, sill = max(0, ay/aa), 0
	}
	for k, y := range seen {
		left += square(y - nugget*s.noise[k] - sill*smooth[k])
	}
	return nugget, sill, left
}

// Variance is aᵀ Σ a, the variance of the weighted sum aᵀy of a map with this covariance.
func (s *Spatial) Variance(c Covariance, a []float64) float64 {
	if len(a) != s.n {
		panic("stats: Spatial: another number of weights than of vertices")
	}
	sums := make([]float64, fine)
	for g, vertices := range s.groups {
		var in []int // places in the group of those with a weight: a region's are few
		for k, i := range vertices {
			if a[i] != 0 {
				in = append(in, k)
			}
		}
		for n, k := range in {
			row := k*len(vertices) - k*(k+1)/2 - k - 1 // of the pairs (k, l), l > k, in bins
			for _, l := range in[n+1:] {
				if bin := s.bins[g][row+l]; bin != far {
					sums[bin] += 2 * a[vertices[k]] * a[vertices[l]]
				}
			}
		}
	}
	variance := 0.0
	for _, x := range a {
		variance += (c.Nugget + c.Sill) * x * x
	}
	for f, rho := range c.rho {
		variance += c.Sill * rho * sums[f]
	}
	return max(0, variance)
}

// Interval is the weighted sum aᵀy of a map with its 95 % interval, ± 1.96 √(aᵀΣa), Σ fitted to y.
func (s *Spatial) Interval(y, a []float64) Interval {
	estimate := 0.0
	for i := range a {
		estimate += a[i] * y[i]
	}
	half := NormalQuantile(0.975) * math.Sqrt(s.Variance(s.Fit(y), a))
	return Interval{estimate, estimate - half, estimate + half}
}
