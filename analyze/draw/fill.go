package draw

import (
	"math"

	"cortexmap/internal/cortex"
)

// gap is a vertex that the mapping left out, between vertices that it has: it is drawn as their mean.
type gap struct {
	at   int32
	from []int32 // neighbours that are in the focus, or gaps further up the list
}

// How far, in edges, the closing reaches: holes and bays of up to twice that are filled. It may reach
// further where outlines say that a vertex belongs to a region.
const (
	reachAlone    = 2
	reachOutlined = 3
)

// gaps finds the vertices that a mapping of an evenly spread part of a region left out: those in the closing
// of the focus (grown by a few edges, then shrunk by as many), so that the region's outer border stays where
// it is. If regions are outlined that hold more than the focus, only vertices inside them are gaps.
func gaps(focus []bool, outlined [][]bool, neighbours [][]int32) []gap {
	if focus == nil {
		return nil
	}
	reach, inside := reachAlone, union(outlined, len(focus))
	more := false
	for i, in := range inside {
		more = more || in && !focus[i]
	}
	if more {
		reach = reachOutlined
	}
	grown := steps(focus, neighbours, reach)
	outside := make([]bool, len(focus))
	for i, d := range grown {
		outside[i] = d < 0
	}
	left := steps(outside, neighbours, reach)
	missing := make([]bool, len(focus))
	for i := range missing {
		missing[i] = !focus[i] && left[i] < 0 && (!more || inside[i])
	}
	return order(missing, focus, neighbours)
}

func union(sets [][]bool, n int) []bool {
	out := make([]bool, n)
	for _, set := range sets {
		for i, in := range set {
			out[i] = out[i] || in
		}
	}
	return out
}

// steps counts the edges from a set to every vertex, −1 beyond the limit.
func steps(set []bool, neighbours [][]int32, limit int) []int {
	out := make([]int, len(set))
	var front []int32
	for i, in := range set {
		out[i] = -1
		if in {
			out[i] = 0
			front = append(front, int32(i))
		}
	}
	for d := 1; d <= limit; d++ {
		var next []int32
		for _, i := range front {
			for _, j := range neighbours[i] {
				if out[j] < 0 {
					out[j] = d
					next = append(next, j)
				}
			}
		}
		front = next
	}
	return out
}

// order lists the missing vertices from the rim of what is known inwards, each with its known neighbours.
func order(missing, focus []bool, neighbours [][]int32) []gap {
	known := append([]bool(nil), focus...)
	var out []gap
	for {
		first := len(out)
		for i, around := range neighbours {
			if !missing[i] || known[i] {
				continue
			}
			var from []int32
			for _, j := range around {
				if known[j] {
					from = append(from, j)
				}
			}
			if len(from) > 0 {
				out = append(out, gap{int32(i), from})
			}
		}
		if len(out) == first {
			return out
		}
		for _, g := range out[first:] {
			known[g.at] = true
		}
	}
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

// Joined says in words how a gap of a map is filled.
func Joined(m *cortex.Map) string {
	if m.Rule == cortex.RuleCategories {
		return "the commonest"
	}
	return "the mean"
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
