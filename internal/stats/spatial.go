package stats

import (
	"math"
)

// Spatial knows how far apart the vertices of a map are, and from that estimates how alike neighbours are:
// the covariance without which no interval of one brain's map is honest. Neighbours on the cortex are copies
// of each other, so that the vertices' number says little about how much was seen.
//
// The model. A map of V vertices is a line over the vertices' places x (of their levels in a hierarchy) and a
// stationary field within each hemisphere,
//
//	y = b₀ + b₁ x + e,   Σ_ij = cov(e_i, e_j) = nugget [i = j] + sill ρ(d_ij)   (0 across hemispheres)
//
// with d the distance along the cortex, and ρ(d) one of exp(−d/ℓ) and (1 + d/ℓ) exp(−d/ℓ).
//
// The estimate. What can be seen are residuals r = M y, M = I − U Uᵀ, U an orthonormal basis of 1 and x; they
// are smaller than e and pushed apart, since the line follows e: E r rᵀ = M Σ M. So for each shape ρ and range
// ℓ of a grid, nugget and sill are those (not negative, least squares) for which the means over pairs at like
// distance of r_i r_j come nearest to the same means of M Σ M; the best shape and range win. Pairs beyond half
// of the largest distance are left out: there are few independent ones.
//
// What it is for. Any weighted sum of vertices, aᵀy, has the variance aᵀ Σ a: the slope over ROI means, an
// ROI's mean, a difference of two. On maps that are smooth noise without any slope (seven bands across 150 mm of
// two spherical hemispheres; 2,000 maps each) the 95 % interval of the slope holds the true 0 in 96, 95, 94 and
// 92 % where the noise was smoothed with a Gaussian of 5, 10, 15 and 20 mm, in 95 % with half of it unsmoothed;
// one that takes vertices for independent in 60 % and less. The smoother a map is for its extent, the less
// certain is Σ itself, which the interval does not know. (A Gaussian ρ as third shape covered 1 % less.)
//
// A Spatial is made once for a set of vertices and then used for many maps; it may be used concurrently.
// Cressie 1993, Statistics for Spatial Data, chapter 2, for estimation by moments.
type Spatial struct {
	n          int
	groups     [][]int    // the vertices of each hemisphere
	bins       [][]uint16 // [groups]: bin of the distance of each pair i < j, row by row; far where there is no way
	basis      [][]float64
	counts     []float64 // [coarse]: pairs, both orders
	noise      []float64 // [1 + coarse]: mean of M M, on the diagonal and at like distance
	candidates []candidate
}

// candidate is a shape and range with the means of M ρ M, as in Spatial.noise.
type candidate struct {
	shape   int
	length  float64
	rho     []float64 // [fine]
	moments []float64
}

const (
	fine   = 320 // bins of distance, up to the largest, for sums over pairs
	coarse = 20  // bins up to half of the largest distance, for the comparison
	merge  = fine / 2 / coarse
	far    = math.MaxUint16
)

var shapes = []struct {
	name string
	rho  func(t float64) float64 // of t = d/ℓ
}{
	{"exponential", func(t float64) float64 { return math.Exp(-t) }},
	{"matern32", func(t float64) float64 { return (1 + t) * math.Exp(-t) }},
}

// Covariance is a fitted Σ.
type Covariance struct {
	Shape  string  // exponential or matern32
	Range  float64 // ℓ, in the unit of the distances
	Sill   float64 // variance of the smooth part
	Nugget float64 // variance of each vertex's own part

	rho []float64
}

// Correlation is ρ of two vertices at a distance in the unit of Range; 1 of a map without a smooth part.
func (c Covariance) Correlation(distance float64) float64 {
	for _, s := range shapes {
		if s.name == c.Shape {
			return s.rho(distance / c.Range)
		}
	}
	return 1
}

// NewSpatial prepares for maps of V vertices. place is each one's x of the line whose residuals show the
// covariance (nil: there is no line, only a mean); group its hemisphere, any numbers; distance(i, j), i ≠ j of
// the same group, the way between them along the cortex, in any unit, +Inf where there is none. It is asked
// once for each pair i < j, row by row: for thousands of vertices, give rows that were computed before.
// NaN in place, fewer than three vertices and lengths that differ panic.
func NewSpatial(place []float64, group []int, distance func(i, j int) float64) *Spatial {
	s := &Spatial{n: len(group), basis: basisOf(place, len(group))}
	if s.n < 3 {
		panic("stats: NewSpatial: fewer than three vertices")
	}
	at := map[int]int{}
	for i, g := range group {
		if _, ok := at[g]; !ok {
			at[g] = len(s.groups)
			s.groups = append(s.groups, nil)
		}
		s.groups[at[g]] = append(s.groups[at[g]], i)
	}
	width := s.measure(distance)
	s.prepare(width)
	return s
}

// basisOf is an orthonormal basis, p vectors of [V], of the functions 1 and place on the vertices.
func basisOf(place []float64, n int) [][]float64 {
	one := make([]float64, n)
	for i := range one {
		one[i] = 1 / math.Sqrt(float64(n))
	}
	if place == nil {
		return [][]float64{one}
	}
	if len(place) != n {
		panic("stats: NewSpatial: lengths differ")
	}
	mean, norm := 0.0, 0.0
	for _, x := range place {
		mean += x / float64(n)
	}
	line := make([]float64, n)
	for i, x := range place {
		line[i] = x - mean
		norm += line[i] * line[i]
	}
	if math.IsNaN(norm) {
		panic("stats: NewSpatial: a place is NaN")
	}
	if constant(place) {
		return [][]float64{one}
	}
	for i := range line {
		line[i] /= math.Sqrt(norm)
	}
	return [][]float64{one, line}
}

