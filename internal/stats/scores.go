package stats

import (
	"cmp"
	"math"
	"slices"
)

// R2 is the part of the variance of y that the prediction p explains:
//
//	R² = 1 − Σ(y−p)² / Σ(y−ȳ)²
//
// Around the mean of these y, as for the mean of the test responses; so it is negative for a prediction worse
// than that mean. NaN for a constant y.
func R2(y, p []float64) float64 {
	y, p = pairs("R2", y, p)
	if constant(y) {
		return math.NaN()
	}
	mean, sse, sst := Mean(y), 0.0, 0.0
	for i := range y {
		sse += (y[i] - p[i]) * (y[i] - p[i])
		sst += (y[i] - mean) * (y[i] - mean)
	}
	return 1 - sse/sst
}

// Pearson is the correlation of x and y, −1..1; NaN if either is constant or has fewer than two items.
func Pearson(x, y []float64) float64 {
	x, y = pairs("Pearson", x, y)
	if constant(x) || constant(y) {
		return math.NaN()
	}
	xx, xy, yy := products(x, y)
	return max(-1, min(1, xy/(math.Sqrt(xx)*math.Sqrt(yy))))
}

// products are the centred sums Σ(x−x̄)², Σ(x−x̄)(y−ȳ), Σ(y−ȳ)².
func products(x, y []float64) (xx, xy, yy float64) {
	mx, my := Mean(x), Mean(y)
	for i := range x {
		dx, dy := x[i]-mx, y[i]-my
		xx, xy, yy = xx+dx*dx, xy+dx*dy, yy+dy*dy
	}
	return xx, xy, yy
}

// constant says whether all items are equal. The sums don't: the mean of many 0.1 is not quite 0.1.
func constant(x []float64) bool {
	return !slices.ContainsFunc(x, func(v float64) bool { return v != x[0] })
}

// Spearman is Pearson of the ranks.
func Spearman(x, y []float64) float64 {
	x, y = pairs("Spearman", x, y)
	return Pearson(Ranks(x), Ranks(y))
}

// Ranks are 1 .. n from the smallest; equal ones share the mean of their ranks, NaN stays NaN.
func Ranks(x []float64) []float64 {
	order := make([]int, 0, len(x))
	ranks := make([]float64, len(x))
	for i, v := range x {
		if math.IsNaN(v) {
			ranks[i] = math.NaN()
			continue
		}
		order = append(order, i)
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			ranks[k] = float64(i+j+1) / 2
		}
		i = j
	}
	return ranks
}

// Kendall is tau-b, rank agreement corrected for ties, −1..1:
//
//	tau = (P − Q) / √((n₀ − n₁)(n₀ − n₂))
//
// P concordant and Q discordant pairs, n₀ all pairs, n₁ and n₂ those tied in x and in y. NaN if all are tied
// in one of them. O(n log n): Knight 1966, J. Am. Stat. Assoc. 61.
func Kendall(x, y []float64) float64 {
	x, y = pairs("Kendall", x, y)
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(x[a], x[b]), cmp.Compare(y[a], y[b])) })
	sorted := make([]float64, len(order)) // y in the order of x
	for i, k := range order {
		sorted[i] = y[k]
	}
	all := len(x) * (len(x) - 1) / 2
	tiedX := ties(len(x), func(i, j int) bool { return x[order[i]] == x[order[j]] })
	tiedBoth := ties(len(x), func(i, j int) bool { return x[order[i]] == x[order[j]] && sorted[i] == sorted[j] })
	discordant := exchanges(sorted, make([]float64, len(sorted))) // sorts them, too
	tiedY := ties(len(x), func(i, j int) bool { return sorted[i] == sorted[j] })
	if tiedX == all || tiedY == all {
		return math.NaN()
	}
	// Pairs are concordant, discordant, or tied in at least one: P − Q = n₀ − n₁ − n₂ + n₁₂ − 2Q.
	difference := float64(all - tiedX - tiedY + tiedBoth - 2*discordant)
	return difference / math.Sqrt(float64(all-tiedX)) / math.Sqrt(float64(all-tiedY))
}

// ties counts the pairs within runs of n sorted items.
func ties(n int, same func(i, j int) bool) int {
	pairs := 0
	for start, i := 0, 1; i <= n; i++ {
		if i == n || !same(start, i) {
			run := i - start
			pairs += run * (run - 1) / 2
			start = i
		}
	}
	return pairs
}

// exchanges sorts x and counts the pairs that stood in the wrong order (merge sort).
func exchanges(x, buffer []float64) int {
	if len(x) < 2 {
		return 0
	}
	half := len(x) / 2
	count := exchanges(x[:half], buffer[:half]) + exchanges(x[half:], buffer[half:])
	copy(buffer, x)
	for i, j, k := 0, half, 0; k < len(x); k++ {
		if i < half && (j == len(x) || buffer[i] <= buffer[j]) {
			x[k] = buffer[i]
			i++
			continue
		}
		x[k] = buffer[j]
		count += half - i // all that remain on the left are larger
		j++
	}
	return count
}

// Line is a line fitted by least squares.
type Line struct {
	Slope, Intercept float64
	R                float64 // Pearson
	R2               float64 // of the line: r²
	N                int     // points
}

// FitLine is the least-squares line of y on x. With fewer than two points, or a constant x, slope and
// intercept are NaN; with a constant y the slope is 0 and R is NaN.
func FitLine(x, y []float64) Line {
	x, y = pairs("FitLine", x, y)
	l := Line{Slope: math.NaN(), Intercept: math.NaN(), R: Pearson(x, y), N: len(x)}
	l.R2 = l.R * l.R
	if constant(x) {
		return l
	}
	xx, xy, _ := products(x, y)
	if l.Slope = xy / xx; constant(y) {
		l.Slope = 0
	}
	l.Intercept = Mean(y) - l.Slope*Mean(x)
	return l
}

// At is the line's value at x.
func (l Line) At(x float64) float64 { return l.Intercept + l.Slope*x }

// pairs are x and y without those pairs of which either is NaN.
func pairs(who string, x, y []float64) ([]float64, []float64) {
	if len(x) != len(y) {
		panic("stats: " + who + ": lengths differ")
	}
	missing := func(v float64) bool { return math.IsNaN(v) }
	if !slices.ContainsFunc(x, missing) && !slices.ContainsFunc(y, missing) {
		return x, y
	}
	a, b := make([]float64, 0, len(x)), make([]float64, 0, len(x))
	for i := range x {
		if !missing(x[i]) && !missing(y[i]) {
			a, b = append(a, x[i]), append(b, y[i])
		}
	}
	return a, b
}
