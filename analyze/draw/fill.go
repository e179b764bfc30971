package draw

import (
	"math"

	"cortexmap/internal/cortex"
)

// gap is a vertex that the mapping left out, between vertices that it has: it is drawn as their mean.
type gap struct {
	at   int32
	from []int32
}

// fillRounds closes gaps of up to about two vertices across.
const fillRounds = 2

// gaps finds the vertices outside the focus of which more than half of the neighbours are inside (or are
// gaps found before). A mapping of an evenly spread part of a region so has no holes in its picture; the
// region's own border hardly moves, for a straight border's outer vertices have two of six neighbours inside.
func gaps(focus []bool, neighbours [][]int32) []gap {
	if focus == nil {
		return nil
	}
	known := append([]bool(nil), focus...)
	var out []gap
	for range fillRounds {
		first := len(out)
		for i, around := range neighbours {
			var from []int32
			for _, j := range around {
				if known[j] {
					from = append(from, j)
				}
			}
			if !known[i] && 2*len(from) > len(around) {
				out = append(out, gap{int32(i), from})
			}
		}
		for _, g := range out[first:] {
			known[g.at] = true
		}
	}
	return out
}

// fill is the map with its gaps filled, and how many were.
func fill(m *cortex.Map, all [2][]gap) (*cortex.Map, int) {
	out, n := *m, 0
	for side, list := range all {
		if len(list) == 0 {
			continue
		}
		join := average
		if m.Rule == cortex.RuleCategories {
			join = commonest
		}
		out.Values[side], n = filled(m.Values[side], list, join, n)
		out.Second[side], _ = filled(m.Second[side], list, average, 0)
		out.Certainty[side], _ = filled(m.Certainty[side], list, average, 0)
	}
	return &out, n
}

func filled(x []float64, list []gap, join func([]float64) float64, n int) ([]float64, int) {
	if x == nil {
		return nil, n
	}
	x = append([]float64(nil), x...)
	for _, g := range list {
		var near []float64
		for _, j := range g.from {
			if !math.IsNaN(x[j]) {
				near = append(near, x[j])
			}
		}
		if 2*len(near) >= len(g.from) && len(near) > 0 {
			x[g.at] = join(near)
			n++
		}
	}
	return x, n
}

func average(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// commonest is the most frequent value, the first of equals.
func commonest(x []float64) float64 {
	best, times := x[0], 0
	for _, v := range x {
		n := 0
		for _, w := range x {
			if v == w {
				n++
			}
		}
		if n > times {
			best, times = v, n
		}
	}
	return best
}

// closed is a region with the gaps that lie in it: those of which at least half of the sources are inside.
func closed(in []bool, list []gap) []bool {
	out := append([]bool(nil), in...)
	for _, g := range list {
		n := 0
		for _, j := range g.from {
			if out[j] {
				n++
			}
		}
		if 2*n > len(g.from) {
			out[g.at] = true
		}
	}
	return out
}
