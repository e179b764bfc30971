package fit

import (
	"math"

	"gonum.org/v1/gonum/blas/blas32"
)

// tridiagonal reduces the symmetric a [n, n], row-major, to Qᵀ a Q = T by Householder reflections. T's diagonal
// goes to d [n], what is beside it to e [n-1]; the reflections stay in a, for apply. Only a's upper triangle
// is read. A readout (19) needs P = f S + (τΣ)⁻¹ for a dozen pairs f, τ: in T's basis each costs O(n), so
// one reduction of 4/3 n³ takes the place of a dozen factorisations.
type tridiagonal struct {
	n    int
	a    []float32
	d, e []float64
	beta []float32 // [n-2] of the reflections 1 - beta v vᵀ; v_k is row k of a, right of the diagonal
	p    []float32
}

func newTridiagonal(n int) *tridiagonal {
	return &tridiagonal{n: n, d: make([]float64, n), e: make([]float64, n), beta: make([]float32, n), p: make([]float32, n)}
}

func (t *tridiagonal) reduce(a []float32) {
	n := t.n
	t.a = a
	for k := 0; k < n-2; k++ {
		v := a[k*n+k+1 : (k+1)*n]
		t.d[k] = float64(a[k*n+k])
		t.e[k], t.beta[k] = reflector(v)
		if t.beta[k] == 0 {
			continue
		}
		m := len(v)
		p := t.p[:m]
		t.times(p, k+1, v)
		vector := func(x []float32) blas32.Vector { return blas32.Vector{N: m, Inc: 1, Data: x} }
		blas32.Scal(t.beta[k], vector(p))
		// w = p - (beta/2)(p·v) v; then a ← a - v wᵀ - w vᵀ.
		axpy(-0.5*t.beta[k]*blas32.Dot(vector(p), vector(v)), v, p)
		for i := range m {
			vi, wi := v[i], p[i]
			row := a[(k+1+i)*n+k+1+i : (k+2+i)*n]
			vs, ws := v[i:][:len(row)], p[i:][:len(row)]
			for j := range row {
				row[j] -= vi*ws[j] + wi*vs[j]
			}
		}
	}
	if n > 1 {
		t.d[n-2], t.e[n-2] = float64(a[(n-2)*n+n-2]), float64(a[(n-2)*n+n-1])
	}
	t.d[n-1] = float64(a[n*n-1])
}

// times is p = A v for the part of A from row and column k on, of which the upper triangle is stored.
func (t *tridiagonal) times(p []float32, k int, v []float32) {
	clear(p)
	for i := range p {
		row := t.a[(k+i)*t.n+k+i : (k+i+1)*t.n]
		vi, sum := v[i], row[0]*v[i]
		vs, ps := v[i+1:][:len(row)-1], p[i+1:][:len(row)-1]
		for j, x := range row[1:] {
			sum += x * vs[j]
			ps[j] += x * vi
		}
		p[i] += sum
	}
}

// reflector turns x into v so that (1 - beta v vᵀ) x = (alpha, 0, …), and returns alpha and beta.
func reflector(x []float32) (alpha float64, beta float32) {
	tail := squares(x[1:])
	x0 := float64(x[0])
	if tail == 0 {
		return x0, 0
	}
	norm := math.Sqrt(x0*x0 + tail)
	alpha = norm
	if x0 > 0 {
		alpha = -norm // no cancellation in x0 - alpha
	}
	v0 := x0 - alpha
	x[0] = float32(v0)
	return alpha, float32(2 / (v0*v0 + tail))
}

// toBasis turns x into Qᵀ x, fromBasis back.
func (t *tridiagonal) toBasis(x []float32) {
	for k := 0; k < t.n-2; k++ {
		t.reflect(k, x)
	}
}

func (t *tridiagonal) fromBasis(x []float32) {
	for k := t.n - 3; k >= 0; k-- {
		t.reflect(k, x)
	}
}

func (t *tridiagonal) reflect(k int, x []float32) {
	if t.beta[k] == 0 {
		return
	}
	v := t.a[k*t.n+k+1 : (k+1)*t.n]
	tail := x[k+1:]
	var dot float32
	for i, y := range v {
		dot += y * tail[i]
	}
	axpy(-t.beta[k]*dot, v, tail)
}

// solution is what one solve of (f T + c) u = f q gives.
type solution struct {
	u                []float64 // [n]
	trace            float64   // of (f T + c)⁻¹
	uu, uq, uTu      float64
	forth, back, off []float64 // pivots from above and below, f·e
}

func newSolution(n int) *solution {
	return &solution{u: make([]float64, n), forth: make([]float64, n), back: make([]float64, n), off: make([]float64, n)}
}

// solve needs f T + c positive definite.
func (t *tridiagonal) solve(s *solution, f, c float64, q []float64) {
	n := t.n
	for i := range n {
		s.forth[i] = f*t.d[i] + c
		s.off[i] = f * t.e[i]
		s.u[i] = f * q[i]
		if i > 0 {
			r := s.off[i-1] / s.forth[i-1]
			s.forth[i] -= r * s.off[i-1]
			s.u[i] -= r * s.u[i-1]
		}
	}
	s.trace, s.uu, s.uq, s.uTu = 0, 0, 0, 0
	for i := n - 1; i >= 0; i-- {
		diagonal := f*t.d[i] + c
		s.back[i] = diagonal
		if i < n-1 {
			s.back[i] -= s.off[i] * s.off[i] / s.back[i+1]
			s.u[i] -= s.off[i] * s.u[i+1]
		}
		s.u[i] /= s.forth[i]
		// The inverse's diagonal from both pivots: Meurant, SIAM J. Matrix Anal. Appl. 13 (1992) 707.
		s.trace += 1 / (s.forth[i] + s.back[i] - diagonal)
		s.uu += s.u[i] * s.u[i]
		s.uq += s.u[i] * q[i]
		s.uTu += t.d[i] * s.u[i] * s.u[i]
		if i < n-1 {
			s.uTu += 2 * t.e[i] * s.u[i] * s.u[i+1]
		}
	}
}
