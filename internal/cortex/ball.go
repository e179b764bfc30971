package cortex

import (
	"math"
	"slices"
)

// Ball finds the vertex of a sphere that is nearest to a direction, by the cells of a cubic grid around it.
type Ball struct {
	points [][3]float64 // on the unit sphere
	cells  int          // along an axis, one more than needed on either side
	edge   float64      // of a cell
	start  []int32      // [cells³ + 1] where a cell's vertices begin in list
	list   []int32
}

// NewBall takes a sphere's points, whatever its radius; its centre is the origin.
func NewBall(sphere [][3]float32) *Ball {
	b := &Ball{points: make([][3]float64, len(sphere))}
	b.edge = 2 * math.Sqrt(4*math.Pi/float64(max(len(sphere), 1))) // twice the distance of evenly spread vertices
	b.cells = int(2/b.edge) + 4
	count := make([]int32, b.cells*b.cells*b.cells+1)
	for v, p := range sphere {
		b.points[v] = Direction(p)
		count[b.cell(b.points[v])+1]++
	}
	for c := 1; c < len(count); c++ {
		count[c] += count[c-1]
	}
	b.start, b.list = count, make([]int32, len(sphere))
	next := slices.Clone(count)
	for v, p := range b.points {
		c := b.cell(p)
		b.list[next[c]] = int32(v)
		next[c]++
	}
	return b
}

// Direction is a point moved onto the unit sphere.
func Direction(p [3]float32) [3]float64 {
	x, y, z := float64(p[0]), float64(p[1]), float64(p[2])
	n := math.Sqrt(x*x + y*y + z*z)
	return [3]float64{x / n, y / n, z / n}
}

// At is a vertex's direction.
func (b *Ball) At(vertex int32) [3]float64 { return b.points[vertex] }

// Nearest is the vertex nearest to a point of the unit sphere, the lowest of several as near; -1 if there is none.
// What lies further away than r cells' edges can't stand in the (2r+1)³ cells around the point, so r grows until the
// best is nearer than that.
func (b *Ball) Nearest(p [3]float64) int32 {
	for r := 1; ; r *= 2 {
		best, top := b.within(p, r)
		// points on the unit sphere whose product is d lie √(2 − 2d) apart
		if best >= 0 && 2-2*top <= float64(r*r)*b.edge*b.edge || r >= b.cells {
			return best
		}
	}
}

// within is the best vertex in the cells around p's, up to r cells away, and its product with p.
func (b *Ball) within(p [3]float64, r int) (best int32, top float64) {
	best, top = -1, math.Inf(-1)
	at := b.place(p)
	clip := func(i int) int { return min(max(i, 0), b.cells-1) }
	for x := clip(at[0] - r); x <= clip(at[0]+r); x++ {
		for y := clip(at[1] - r); y <= clip(at[1]+r); y++ {
			row := (x*b.cells + y) * b.cells // its cells lie side by side
			for _, v := range b.list[b.start[row+clip(at[2]-r)]:b.start[row+clip(at[2]+r)+1]] {
				s := b.points[v]
				if d := s[0]*p[0] + s[1]*p[1] + s[2]*p[2]; d > top || d == top && v < best {
					best, top = v, d
				}
			}
		}
	}
	return best, top
}

func (b *Ball) place(p [3]float64) (at [3]int) {
	for k, x := range p {
		at[k] = int((x+1)/b.edge) + 1
	}
	return at
}

func (b *Ball) cell(p [3]float64) int {
	at := b.place(p)
	return (at[0]*b.cells+at[1])*b.cells + at[2]
}
