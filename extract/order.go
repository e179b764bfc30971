package extract

import (
	"context"
	"math/bits"
	"slices"
)

// Networks with windows may keep their tokens window by window (Hiera does, in all blocks but the last), which
// no shape tells. Where tokens that moved weren't the ones expected, their order is learnt: stripes of the
// picture are changed that spell the bits of a cell's row and column,
//
//	row bit 0:  ▒ ▒ ▒ ▒ | ▒   and the other half,   row bit 1:  ▒▒  ▒▒  | …
//
// and each token's bit is the half that moves it more. Behind strided convolutions a token's field may be
// centred on the border of two cells, so the stripes are tried shifted by half a cell too. A grid of 56x56
// takes 24 pictures a shift.

// places is what stripes tell of the tokens behind a sequence's prefix.
type places struct {
	cells []int   // the cell of the grid that each looks at
	sure  float64 // how much more one half of a pair of stripes moves a token than the other: 0 alike, 1 alone
}

// look reads the tokens' places. The layers of a group vote. shift moves all cells up and left, in halves of a
// cell.
func (p *probe) look(ctx context.Context, one []raw, group []int, l layout, shift int) (places, error) {
	f := p.net.feed
	index := func(pixel, cells, pixels int) int {
		return min(max((2*pixel*cells+shift*pixels)/(2*pixels), 0), cells-1)
	}
	seen := places{cells: make([]int, l.h*l.w)}
	pairs := 0
	for _, axis := range []struct {
		size, step int
		index      func(y, x int) int
	}{
		{l.h, l.w, func(y, _ int) int { return index(y, l.h, f.h) }},
		{l.w, 1, func(_, x int) int { return index(x, l.w, f.w) }},
	} {
		for b := range bits.Len(uint(axis.size - 1)) {
			var votes [2][]float64
			for half := range votes {
				votes[half] = make([]float64, len(seen.cells))
				x := f.changed(p.base, func(row, column int) bool { return axis.index(row, column)>>b&1 == half })
				moved, err := p.run(ctx, x, p.images())
				if err != nil {
					return seen, err
				}
				for _, i := range group {
					l.vote(votes[half], one[i].data, moved[i].data, p.images())
				}
			}
			for t := range seen.cells {
				no, yes := votes[0][t], votes[1][t]
				if yes > no {
					seen.cells[t] += axis.step << b
				}
				if yes+no > 0 {
					seen.sure += max(yes-no, no-yes) / (yes + no)
				}
				pairs++
			}
		}
	}
	seen.sure /= float64(max(1, pairs))
	return seen, nil
}

// vote adds each token's squared change, in units of the layer's so that layers count alike.
func (l layout) vote(votes []float64, a, b []float32, n int) {
	change := make([]float64, len(votes))
	total := 0.0
	for t := range change {
		change[t] = l.change(a, b, l.prefix+t, n)
		total += change[t]
	}
	for t := range votes {
		if total > 0 {
			votes[t] += change[t] / total
		}
	}
}

// agreement is the share of tokens that look at the cell an order gives them, or a neighbour of it, and of those
// that look at that very cell.
func (l layout) agreement(order, cells []int) (near, exact float64) {
	for cell, t := range order {
		if cells[t] >= len(cells) {
			continue
		}
		switch l.closeness(cell, cells[t]) {
		case 2:
			exact++
			near++
		case 1:
			near++
		}
	}
	return near / float64(len(order)), exact / float64(len(order))
}

