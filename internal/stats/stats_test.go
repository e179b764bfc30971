package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

var nan = math.NaN()

// near compares with SciPy's values: sums of a few hundred float64 in another order.
func near(t *testing.T, name string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-12*max(1, math.Abs(want)) || math.IsNaN(got) != math.IsNaN(want) {
		t.Errorf("%s is %.17g, want %.17g", name, got, want)
	}
}

func TestAgainstSciPy(t *testing.T) {
	var golden struct {
		Pairs []struct {
			Name                                                        string
			X, Y                                                        []float64
			R2, Pearson, Pearson_P, Spearman, Kendall, Slope, Intercept float64
			Rank_X                                                      []float64
		}
		Summary struct {
			X, At, Quantiles     []float64
			Mean, SD, T_Lo, T_Hi float64
		}
		FDR             struct{ P, Q []float64 }
		T_Quantile      struct{ DF, T []float64 }
		Normal_Quantile struct{ P, Z []float64 }
	}
	data, err := os.ReadFile("../../testdata/reference/stats.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	for _, c := range golden.Pairs {
		t.Run(c.Name, func(t *testing.T) {
			near(t, "R2", R2(c.Y, c.X), c.R2)
			near(t, "Pearson", Pearson(c.X, c.Y), c.Pearson)
			near(t, "Spearman", Spearman(c.X, c.Y), c.Spearman)
			near(t, "Kendall", Kendall(c.X, c.Y), c.Kendall)
			if len(c.X) > 2 {
				near(t, "PearsonP", PearsonP(c.Pearson, len(c.X)), c.Pearson_P)
			}
			line := FitLine(c.X, c.Y)
			near(t, "slope", line.Slope, c.Slope)
			near(t, "intercept", line.Intercept, c.Intercept)
			near(t, "line's r²", line.R2, c.Pearson*c.Pearson)
			near(t, "line at 2", line.At(2), c.Intercept+2*c.Slope)
			if got := Ranks(c.X); !slices.Equal(got, c.Rank_X) {
				t.Errorf("ranks %v, want %v", got, c.Rank_X)
			}
		})
	}
	s := golden.Summary
	near(t, "mean", Mean(s.X), s.Mean)
	near(t, "sd", SD(s.X), s.SD)
	for i, got := range Quantiles(s.X, s.At...) {
		near(t, "quantile", got, s.Quantiles[i])
	}
	interval := TInterval(s.X, 0.95)
	// gonum's t quantile is found by iteration to about 1e-10.
	if math.Abs(interval.Lo-s.T_Lo) > 1e-8 || math.Abs(interval.Hi-s.T_Hi) > 1e-8 || interval.Estimate != Mean(s.X) {
		t.Errorf("t interval %v, want %v .. %v", interval, s.T_Lo, s.T_Hi)
	}
	for i, q := range FDR(golden.FDR.P) {
		near(t, "q", q, golden.FDR.Q[i])
	}
	for i, df := range golden.T_Quantile.DF {
		if got := TQuantile(0.975, df); math.Abs(got-golden.T_Quantile.T[i]) > 1e-8*got {
			t.Errorf("t(0.975, %v) is %v, want %v", df, got, golden.T_Quantile.T[i])
		}
	}
	for i, p := range golden.Normal_Quantile.P {
		if got := NormalQuantile(p); math.Abs(got-golden.Normal_Quantile.Z[i]) > 1e-9 {
			t.Errorf("z(%v) is %v, want %v", p, got, golden.Normal_Quantile.Z[i])
		}
	}
}

