package fit

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cortexmap/internal/ort/orttest"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// crossRidge chooses each unit's penalty by cross-validation over contiguous folds, and returns the mean R² of every
// penalty [penalties][units], the weights [units, d] for the best ones, and which they are: what himalaya's RidgeCV
// does.
func crossRidge(tb testing.TB, e *engine, x *mat.Dense, y []float32, units, folds int, penalties []float64) (scores [][]float64, weights []float32, best []int) {
	tb.Helper()
	ctx := context.Background()
	n, d := x.Dims()
	must := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	rows := func(keep func(i int) bool) (*mat.Dense, []int) {
		var at []int
		for i := range n {
			if keep(i) {
				at = append(at, i)
			}
		}
		out := mat.NewDense(len(at), d, nil)
		for k, i := range at {
			out.SetRow(k, x.RawRowView(i))
		}
		return out, at
	}
	answers := func(train, test []int) responder {
		return func(units []int32, a, b []float32) {
			for j, v := range units {
				for k, i := range train {
					a[j*len(train)+k] = y[int(v)*n+i]
				}
				for k, i := range test {
					b[j*len(test)+k] = y[int(v)*n+i]
				}
			}
		}
	}
	scores = make([][]float64, len(penalties))
	for i := range scores {
		scores[i] = make([]float64, units)
	}
	for k := range folds {
		inside := func(i int) bool { return i >= k*n/folds && i < (k+1)*n/folds }
		a, test := rows(inside)
		w, train := rows(func(i int) bool { return !inside(i) })
		var s mat.SymDense
		s.SymOuterK(1, w.T())
		f, err := newFold(e, &s, w, a)
		must(err)
		tried, err := f.scores(ctx, units, answers(train, test), penalties)
		must(err)
		for i := range tried {
			for v := range units {
				r2, _ := tried[i][v].scores()
				scores[i][v] += r2 / float64(folds)
			}
		}
		f.close()
	}
	best = make([]int, units)
	for v := range best {
		for i := range penalties {
			if scores[i][v] > scores[best[v]][v] {
				best[v] = i
			}
		}
	}
	// The weights in the features are predictions of 1 in the place of the others' X.
	all, train := rows(func(int) bool { return true })
	var s mat.SymDense
	s.SymOuterK(1, all.T())
	one := mat.NewDense(d, d, nil)
	for i := range d {
		one.Set(i, i, 1)
	}
	f, err := newFold(e, &s, all, one)
	must(err)
	defer f.close()
	weights = make([]float32, units*d)
	for p, alpha := range penalties {
		var chosen []int32
		for v := range best {
			if best[v] == p {
				chosen = append(chosen, int32(v))
			}
		}
		h, err := f.predictor(ctx, alpha)
		must(err)
		must(f.each(ctx, chosen, answers(train, make([]int, d)), func(ctx context.Context, w int, part []int32, z, _ []float32) error {
			out := make([]float32, len(z))
			err := f.times(ctx, w, z, h, out, len(part))
			for j, v := range part {
				copy(weights[int(v)*d:], out[j*d:(j+1)*d])
			}
			return err
		}))
	}
	return scores, weights, best
}

// himalayaCase is what Python is given, and what it answers.
type himalayaCase struct {
	Samples, Features, Targets, Folds int
	Alphas                            []float64
	Train                             int         // banded: so many samples are learned from
	Mixtures                          [][]float64 // banded: [mixtures][layers]
	Seconds                           float64
	Scores                            [][]float64 // of scikit-learn's Ridge, [penalties][targets]; banded: of himalaya's, [mixtures][targets]
	Coef                              [][]float64 // [first targets][features] at the targets' best penalties
}

// python runs testdata/reference/ridge.py over the same numbers, or skips.
func (c *himalayaCase) python(tb testing.TB, x, y []float32, against string) {
	tb.Helper()
	python := os.Getenv("CORTEXMAP_PYTHON")
	if python == "" {
		tb.Skip("CORTEXMAP_PYTHON names no Python with " + against)
	}
	module := map[string]string{"banded": "himalaya"}[against]
	if module == "" {
		module = against
	}
	if err := exec.Command(python, "-c", "import "+module).Run(); err != nil {
		tb.Skip(python + " has no " + module)
	}
	dir := tb.TempDir()
	raw := func(name string, data []float32) {
		b, err := binary.Append(nil, binary.LittleEndian, data)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o666)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	raw("x.f4", x)
	raw("y.f4", y)
	in, _ := json.Marshal(c)
	if err := os.WriteFile(filepath.Join(dir, "case.json"), in, 0o666); err != nil {
		tb.Fatal(err)
	}
	out, err := exec.Command(python, "../testdata/reference/ridge.py", against, dir).Output()
	if err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	if err := json.Unmarshal(out, c); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
}

