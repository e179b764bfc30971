package stats

import (
	"cmp"
	"math"
	"slices"
)

// Order is the ascending order of some values, made once for many rank correlations of the same values under
// different weights.
type Order struct {
	at   []int // places of the values, ascending
	last []int // of each run of equal values: the place in `at` where it ends
}

// NewOrder sorts; NaN has no place in the order and never counts.
func NewOrder(x []float64) *Order {
	o := &Order{}
	for i, v := range x {
		if !math.IsNaN(v) {
			o.at = append(o.at, i)
		}
	}
	slices.SortFunc(o.at, func(a, b int) int { return cmp.Or(cmp.Compare(x[a], x[b]), a-b) })
	for k, i := range o.at {
		if k+1 == len(o.at) || x[o.at[k+1]] != x[i] {
			o.last = append(o.last, k+1)
		}
	}
	return o
}

// ranks puts the weighted mean ranks into r: with every value standing w times, ties share their mean rank. What
// has no place keeps NaN.
func (o *Order) ranks(w, r []float64) {
	for i := range r {
		r[i] = math.NaN()
	}
	below, from := 0.0, 0
	for _, to := range o.last {
		here := 0.0
		for _, i := range o.at[from:to] {
			here += w[i]
		}
		for _, i := range o.at[from:to] {
			r[i] = below + here/2
		}
		below, from = below+here, to
	}
}

// Spearman is the rank correlation of the two orders' values with every item counted w times: that of a bootstrap
// sample, without sorting it. Items that one of them has no value for must have weight 0. It is Spearman where
// all weights are 1.
func (o *Order) Spearman(p *Order, w []float64) float64 {
	a, b := make([]float64, len(w)), make([]float64, len(w))
	o.ranks(w, a)
	p.ranks(w, b)
	return weightedPearson(a, b, w)
}

// weightedPearson is NaN where x or y is constant over the items that count.
func weightedPearson(x, y, w []float64) float64 {
	var n, mx, my float64
	first, varies := -1, [2]bool{}
	for i, v := range w {
		if v == 0 {
			continue
		}
		if first < 0 {
			first = i
		}
		varies[0], varies[1] = varies[0] || x[i] != x[first], varies[1] || y[i] != y[first]
		n, mx, my = n+v, mx+v*x[i], my+v*y[i]
	}
	if !varies[0] || !varies[1] {
		return math.NaN()
	}
	mx, my = mx/n, my/n
	var xx, yy, xy float64
	for i, v := range w {
		if v != 0 {
			dx, dy := x[i]-mx, y[i]-my
			xx, yy, xy = xx+v*dx*dx, yy+v*dy*dy, xy+v*dx*dy
		}
	}
	return xy / math.Sqrt(xx*yy)
}