// What has no answer is NaN, and what is missing is left out.
func TestMissing(t *testing.T) {
	x, y := []float64{1, nan, 2, 3, 9}, []float64{2, 7, 4, 6, nan}
	many := slices.Repeat([]float64{0.1}, 1001) // the mean of these is not 0.1
	ramp := make([]float64, len(many))
	for i := range ramp {
		ramp[i] = float64(i)
	}
	cases := []struct {
		name      string
		got, want float64
	}{
		{"R2 with missing", R2(y, []float64{2, nan, 4, 6, 0}), 1},
		{"R2 of a constant", R2(many, ramp), nan},
		{"R2 of nothing", R2(nil, nil), nan},
		{"R2 of the mean", R2([]float64{1, 2, 3}, []float64{2, 2, 2}), 0},
		{"R2, worse", R2([]float64{1, 3}, []float64{3, 1}), -3},
		{"Pearson with missing", Pearson(x, y), 1},
		{"Pearson of a constant", Pearson(many, ramp), nan},
		{"Pearson of one", Pearson([]float64{1}, []float64{1}), nan},
		{"Spearman with missing", Spearman(x, y), 1},
		{"Kendall with missing", Kendall(x, y), 1},
		{"Kendall of a constant", Kendall(ramp, many), nan},
		{"Kendall of nothing", Kendall(nil, nil), nan},
		{"Kendall reversed", Kendall([]float64{1, 2, 3}, []float64{3, 2, 1}), -1},
		{"slope with missing", FitLine(x, y).Slope, 2},
		{"slope on a constant", FitLine(many, ramp).Slope, nan},
		{"slope of a constant", FitLine(ramp, many).Slope, 0},
		{"r of a constant", FitLine(ramp, many).R, nan},
		{"mean with missing", Mean(x), 3.75},
		{"mean of nothing", Mean([]float64{nan}), nan},
		{"sd of one", SD([]float64{nan, 1}), nan},
		{"median with missing", Median([]float64{3, nan, 1, 2}), 2},
		{"median of nothing", Median(nil), nan},
		{"t interval of one", TInterval([]float64{4}, 0.95).Lo, nan},
		{"p of nothing", PermutationP(nan, []float64{1}), nan},
		{"p with missing", PermutationP(2, []float64{1, nan, 2, 3}), 0.75},
		{"p, none larger", PermutationP(9, []float64{1, 2, 3}), 0.25},
		{"p of two pairs", PearsonP(1, 2), nan},
		{"p of a perfect r", PearsonP(1, 9), 0},
		{"q with missing", FDR([]float64{0.5, nan, 0.01})[2], 0.02},
		{"q that is missing", FDR([]float64{0.5, nan, 0.01})[1], nan},
		{"rank with missing", Ranks([]float64{5, nan, 5, 1})[2], 2.5},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { near(t, c.name, c.got, c.want) })
	}
}

func TestKendallAgainstPairs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 2 + random.IntN(30)
		x, y := make([]float64, n), make([]float64, n)
		for i := range x {
			x[i], y[i] = float64(random.IntN(6)), float64(random.IntN(6))
		}
		var p, q, tiedX, tiedY float64
		for i := range x {
			for j := range i {
				switch s := (x[i] - x[j]) * (y[i] - y[j]); {
				case s > 0:
					p++
				case s < 0:
					q++
				}
				if x[i] == x[j] {
					tiedX++
				}
				if y[i] == y[j] {
					tiedY++
				}
			}
		}
		all := float64(n * (n - 1) / 2)
		near(t, "tau", Kendall(x, y), (p-q)/math.Sqrt((all-tiedX)*(all-tiedY)))
	}
}

// A signal of known strength with three trials an image: the estimate, and how much of the average's
// variance the true signal explains, as measured in the design (neuroscience notes, section 6).
func TestNCSNR(t *testing.T) {
	const images = 20000
	random := rand.New(rand.NewPCG(3, 4))
	for _, want := range []float64{0.3, 0.5, 1} {
		for _, equal := range []bool{true, false} {
			var trials []float64
			var image, counts []int
			signal, average := make([]float64, images), make([]float64, images)
			for i := range images {
				signal[i] = want * random.NormFloat64()
				k := 3
				if !equal {
					k = 1 + i%3
				}
				for range k {
					y := signal[i] + random.NormFloat64()
					trials, image = append(trials, y), append(image, i)
					average[i] += y / float64(k)
				}
				counts = append(counts, k)
			}
			got := NCSNR(trials, image)
			// With 20,000 images the estimate's standard error is 0.012 at 0.3 and less above.
			if math.Abs(got-want) > 0.03 {
				t.Errorf("ncsnr %v, equal %v: %v", want, equal, got)
			}
			ceiling := Ceiling(want, MeanInverse(counts))
			if r := Pearson(signal, average); math.Abs(r*r-ceiling) > 0.02 { // r² has a standard error of 0.006
				t.Errorf("ncsnr %v, equal %v: r² %v, ceiling %v", want, equal, r*r, ceiling)
			}
		}
	}
}