func ridgeNumbers(n, d, units int) (x *mat.Dense, y []float32) {
	r := rand.New(rand.NewPCG(5, 5))
	x, y = mat.NewDense(n, d, nil), make([]float32, units*n)
	data := x.RawMatrix().Data
	for i := range data {
		data[i] = float64(float32(r.NormFloat64()))
	}
	w := make([]float64, d)
	for v := range units {
		for j := range w {
			w[j] = r.NormFloat64() / math.Sqrt(float64(d))
		}
		if v >= 64 { // a signal in the first ones is enough
			for i := range n {
				y[v*n+i] = float32(r.NormFloat64())
			}
			continue
		}
		for i := range n {
			var s float64
			for j, a := range x.RawRowView(i) {
				s += a * w[j]
			}
			y[v*n+i] = float32(s + r.NormFloat64())
		}
	}
	return x, y
}

// Scores of every penalty and the weights for the best are those of scikit-learn's Ridge: 1e-4, of which float32
// sums over a few hundred numbers take a hundredth.
func TestRidgeIsScikitLearns(t *testing.T) {
	c := himalayaCase{Samples: 300, Features: 100, Targets: 40, Folds: 3, Alphas: floats.LogSpan(make([]float64, 9), 1e-3, 1e5)}
	x, y := ridgeNumbers(c.Samples, c.Features, c.Targets)
	c.python(t, narrowed(x), y, "sklearn")
	e := newEngine(orttest.Runtime(t), 2)
	defer e.close()
	scores, weights, _ := crossRidge(t, e, x, y, c.Targets, c.Folds, c.Alphas)
	for i := range scores {
		for v, got := range scores[i] {
			if math.Abs(got-c.Scores[i][v]) > 1e-4 {
				t.Fatalf("penalty %g, target %d: R² %.6f, scikit-learn has %.6f", c.Alphas[i], v, got, c.Scores[i][v])
			}
		}
	}
	for v := range c.Targets {
		for j, want := range c.Coef[v] {
			if got := float64(weights[v*c.Features+j]); math.Abs(got-want) > 1e-4 {
				t.Fatalf("target %d: weight %d is %.6f, scikit-learn has %.6f", v, j, got, want)
			}
		}
	}
}

// What every mixture of layers is worth for every unit, at its best penalty, is what himalaya's banded ridge finds by
// the same kernels: 1e-4, of which float32 kernels take most.
func TestBandedIsHimalayas(t *testing.T) {
	in := plant(t, 31, 200, 20).in
	p, err := newProblem(orttest.Runtime(t), in, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.e.close()
	r := newRidge(p)
	grams, err := r.kernels(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := himalayaCase{Samples: r.final, Features: r.final, Targets: r.V, Train: r.fit, Alphas: ridgePenalties, Mixtures: r.mixtures()}
	var x []float32
	for _, g := range grams {
		k, _ := centred(g, r.fit)
		for i := range r.final {
			for j := range r.final {
				x = append(x, float32(k.At(i, j)))
			}
		}
	}
	y := make([]float32, r.V*r.final)
	train, test := make([]float32, r.V*r.fit), make([]float32, r.V*(r.final-r.fit))
	r.answers(upTo[int](r.fit), r.fit, r.final)(upTo[int32](r.V), train, test)
	for v := range r.V {
		copy(y[v*r.final:], train[v*r.fit:(v+1)*r.fit])
		copy(y[v*r.final+r.fit:(v+1)*r.final], test[v*(r.final-r.fit):])
	}
	c.python(t, x, y, "banded")
	for i, g := range c.Mixtures {
		bands := make([]band, r.V)
		for v := range bands {
			bands[v].mixture = -1
		}
		if err := r.choose(t.Context(), mixed(grams, g), i, bands); err != nil {
			t.Fatal(err)
		}
		for v := range bands {
			if got, want := r2Of(&bands[v].choice), c.Scores[i][v]; math.Abs(got-want) > 1e-4 {
				t.Fatalf("mixture %d, unit %d: R² %.6f, himalaya has %.6f", i, v, got, want)
			}
		}
	}
}

// BenchmarkRidge is himalaya's default shape beside himalaya's NumPy back end in the same run, on the same cores:
// s/fit, and himalaya/fit, how many times longer himalaya takes.
func BenchmarkRidge(b *testing.B) {
	c := himalayaCase{Samples: 3000, Features: 1000, Targets: 30000, Folds: 3, Alphas: floats.LogSpan(make([]float64, 20), 1e-2, 1e6)}
	x, y := ridgeNumbers(c.Samples, c.Features, c.Targets)
	c.python(b, narrowed(x), y, "himalaya")
	e := newEngine(orttest.Runtime(b), 0)
	defer e.close()
	b.ResetTimer()
	start := time.Now()
	for range b.N {
		crossRidge(b, e, x, y, c.Targets, c.Folds, c.Alphas)
	}
	ours := time.Since(start).Seconds() / float64(b.N)
	b.ReportMetric(ours, "s/fit")
	b.ReportMetric(c.Seconds/ours, "himalaya/fit")
}
