package cortex

// Neighbours lists the vertices that share an edge with each vertex, ascending, of the closed mesh.
func (h *Hemisphere) Neighbours() [][]int32 { panic("cortex: being written") }

// Neighbours lists the vertices that share an edge with each vertex, ascending.
func (s *Surface) Neighbours() [][]int32 { panic("cortex: being written") }

// Areas is the area in mm² that belongs to each vertex: a third of each of its triangles.
func (s *Surface) Areas() []float64 { panic("cortex: being written") }

// Near is one vertex of a set that lies within reach of another.
type Near struct {
	Index    int32   // position in the set that was asked for
	Distance float32 // mm along edges
}

// Near finds, for each of a set of vertices, the members of the set (itself first, at 0) that are at most
// limit mm away along the surface's edges; paths may leave the set. Sorted by distance.
func (s *Surface) Near(set []int32, limit float64) [][]Near { panic("cortex: being written") }

// PositionCodeCoordinates are the coordinates that the position code is given: the spheres side by side.
// hemi [V] is lh or rh, vertex [V] the vertex number; the result is [V] in mm (paper.md 1.2).
func PositionCodeCoordinates(g *Geometry, hemi []string, vertex []int32) ([][3]float32, error) {
	panic("cortex: being written")
}
