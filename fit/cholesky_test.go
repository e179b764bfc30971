package fit

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"cortexmap/internal/fault"
	"cortexmap/internal/ort/orttest"

	"gonum.org/v1/gonum/mat"
)

// (S + α)⁻¹ B is gonum's, from sizes below one panel to several with a narrow last one; S has half of its rank, so
// that a small α makes it as ill-conditioned as a kernel of few features is.
func TestCholeskySolves(t *testing.T) {
	e := newEngine(orttest.Runtime(t), 2)
	defer e.close()
	r := rand.New(rand.NewPCG(4, 4))
	for _, k := range []int{1, 7, 128, 129, 300, 700} {
		x, n := mat.NewDense(k, max(1, k/2), nil), 5
		for i := range x.RawMatrix().Data {
			x.RawMatrix().Data[i] = r.NormFloat64()
		}
		var s mat.SymDense
		s.SymOuterK(1/float64(k), x)
		c, err := newCholesky(e, &s)
		if err != nil {
			t.Fatal(err)
		}
		for _, alpha := range []float64{1e-4, 1, 100} {
			b := mat.NewDense(k, n, nil)
			for i := range b.RawMatrix().Data {
				b.RawMatrix().Data[i] = r.NormFloat64()
			}
			var chol mat.Cholesky
			plus := mat.NewSymDense(k, nil)
			plus.CopySym(&s)
			for i := range k {
				plus.SetSym(i, i, plus.At(i, i)+alpha)
			}
			if !chol.Factorize(plus) {
				t.Fatal("not positive")
			}
			var want mat.Dense
			if err := chol.SolveTo(&want, b); err != nil {
				t.Fatal(err)
			}
			if err := c.factor(t.Context(), alpha); err != nil {
				t.Fatal(err)
			}
			got := append([]float64(nil), b.RawMatrix().Data...)
			if err := c.solve(t.Context(), 1, got, make([]float64, len(got))); err != nil {
				t.Fatal(err)
			}
			size := mat.Max(&want) - mat.Min(&want)
			for i, w := range want.RawMatrix().Data {
				if !(math.Abs(got[i]-w) <= 1e-9*size) { // float64 times a condition of 1e5
					t.Fatalf("%d columns, α %g: number %d is %v, want %v", k, alpha, i, got[i], w)
				}
			}
		}
		c.close()
	}
	nan, err := newCholesky(e, mat.NewSymDense(1, []float64{math.NaN()}))
	if err != nil {
		t.Fatal(err)
	}
	defer nan.close()
	if err := nan.factor(t.Context(), 1); fault.ClassOf(err) != fault.Input || err == nil {
		t.Errorf("NaN: %v", err)
	}
}

// BenchmarkCholesky times L of 2,000 columns and 500 columns of X, in ms, beside gonum's.
func BenchmarkCholesky(b *testing.B) {
	const k, n = 2000, 500
	e := newEngine(orttest.Runtime(b), 0)
	defer e.close()
	r := rand.New(rand.NewPCG(4, 4))
	x, rhs := mat.NewDense(k, k, nil), mat.NewDense(k, n, nil)
	for _, data := range [][]float64{x.RawMatrix().Data, rhs.RawMatrix().Data} {
		for i := range data {
			data[i] = r.NormFloat64()
		}
	}
	var s mat.SymDense
	s.SymOuterK(1.0/k, x)
	for i := range k {
		s.SetSym(i, i, s.At(i, i)+1)
	}
	c, err := newCholesky(e, &s)
	if err != nil {
		b.Fatal(err)
	}
	defer c.close()
	ms := map[string]float64{}
	clock := func(name string, f func() error) {
		start := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		ms[name] += 1e3 * time.Since(start).Seconds()
	}
	runs := 0.0
	for b.Loop() {
		runs++
		clock("factor", func() error { return c.factor(b.Context(), 0) })
		clock("solve", func() error {
			return e.each(b.Context(), func(ctx context.Context, w int) error {
				from, to := e.share(n, w)
				part := mat.DenseCopyOf(rhs.Slice(0, k, from, to)).RawMatrix().Data
				return c.solve(ctx, w, part, make([]float64, len(part)))
			})
		})
		var chol mat.Cholesky
		clock("gonum-factor", func() error { chol.Factorize(&s); return nil })
		clock("gonum-solve", func() error { return chol.SolveTo(new(mat.Dense), rhs) })
	}
	for name, sum := range ms {
		b.ReportMetric(sum/runs, name+"-ms")
	}
	b.ReportMetric(0, "ns/op")
}
