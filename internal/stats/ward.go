package stats

import (
	"cmp"
	"math"
	"slices"
)

// Ward cuts the tree of Ward's agglomeration of points (rows, Euclidean distance) into groups: exactly so
// many, or as many as there are points if they are fewer. It returns each point's group, numbered from 0 in
// the order of the groups' first points. Two groups are as far apart as their union would add to the sum of
// squares (Lance and Williams' recurrence), merged by chains of nearest neighbours: O(k²) time and memory a
// level, the same tree as merging the nearest pair each time (Murtagh and Contreras 2012). Among equal
// distances the pair of smaller numbers is merged.
func Ward(points [][]float64, groups int) []int {
	merges := wardMerges(squaredDistances(points))
	slices.SortStableFunc(merges, func(a, b union) int { return cmp.Compare(a.height, b.height) })
	parent := make([]int, len(points))
	for i := range parent {
		parent[i] = i
	}
	var root func(int) int
	root = func(i int) int {
		if parent[i] != i {
			parent[i] = root(parent[i])
		}
		return parent[i]
	}
	for _, m := range merges[:max(0, len(points)-max(1, groups))] {
		parent[root(m.b)] = root(m.a)
	}
	number := map[int]int{}
	out := make([]int, len(points))
	for i := range out {
		k, ok := number[root(i)]
		if !ok {
			k = len(number)
			number[root(i)] = k
		}
		out[i] = k
	}
	return out
}

// union joins the groups of two points at a height.
type union struct {
	a, b   int
	height float64
}

func squaredDistances(points [][]float64) [][]float64 {
	d := make([][]float64, len(points))
	for i := range d {
		d[i] = make([]float64, len(points))
		for j := range i {
			for k, x := range points[i] {
				d[i][j] += (x - points[j][k]) * (x - points[j][k])
			}
			d[j][i] = d[i][j]
		}
	}
	return d
}

// wardMerges consumes the squared distances. A group is known by one of its points.
func wardMerges(d [][]float64) []union {
	n := len(d)
	size, alive := make([]float64, n), make([]bool, n)
	for i := range n {
		size[i], alive[i] = 1, true
	}
	var out []union
	var chain []int
	for len(out) < n-1 {
		if len(chain) == 0 {
			chain = append(chain, slices.Index(alive, true))
		}
		at := chain[len(chain)-1]
		near, least := -1, math.Inf(1)
		if len(chain) > 1 { // of equals, the one that we come from: else a chain could run in circles
			near, least = chain[len(chain)-2], d[at][chain[len(chain)-2]]
		}
		for j := range n {
			if alive[j] && j != at && d[at][j] < least {
				near, least = j, d[at][j]
			}
		}
		if len(chain) < 2 || near != chain[len(chain)-2] {
			chain = append(chain, near)
			continue
		}
		a, b := min(at, near), max(at, near)
		chain = chain[:len(chain)-2]
		out = append(out, union{a, b, least})
		for j := range n {
			if alive[j] && j != a && j != b {
				d[a][j] = ((size[a]+size[j])*d[a][j] + (size[b]+size[j])*d[b][j] - size[j]*least) / (size[a] + size[b] + size[j])
				d[j][a] = d[a][j]
			}
		}
		size[a] += size[b]
		alive[b] = false
	}
	return out
}

// AdjustedRand is the agreement of two partitions of the same items, corrected for chance (Hubert and Arabie
// 1985): 1 for the same groups under any names, 0 on average for unrelated ones, below 0 for less. Items with
// a negative label in either are left out. NaN if nothing is left, or if both partitions are one group or all
// single items, where there is nothing to agree about but that.
func AdjustedRand(a, b []int) float64 {
	if len(a) != len(b) {
		panic("stats: two partitions of different items")
	}
	joint, rows, columns, n := map[[2]int]float64{}, map[int]float64{}, map[int]float64{}, 0.0
	for i := range a {
		if a[i] >= 0 && b[i] >= 0 {
			joint[[2]int{a[i], b[i]}]++
			rows[a[i]]++
			columns[b[i]]++
			n++
		}
	}
	pairs := func(x float64) float64 { return x * (x - 1) / 2 }
	var both, left, right float64
	for _, x := range joint {
		both += pairs(x)
	}
	for _, x := range rows {
		left += pairs(x)
	}
	for _, x := range columns {
		right += pairs(x)
	}
	chance := left * right / pairs(n)
	return (both - chance) / ((left+right)/2 - chance)
}