// regularOrders lists the orders in which networks keep windowed tokens, raster order first: each of cell's
// token. Windows of a x b cells, one after the other, are read row by row; or all windows' first cells come first, then
// their second ones; or windows are cut in four again and again, down to k times (Hiera: a pooling of four
// tokens is then a maximum over a leading axis).
func (l layout) regularOrders() [][]int {
	orders := [][]int{span(0, l.h*l.w)}
	add := func(token func(y, x int) int) {
		order := make([]int, l.h*l.w)
		for cell := range order {
			order[cell] = token(cell/l.w, cell%l.w)
		}
		orders = append(orders, order)
	}
	for a := 2; a < l.h; a++ {
		if l.h%a != 0 || a*l.w%l.h != 0 || l.w%(a*l.w/l.h) != 0 {
			continue
		}
		rows, columns := l.h/a, l.h/a // windows a side, as many across as down
		b := l.w / columns
		add(func(y, x int) int { return ((y/a*columns+x/b)*a+y%a)*b + x%b })
		add(func(y, x int) int { return ((y%a*b+x%b)*rows+y/a)*columns + x/b })
	}
	for k := 2; l.h%(1<<k) == 0 && l.w%(1<<k) == 0; k++ {
		s := 1 << k
		unit := func(y, x int) int { return y/s*(l.w/s) + x/s }
		fine := func(y, x int) int { // finest bits first
			n := 0
			for b := range k {
				n = 4*n + 2*(y>>b&1) + x>>b&1
			}
			return n
		}
		coarse := func(y, x int) int {
			n := 0
			for b := k - 1; b >= 0; b-- {
				n = 4*n + 2*(y>>b&1) + x>>b&1
			}
			return n
		}
		units := l.h / s * (l.w / s)
		for _, f := range []func(y, x int) int{fine, coarse} {
			add(func(y, x int) int { return f(y, x)*units + unit(y, x) })
			add(func(y, x int) int { return unit(y, x)*s*s + f(y, x) })
		}
	}
	return orders
}

// explained says how well an order explains what the tokens look at, in shares of them.
type explained struct {
	order       []int
	near, exact float64
}

// explain looks for the regular order that tokens follow.
func (l layout) explain(cells []int) (best explained) {
	for _, order := range l.regularOrders() {
		if near, exact := l.agreement(order, cells); best.order == nil || near+exact > best.near+best.exact {
			best = explained{order, near, exact}
		}
	}
	return best
}

// Bounds for learn. Nine tokens of ten is what noise at the borders leaves of an order; half of them, where raster
// order explains more than any other, is far above chance (nine cells of all). Tokens that look
// somewhere move several times as much with one half of the stripes as with the other, on average; those of
// attention with nothing around it differ by a few percent.
const (
	surely = 0.9
	mostly = 0.5
	aimed  = 0.25
)

// learn settles a group of sequences whose tokens aren't plainly in raster order. ok is false where they look
// at places that no known order explains.
func (p *probe) learn(ctx context.Context, one []raw, group []int, fits [][]layout) (ok bool, err error) {
	var best explained
	reading, sure := 0, 0.0
	for k, l := range fits[group[0]] {
		for _, shift := range []int{0, 1, -1} {
			seen, err := p.look(ctx, one, group, l, shift)
			if err != nil {
				return false, err
			}
			sure = max(sure, seen.sure)
			if e := l.explain(seen.cells); e.near > best.near {
				best, reading = e, k
			}
			if best.near >= surely || best.near >= mostly && slices.IsSorted(best.order) {
				break
			}
		}
	}
	known := best.near >= surely
	raster := slices.IsSorted(best.order) && best.near >= mostly
	if !known && !raster && sure >= aimed {
		return false, nil
	}
	if !known && !raster {
		reading = 0
	}
	for _, i := range group {
		fits[i] = fits[i][reading : reading+1]
		if known && !slices.IsSorted(best.order) {
			p.net.orders[p.candidates[i].Tensor] = best.order
		}
	}
	first := p.candidates[group[0]]
	switch {
	case raster && !known:
		p.net.warn("token-order-unsure", "%s and layers of its shape (%d): %.0f %% of their tokens look at the places that they have row by row, more than in any other order; it is taken for granted", first.Name, len(group), 100*best.near)
	case !known:
		p.net.warn("token-order-unsure", "%s and layers of its shape (%d): their tokens look at no place in particular, so nothing shows that they lie row by row; it is taken for granted", first.Name, len(group))
	}
	return true, nil
}
