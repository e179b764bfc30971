package fit

import "math"

// A vertex's picks (3), and how they become the coefficients a of (7) and take back their gradient.

// selection holds the picks of V vertices.
type selection struct {
	L, G  int
	space []float32 // [V, 2] x then y, -1..1
	layer []float32 // [V, L] a simplex
	scale []float32 // [V] 0 local .. 1 global
	held  held
	cell  []int32   // [V] (cy+1)(G+1) + cx+1, cy and cx in -1..G-1
	frac  []float32 // [V, 2] position within the cell, 0..1
	joint []float32 // [V, G²+1, L] without factorisation, see newJointSelection; nil: with it
}

func newSelection(v, layers, grid int) *selection {
	return &selection{L: layers, G: grid, held: free(), space: make([]float32, 2*v), layer: make([]float32, v*layers),
		scale: make([]float32, v), cell: make([]int32, v), frac: make([]float32, 2*v)}
}

// networks are the selectors' networks.
func (s *selection) networks() []head {
	if s.joint != nil {
		return []head{{"joint", s.terms()}}
	}
	return allHeads(s.L)
}

// heads is the width of a selector's output row: 2 of space, L of layer, 1 of scale, in this order; or that of
// the joint one.
func (s *selection) heads() int { return headsWidth(s.networks()) }

// reads is how many tokens of a layer a vertex reads: those of its cell, or all.
func (s *selection) reads() int {
	if s.joint != nil {
		return s.G*s.G + 1
	}
	return 5
}

// terms is J of (7), the coefficients of a vertex.
func (s *selection) terms() int { return s.reads() * s.L }

// tokens are the rows of the token table that a cell's vertices read.
func (s *selection) tokens(cell int) []int64 {
	if s.joint == nil {
		five := cellTokens(cell, s.G)
		return five[:]
	}
	return upTo[int64](s.reads())
}

// set takes the networks' outputs o [n, heads] of the vertices from first on: (3) and (4).
func (s *selection) set(first int, o []float32) {
	h := s.heads()
	for i := 0; i < len(o)/h; i++ {
		v, row := first+i, o[i*h:(i+1)*h]
		if s.joint != nil {
			softmax(s.jointOf(v), row)
			s.marginals(v)
			continue
		}
		s.look(v, math.Tanh(float64(row[0])), math.Tanh(float64(row[1])))
		softmax(s.layer[v*s.L:(v+1)*s.L], row[2:2+s.L])
		s.scale[v] = float32(sigmoid(float64(row[2+s.L])))
		s.held.put(s, v)
	}
}

// look points vertex v at (x, y): (4).
func (s *selection) look(v int, x, y float64) {
	s.space[2*v], s.space[2*v+1] = float32(x), float32(y)
	cx, fx := cellOf(x, s.G)
	cy, fy := cellOf(y, s.G)
	s.cell[v] = int32((cy+1)*(s.G+1) + cx + 1)
	s.frac[2*v], s.frac[2*v+1] = float32(fx), float32(fy)
}

// cellOf is the cell, -1..G-1, and the place within it of a coordinate in -1..1. A saturated tanh gives ±1
// exactly, which is the far side of the last cell and not a cell of its own.
func cellOf(x float64, grid int) (int, float64) {
	u := (x+1)*float64(grid)/2 - 0.5
	cell := min(max(int(math.Floor(u)), -1), grid-1)
	return cell, u - float64(cell)
}