// measure asks all distances and puts each pair into a bin; the bins' width is returned.
func (s *Spatial) measure(distance func(i, j int) float64) float64 {
	longest := 0.0
	all := make([][]float32, len(s.groups))
	for g, vertices := range s.groups {
		for k, i := range vertices {
			for _, j := range vertices[k+1:] {
				d := distance(i, j)
				if d < 0 || math.IsNaN(d) {
					panic("stats: NewSpatial: a distance is negative or NaN")
				}
				all[g] = append(all[g], float32(d))
				if !math.IsInf(d, 1) {
					longest = max(longest, d)
				}
			}
		}
	}
	width := math.Nextafter(longest, math.Inf(1)) / fine
	if longest == 0 {
		width = 1 // no pair to compare: any will do
	}
	s.bins = make([][]uint16, len(s.groups))
	for g := range all {
		s.bins[g] = make([]uint16, len(all[g]))
		for p, d := range all[g] {
			s.bins[g][p] = far
			if !math.IsInf(float64(d), 1) {
				s.bins[g][p] = uint16(min(fine-1, float64(d)/width))
			}
		}
	}
	return width
}

// prepare computes the means of M M and of M ρ M for every candidate. With U_i the row of the basis,
//
//	[M ρ M]_ij = ρ_ij − U_i·W_j − W_i·U_j + U_i (UᵀW) U_j,   W = ρ U
//
// All sums over pairs of a bin follow from two tables: for every vertex j and fine bin f the sum of U_i over
// its neighbours i there, and for every f the sum of U_i U_jᵀ. So the pairs are walked through once.
func (s *Spatial) prepare(width float64) {
	p := len(s.basis)
	near := make([]float64, s.n*fine*p) // [V, fine, p]
	count := make([]float64, fine)      // pairs, both orders
	outer := make([]float64, fine*p*p)  // [fine, p, p]
	s.eachPair(func(i, j int, bin uint16) {
		if bin == far {
			return
		}
		f := int(bin)
		count[f] += 2
		for a, u := range s.basis {
			near[(j*fine+f)*p+a] += u[i]
			near[(i*fine+f)*p+a] += u[j]
			for b, v := range s.basis {
				outer[(f*p+a)*p+b] += u[i]*v[j] + u[j]*v[i]
			}
		}
	})
	s.counts = make([]float64, coarse)
	for f := range coarse * merge {
		s.counts[f/merge] += count[f]
	}
	s.noise = s.projected(nil, near, count, outer)
	longest := width * fine
	for shape := range shapes {
		const lengths = 24
		for k := range lengths {
			length := longest / 200 * math.Pow(160, float64(k)/(lengths-1)) // a two-hundredth of the map to most of it
			rho := make([]float64, fine)
			for f := range rho {
				rho[f] = shapes[shape].rho((float64(f) + 0.5) * width / length)
			}
			s.candidates = append(s.candidates, candidate{shape, length, rho, s.projected(rho, near, count, outer)})
		}
	}
}

// projected are the means of M C M over the diagonal and over the pairs of each coarse bin, for C with 1 on
// its diagonal and rho elsewhere (nil: 0).
func (s *Spatial) projected(rho, near, count, outer []float64) []float64 {
	p := len(s.basis)
	w := make([]float64, s.n*p) // W = C U, [V, p]
	uw := make([]float64, p*p)  // Uᵀ W
	for j := range s.n {
		for a := range p {
			w[j*p+a] = s.basis[a][j]
			for f, r := range rho {
				w[j*p+a] += r * near[(j*fine+f)*p+a]
			}
		}
		for a := range p {
			for b := range p {
				uw[a*p+b] += s.basis[a][j] * w[j*p+b]
			}
		}
	}
	out := make([]float64, 1+coarse)
	for i := range s.n {
		entry := 1.0
		for a := range p {
			entry -= 2 * s.basis[a][i] * w[i*p+a]
			for b := range p {
				entry += s.basis[a][i] * uw[a*p+b] * s.basis[b][i]
			}
		}
		out[0] += entry / float64(s.n)
	}
	for f := range coarse * merge {
		sum := 0.0
		if rho != nil {
			sum = count[f] * rho[f]
		}
		for a := range p {
			for j := range s.n {
				sum -= 2 * w[j*p+a] * near[(j*fine+f)*p+a]
			}
			for b := range p {
				sum += uw[a*p+b] * outer[(f*p+a)*p+b]
			}
		}
		if s.counts[f/merge] > 0 {
			out[1+f/merge] += sum / s.counts[f/merge]
		}
	}
	return out
}

// eachPair walks the pairs i < j of each group, in the order of bins.
func (s *Spatial) eachPair(do func(i, j int, bin uint16)) {
	for g, vertices := range s.groups {
		at := 0
		for k, i := range vertices {
			for _, j := range vertices[k+1:] {
				do(i, j, s.bins[g][at])
				at++
			}
		}
	}
}
