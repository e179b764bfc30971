package fit

import (
	"context"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

const (
	panelWidth = 128 // columns of a panel: its diagonal block is factored by one core, all else are products
	panelRows  = 512 // rows of a panel that one Run takes
)

// cholesky solves (S + α) X = B for one symmetric, positive semidefinite S [k, k] and many α, in float64:
// S + α = L Lᵀ by panels of columns, from left to right (Golub & Van Loan, Matrix Computations, 4.2.6). All but
// the panels' diagonal blocks are matrix products, which run through ONNX Runtime: k³/3 multiplications for L, k² for
// each column of X. On two cores L of k = 2,000 takes 0.06 s and 500 columns of X 0.07 s; gonum's mat.Cholesky, whose
// products are Go's, takes 0.47 s and 0.37 s (BenchmarkCholesky).
type cholesky struct {
	e                              *engine
	k                              int
	s                              *mat.SymDense // not changed
	panels                         []panel
	tiles                          [][]float64 // [workers] a product on its way, [panelRows, panelWidth]
	timesT, times, transposedTimes *kernel     // a bᵀ, a b, aᵀ b
}

// panel is the columns from..to of L, from the row "from" down.
type panel struct {
	from, to int
	rows     []float64 // [k - from, to - from]
	inverse  []float64 // of the block on the diagonal, [to - from, to - from]
}

func (p panel) width() int       { return p.to - p.from }
func (p panel) below() []float64 { return p.rows[p.width()*p.width():] } // [k - to, to - from]

// newCholesky reads s's upper triangle and keeps s. The caller closes what it gets.
func newCholesky(e *engine, s *mat.SymDense) (*cholesky, error) {
	c := &cholesky{e: e, k: s.SymmetricDim(), s: s}
	for from := 0; from < c.k; from += panelWidth {
		to := min(c.k, from+panelWidth)
		c.panels = append(c.panels, panel{from, to, make([]float64, (c.k-from)*(to-from)), make([]float64, (to-from)*(to-from))})
	}
	for range e.workers {
		c.tiles = append(c.tiles, make([]float64, panelRows*panelWidth))
	}
	for _, k := range []struct {
		to   **kernel
		name string
	}{{&c.timesT, "a bT"}, {&c.times, "a b"}, {&c.transposedTimes, "aT b"}} {
		var err error
		if *k.to, err = e.loadOnce(float64Graph(k.name)); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

func (c *cholesky) close() {
	c.timesT.close()
	c.times.close()
	c.transposedTimes.close()
}

// float64Graph is one product of two matrices of float64: "a bT", "a b" or "aT b".
func float64Graph(product string) *graph {
	g := newGraph("float64 " + product)
	a, b := g.input("a", onnx.Float64, "a0", "a1"), g.input("b", onnx.Float64, "b0", "b1")
	y := ""
	switch product {
	case "a bT":
		y = g.timesT(a, b)
	case "aT b":
		y = g.transposedTimes(a, b)
	default:
		y = g.op("MatMul", a, b)
	}
	g.gives(y, onnx.Float64, "y0", "y1")
	return g
}

// factor takes L for an α; S + α that is not positive definite is a fault.
func (c *cholesky) factor(ctx context.Context, alpha float64) error {
	c.fill(alpha)
	for j, p := range c.panels {
		if err := p.factorDiagonal(); err != nil {
			return err
		}
		w := p.width()
		blocks := (c.k - p.to + panelRows - 1) / panelRows
		if err := c.e.spread(ctx, blocks, func(ctx context.Context, worker, i int) error {
			rows := p.below()[i*panelRows*w : min((i+1)*panelRows, c.k-p.to)*w]
			tile := c.tiles[worker][:len(rows)]
			if err := c.product(ctx, worker, c.timesT, rows, p.inverse, tile, w, w, w); err != nil {
				return err
			}
			copy(rows, tile)
			return nil
		}); err != nil {
			return err
		}
		if err := c.update(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// fill puts S + α into the panels.
func (c *cholesky) fill(alpha float64) {
	raw := c.s.RawSymmetric()
	for _, p := range c.panels {
		w := p.width()
		for i := p.from; i < c.k; i++ {
			row := p.rows[(i-p.from)*w : (i-p.from+1)*w]
			for j := range row {
				at := p.from + j
				row[j] = raw.Data[min(at, i)*raw.Stride+max(at, i)]
				if at == i {
					row[j] += alpha
				}
			}
		}
	}
}

// factorDiagonal factors a panel's first block and inverts it.
func (p panel) factorDiagonal() error {
	w := p.width()
	block := p.rows[:w*w]
	t, ok := lapack64.Potrf(blas64.Symmetric{N: w, Stride: w, Data: block, Uplo: blas.Lower})
	if !ok {
		return fault.Inputf("products of tokens are not finite, or lose all precision")
	}
	clear(p.inverse)
	for i := range w {
		clear(block[i*w+i+1 : (i+1)*w])
		copy(p.inverse[i*w:i*w+i+1], block[i*w:])
	}
	lapack64.Trtri(blas64.Triangular{N: w, Stride: w, Data: p.inverse, Uplo: blas.Lower, Diag: t.Diag})
	return nil
}

// update takes panel j's outer product off all panels right of it.
func (c *cholesky) update(ctx context.Context, j int) error {
	p := c.panels[j]
	type job struct{ panel, from, to int } // rows of the matrix
	var jobs []job
	for i := j + 1; i < len(c.panels); i++ {
		for from := c.panels[i].from; from < c.k; from += panelRows {
			jobs = append(jobs, job{i, from, min(c.k, from+panelRows)})
		}
	}
	w := p.width()
	return c.e.spread(ctx, len(jobs), func(ctx context.Context, worker, i int) error {
		q, from, to := c.panels[jobs[i].panel], jobs[i].from, jobs[i].to
		left, right := p.rows[(from-p.from)*w:(to-p.from)*w], p.rows[(q.from-p.from)*w:(q.to-p.from)*w]
		tile := c.tiles[worker][:(to-from)*q.width()]
		if err := c.product(ctx, worker, c.timesT, left, right, tile, w, w, q.width()); err != nil {
			return err
		}
		subtract(q.rows[(from-q.from)*q.width():], tile)
		return nil
	})
}

func subtract(dst, x []float64) {
	dst = dst[:len(x)]
	for i, v := range x {
		dst[i] -= v
	}
}

// product runs one of the three products of a [.., ca] and b [.., cb] into y [.., cy].
func (c *cholesky) product(ctx context.Context, w int, k *kernel, a, b, y []float64, ca, cb, cy int) error {
	var in binding
	defer in.close()
	in.f64(a, len(a)/ca, ca).f64(b, len(b)/cb, cb).gives64(y, len(y)/cy, cy)
	return k.run(ctx, w, &in)
}

// solve overwrites b [k, n] with (S + α)⁻¹ b on one worker; room is as long as b.
func (c *cholesky) solve(ctx context.Context, worker int, b, room []float64) error {
	n := len(b) / c.k
	rows := func(x []float64, from, to int) []float64 { return x[from*n : to*n] }
	for _, p := range c.panels {
		w, here, out := p.width(), rows(b, p.from, p.to), rows(room, p.from, p.to)
		if err := c.product(ctx, worker, c.times, p.inverse, here, out, w, n, n); err != nil {
			return err
		}
		copy(here, out)
		if p.to == c.k {
			break
		}
		rest := rows(room, p.to, c.k)
		if err := c.product(ctx, worker, c.times, p.below(), here, rest, w, n, n); err != nil {
			return err
		}
		subtract(rows(b, p.to, c.k), rest)
	}
	for i := len(c.panels) - 1; i >= 0; i-- {
		p := c.panels[i]
		w, here, out := p.width(), rows(b, p.from, p.to), rows(room, p.from, p.to)
		if p.to < c.k {
			if err := c.product(ctx, worker, c.transposedTimes, p.below(), rows(b, p.to, c.k), out, w, n, n); err != nil {
				return err
			}
			subtract(here, out)
		}
		if err := c.product(ctx, worker, c.transposedTimes, p.inverse, here, out, w, n, n); err != nil {
			return err
		}
		copy(here, out)
	}
	return nil
}
