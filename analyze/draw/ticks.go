package draw

import (
	"math"
	"strconv"
)

// ticks are at most n+1 round numbers (1, 2, 2.5 or 5 times a power of ten apart) inside lo..hi.
func ticks(lo, hi float64, n int) []float64 {
	if !(hi > lo) || math.IsInf(hi-lo, 0) {
		return nil
	}
	step := niceStep((hi - lo) / float64(n))
	var out []float64
	for k := math.Ceil(lo/step - 1e-9); k*step <= hi+step*1e-9; k++ {
		out = append(out, k*step+0) // +0 turns −0 into 0
	}
	return out
}

// niceStep is the smallest round number that is at least x.
func niceStep(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, f := range []float64{1, 2, 2.5, 5} {
		if f*p >= x*(1-1e-9) {
			return f * p
		}
	}
	return 10 * p
}

// labels writes ticks with as many decimals as tell them apart, and a true minus sign.
func labels(at []float64) []string {
	out := make([]string, len(at))
	for decimals := 0; decimals <= 6; decimals++ {
		exact := true
		for i, x := range at {
			out[i] = number(x, decimals)
			back, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'f', decimals, 64), 64) // our own digits parse
			exact = exact && math.Abs(back-x) <= 1e-9*math.Max(1, math.Abs(x))
		}
		if exact {
			break
		}
	}
	return out
}

// number writes x with a fixed number of decimals and U+2212 for minus.
func number(x float64, decimals int) string {
	s := strconv.FormatFloat(math.Abs(x), 'f', decimals, 64)
	if x < 0 && !allZero(s) {
		return "−" + s
	}
	return s
}

func allZero(s string) bool {
	for _, r := range s {
		if r != '0' && r != '.' {
			return false
		}
	}
	return true
}
