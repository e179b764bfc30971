package cortex

import (
	"cortexmap/internal/fault"
)

// Onto says from which vertex of g each vertex of another cortex takes its value, [N of to] a hemisphere; -1 where g's
// hemisphere has no vertices.
//
// fsaverage5, 6 and 7 are nested: vertex i of a coarser one is vertex i, exactly. From a surface of another kind each
// vertex takes the value of the one nearest on the sphere, so that sphere must be registered to fsaverage (FreeSurfer's
// ?h.sphere.reg, not ?h.sphere). Nothing is averaged: a value of the result is a value that was fitted. A finer
// fsaverage than g's is refused, for its vertices between would have to be made up.
func (g *Geometry) Onto(to *Geometry) (from [2][]int32, err error) {
	for side, h := range to.Hemis {
		from[side] = make([]int32, h.N())
		own := g.Hemis[side]
		switch {
		case own.N() == 0:
			for v := range from[side] {
				from[side][v] = -1
			}
		case g.Standard() && to.Standard():
			if h.N() > own.N() {
				return from, fault.Inputf("maps on %s can't be written on %s, which has more vertices", g.Name, to.Name).Remedy("name a coarser one")
			}
			for v := range from[side] {
				from[side][v] = int32(v)
			}
		case own.Sphere == nil || h.Sphere == nil:
			return from, fault.Inputf("maps on %s can't be written on %s: a sphere is missing", g.Name, to.Name)
		default:
			ball := NewBall(own.Sphere.Points)
			for v, p := range h.Sphere.Points {
				from[side][v] = ball.Nearest(Direction(p))
			}
		}
	}
	return from, nil
}

// Standard says whether the geometry is fsaverage5, 6 or 7.
func (g *Geometry) Standard() bool {
	for n, name := range fsaverage {
		if name == g.Name && g.Hemis[0].N() == n && g.Hemis[1].N() == n {
			return true
		}
	}
	return false
}