func TestCeiling(t *testing.T) {
	mixed := []int{1, 2, 3, 0}
	for _, c := range []struct {
		name           string
		got, want, tol float64
	}{
		{"0.3, three trials", Ceiling(0.3, 1./3), 0.2126, 5e-5},
		{"0.5, three trials", Ceiling(0.5, 1./3), 0.4286, 5e-5},
		{"1, three trials", Ceiling(1, 1./3), 0.75, 1e-15},
		{"2, three trials", Ceiling(2, 1./3), 12. / 13, 1e-15},
		{"0.3, mixed", Ceiling(0.3, MeanInverse(mixed)), 0.1282, 3e-4}, // the note's mixture is drawn, not a third each
		{"1, mixed", Ceiling(1, MeanInverse(mixed)), 0.6205, 3e-4},
		{"none", Ceiling(0, 1), 0, 0},
		{"infinite", Ceiling(math.Inf(1), 1), 1, 0},
	} {
		if math.Abs(c.got-c.want) > c.tol {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	for name, got := range map[string]float64{
		"missing":            Ceiling(nan, 1),
		"negative":           Ceiling(-1, 1),
		"never seen":         MeanInverse([]int{0}),
		"no repeats":         NCSNR([]float64{1, 2, 3}, []int{0, 1, 2}),
		"one image":          NCSNR([]float64{1, 2, 3}, []int{0, 0, 0}),
		"repeats are absent": NCSNR([]float64{1, nan, 3, nan}, []int{0, 0, 1, 1}),
	} {
		if !math.IsNaN(got) {
			t.Errorf("%s: %v, want NaN", name, got)
		}
	}
	if got := NCSNR([]float64{1, 1, 1, 1}, []int{0, 0, 1, 1}); got != 0 {
		t.Errorf("of a constant: %v, want 0", got)
	}
}

// Without any signal, few images still give a ceiling: 0.045 on average, 0.18 at the 95th percentile.
func TestCeilingOfNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	ceilings := make([]float64, 2000)
	for v := range ceilings {
		trials, image := make([]float64, 600), make([]int, 600)
		for i := range trials {
			trials[i], image[i] = random.NormFloat64(), i/3
		}
		ceilings[v] = Ceiling(NCSNR(trials, image), 1./3)
	}
	// Standard errors over 2,000 units: 0.0015 and 0.005.
	if m, q := Mean(ceilings), Quantile(ceilings, 0.95); math.Abs(m-0.045) > 0.006 || math.Abs(q-0.18) > 0.02 {
		t.Errorf("mean %v, 95th percentile %v", m, q)
	}
}

func TestBootstrap(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	x := make([]float64, 100)
	for i := range x {
		x[i] = random.NormFloat64()
	}
	mean := func(items []int) float64 {
		sum := 0.0
		for _, i := range items {
			sum += x[i]
		}
		return sum / float64(len(items))
	}
	draws := Bootstrap(len(x), 4000, 1, mean)
	if !slices.Equal(draws, Bootstrap(len(x), 4000, 1, mean)) || slices.Equal(draws, Bootstrap(len(x), 4000, 2, mean)) {
		t.Error("draws don't follow the seed")
	}
	// The mean's standard error is known; the bootstrap's estimate of it is good to a few per cent.
	if got, want := SD(draws), SD(x)/10; math.Abs(got/want-1) > 0.06 {
		t.Errorf("standard error %v, want %v", got, want)
	}
	i := PercentileInterval(Mean(x), draws, 0.95)
	if got, want := i.Hi-i.Lo, 2*1.96*SD(x)/10; math.Abs(got/want-1) > 0.08 || i.Lo > i.Estimate || i.Hi < i.Estimate {
		t.Errorf("interval %v", i)
	}
}

func TestPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"R2":        func() { R2([]float64{1}, nil) },
		"NCSNR":     func() { NCSNR([]float64{1}, nil) },
		"Quantiles": func() { Quantile([]float64{1}, 95) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

// TestProportion: the bounds as SciPy's binomtest(k, n).proportion_ci(method="exact") gives them.
func TestProportion(t *testing.T) {
	for _, c := range []struct{ k, n, lo, hi float64 }{{0, 10, 0, 0.30849710781876294}, {10, 10, 0.6915028921812371, 1}, {950, 1000, 0.9346095120845064, 0.9626646023953394}} {
		p := Proportion(c.k, c.n)
		if math.Abs(p.Lo-c.lo) > 1e-6 || math.Abs(p.Hi-c.hi) > 1e-6 || p.Estimate != c.k/c.n { // the quantile is found by iteration
			t.Errorf("%v of %v: %+v, want %v to %v", c.k, c.n, p, c.lo, c.hi)
		}
	}
	if p := Proportion(0, 0); !math.IsNaN(p.Estimate) || !math.IsNaN(p.Lo) {
		t.Errorf("none of none: %+v", p)
	}
}

// TestBinomialQuantile against scipy.stats.binom.ppf.
func TestBinomialQuantile(t *testing.T) {
	for _, c := range []struct {
		q    float64
		n    int
		p    float64
		want float64
	}{{0.99, 1000, 0.05, 67}, {0.99, 500, 0.05, 37}, {0.5, 10, 0.5, 5}, {0.99, 0, 0.05, 0}, {1, 3, 0.5, 3}} {
		if got := BinomialQuantile(c.q, c.n, c.p); got != c.want {
			t.Errorf("the %v quantile of %d with %v is %v, want %v", c.q, c.n, c.p, got, c.want)
		}
	}
}

// TestTCDF against scipy.stats.t.cdf.
func TestTCDF(t *testing.T) {
	for _, c := range []struct{ t, df, want float64 }{{0, 3, 0.5}, {2.5, 1, 0.8788810584091566}, {-1.2, 7, 0.1345859684136033}, {4, 30, 0.9998090771819581}} {
		if got := TCDF(c.t, c.df); math.Abs(got-c.want) > 1e-9 { // an incomplete beta by continued fractions
			t.Errorf("TCDF(%v, %v) = %v, want %v", c.t, c.df, got, c.want)
		}
	}
}