// corners are the bilinear weights q of vertex v.
func (s *selection) corners(v int) [4]float32 {
	fx, fy := s.frac[2*v], s.frac[2*v+1]
	return [4]float32{(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy}
}

// coefficients writes (7) for vertex v, a [J], times alpha.
func (s *selection) coefficients(a []float32, v int, alpha float32) {
	if s.joint != nil {
		for i, p := range s.jointOf(v) {
			a[i] = alpha * p
		}
		return
	}
	s.mix(a, v, alpha*(1-s.scale[v]), alpha*s.scale[v])
}

// mix is coefficients with the local and the global part scaled by numbers of the caller's.
func (s *selection) mix(a []float32, v int, local, global float32) {
	q := s.corners(v)
	for l, p := range s.layer[v*s.L : (v+1)*s.L] {
		for k := range q {
			a[k*s.L+l] = local * q[k] * p
		}
		a[4*s.L+l] = global * p
	}
}

// cellTokens are the rows of the token table that a cell reads: its corners, G²+1 (zeros) for those
// outside the grid, and G², the global token.
func cellTokens(cell, grid int) [5]int64 {
	cy, cx := cell/(grid+1)-1, cell%(grid+1)-1
	var rows [5]int64
	for k := range 4 {
		y, x := cy+k/2, cx+k%2
		rows[k] = int64(grid*grid + 1)
		if y >= 0 && y < grid && x >= 0 && x < grid {
			rows[k] = int64(y*grid + x)
		}
	}
	rows[4] = int64(grid * grid)
	return rows
}

// tokenPlace is the centre of local token t in the image, x right and y down, -1..1 from edge to edge.
func tokenPlace(t, grid int) (x, y float64) {
	g := float64(grid)
	return (float64(t%grid)+0.5)*2/g - 1, (float64(t/grid)+0.5)*2/g - 1
}

// backward is (13) and (14), or (27): from the gradient ga [J] of a vertex's coefficients (alpha included) to that
// of the networks' outputs, go [heads]. reg is the present weight of the regulariser (9) divided by V. Only
// some layers may have a gradient, the active ones: the others are taken to want what those want on average,
// and stay.
func (s *selection) backward(goRow, ga []float32, v int, reg float64, active []int32) {
	if s.joint != nil {
		s.jointBackward(goRow, ga, v, reg, active)
		return
	}
	L := s.L
	q := s.corners(v)
	p := s.layer[v*L : (v+1)*L]
	sc := float64(s.scale[v])
	fx, fy := float64(s.frac[2*v]), float64(s.frac[2*v+1])

	var gs, gpp float64 // gradient of s; p·g_p
	var gq [4]float64
	gp := goRow[2 : 2+L]
	lnL := math.Log(float64(L))
	for l := range L {
		pl, global := float64(p[l]), float64(ga[4*L+l])
		var local float64
		for k := range 4 {
			g := float64(ga[k*L+l])
			local += float64(q[k]) * g
			gq[k] += pl * g
		}
		g := (1-sc)*local + sc*global
		gs += pl * (global - local)
		if reg != 0 && L > 1 {
			g += reg / lnL * negentropySlope(pl)
		}
		gp[l] = float32(g)
		gpp += pl * g
	}
	gs += reg * 2 * (sc - 0.5)
	if len(active) < L {
		var mass float64
		for _, l := range active {
			mass += float64(p[l])
		}
		gpp /= max(mass, 1e-6)
	}
	for l, k := 0, 0; l < L; l++ {
		if k < len(active) && int(active[k]) == l {
			gp[l] = p[l] * float32(float64(gp[l])-gpp)
			k++
		} else {
			gp[l] = 0
		}
	}
	gfx := (1 - sc) * ((1-fy)*(gq[1]-gq[0]) + fy*(gq[3]-gq[2]))
	gfy := (1 - sc) * ((1-fx)*(gq[2]-gq[0]) + fx*(gq[3]-gq[1]))
	x, y := float64(s.space[2*v]), float64(s.space[2*v+1])
	goRow[0] = float32(float64(s.G) / 2 * gfx * (1 - x*x))
	goRow[1] = float32(float64(s.G) / 2 * gfy * (1 - y*y))
	goRow[2+L] = float32(gs * sc * (1 - sc))
	s.held.still(goRow, L)
}

// regulariser is (9) without its weight, over all vertices.
func (s *selection) regulariser() float64 {
	if s.joint != nil {
		return s.jointRegulariser()
	}
	entropy, scale := negentropy(s.layer), 0.0
	for _, x := range s.scale {
		scale += (float64(x) - 0.5) * (float64(x) - 0.5)
	}
	v := float64(len(s.scale))
	if s.L > 1 {
		entropy /= math.Log(float64(s.L))
	}
	return (entropy + scale) / v
}

// negentropy is Σ p ln(p + 1e-8), the regulariser's, and negentropySlope its derivative by one p.
func negentropy(ps []float32) float64 {
	var sum float64
	for _, p := range ps {
		sum += float64(p) * math.Log(float64(p)+1e-8)
	}
	return sum
}

func negentropySlope(p float64) float64 { return math.Log(p+1e-8) + p/(p+1e-8) }

func softmax(dst, o []float32) {
	top := o[0]
	for _, x := range o {
		top = max(top, x)
	}
	var sum float64
	for i, x := range o {
		e := math.Exp(float64(x - top))
		dst[i] = float32(e)
		sum += e
	}
	for i := range dst {
		dst[i] = float32(float64(dst[i]) / sum)
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
