package draw

import (
	"math"

	"cortexmap/internal/cortex"
)

// Drape prepares maps and borders for a program that draws the surfaces by itself, such as the report's
// interactive cortex, so that it shows what the plates show: the same colours, the same filled gaps, the same
// borders.
type Drape struct {
	g       *cortex.Geometry
	gaps    [2][]gap
	Borders [2][]Segment // of all outlines, lh and rh
}

// Segment is a piece of a border inside one triangle: from a point on the edge A[0]–A[1] to one on B[0]–B[1].
type Segment struct {
	A, B   [2]int32
	At, Bt float64 // 0..1 along the edges
}

// NewDrape finds what the mapping left out between its vertices (o.Focus), and traces o.Outlines.
func NewDrape(g *cortex.Geometry, o Options) *Drape {
	d := &Drape{g: g}
	for side, h := range g.Hemis {
		around := h.Neighbours()
		var outlined [][]bool
		for _, out := range o.Outlines {
			outlined = append(outlined, out.In[side])
		}
		d.gaps[side] = gaps(o.Focus[side], outlined, around)
		for _, in := range outlined {
			if in != nil {
				d.Borders[side] = append(d.Borders[side], segments(closedFaces(h), field(closed(in, d.gaps[side]), around))...)
			}
		}
	}
	return d
}

// closedFaces are the triangles of the uncut mesh.
func closedFaces(h *cortex.Hemisphere) [][3]int32 {
	for _, s := range []*cortex.Surface{h.White, h.Inflated, h.Sphere, h.Pial} {
		if s != nil {
			return s.Faces
		}
	}
	return nil
}

// segments are where the level 0.5 of g crosses triangles.
func segments(faces [][3]int32, g []float64) []Segment {
	var out []Segment
	for _, t := range faces {
		var s [2]crossing
		n := 0
		for e := range 3 {
			if c := edgeOf(t, e); (g[c.i] >= 0.5) != (g[c.j] >= 0.5) {
				s[n] = c
				n++
			}
		}
		if n == 2 {
			at := func(c crossing) float64 { return (0.5 - g[c.i]) / (g[c.j] - g[c.i]) }
			out = append(out, Segment{A: [2]int32{s[0].i, s[0].j}, B: [2]int32{s[1].i, s[1].j}, At: at(s[0]), Bt: at(s[1])})
		}
	}
	return out
}

// Skin is a map as a table of colours and a place in it for every vertex. Between vertices the place is
// interpolated, not the colour.
type Skin struct {
	Width, Height int          // of the table
	Pix           [2][]byte    // by Style, [Height, Width, 4] RGBA; the row of V = 0 comes first
	U, V          [2][]float64 // lh, rh [N]: place in the table, 0..1 to the right and upwards; U is NaN where there is no data, below 0 for a Below
	Below         *RGB         // colour of U < 0; nil: that of 0
	Steps         bool         // categories: nothing is interpolated, U is the middle of a column
	X, Y          Axis         // what U and V stand for; Y is zero where the table has one row
	Filled        int          // vertices drawn as their neighbours' mean
}

// Axis is the range that 0..1 of a Skin stands for.
type Axis struct{ Lo, Hi float64 }

// squareSide is the side of tables with two axes; they are smooth, so that interpolation does the rest.
const squareSide = 65

// Skin colours a map, in either style.
func (d *Drape) Skin(m *cortex.Map) *Skin {
	whole, filled := fill(m, d.gaps)
	p := newPainter(whole, Accessible) // styles differ in colours alone
	s := &Skin{Width: 256, Height: 1, Filled: filled, X: Axis{p.lo, p.hi}}
	place := func(v float64) float64 { return (v - p.lo) / (p.hi - p.lo) }
	second := func(int, int) float64 { return 0 }
	switch m.Rule {
	case cortex.RuleCategories:
		s.Width, s.Steps = max(1, len(m.Categories)), true
		place = func(v float64) float64 { return (v + 0.5) / float64(s.Width) }
	case cortex.RuleSpace:
		s.Width, s.Height, s.Y = squareSide, squareSide, Axis{1, -1} // images count y downwards
		s.X, place = Axis{-1, 1}, func(v float64) float64 { return (v + 1) / 2 }
		second = func(side, i int) float64 { return (1 - whole.Second[side][i]) / 2 }
	case cortex.RuleLayer:
		s.Width, s.Height, s.Y = squareSide, squareSide, Axis{0, 1}
		second = func(side, i int) float64 {
			if whole.Certainty[side] == nil || math.IsNaN(whole.Certainty[side][i]) {
				return 1
			}
			return whole.Certainty[side][i]
		}
	case cortex.RuleR2:
		s.Below = &negative
	}
	for _, style := range []Style{Accessible, Paper} {
		s.Pix[style] = s.table(newPainter(whole, style))
	}
	for side, values := range whole.Values {
		s.U[side], s.V[side] = cortex.NoData(len(values)), cortex.NoData(len(values))
		for i, v := range values {
			if !math.IsNaN(v) {
				s.U[side][i], s.V[side][i] = place(v), clamp(second(side, i), 0, 1)
			}
		}
	}
	return s
}

// table has u = 0 and 1 in its first and its last column, of categories the columns' middles.
func (s *Skin) table(p *painter) (pix []byte) {
	at := func(i, n int) float64 {
		if s.Steps {
			return (float64(i) + 0.5) / float64(n)
		}
		return float64(i) / float64(max(1, n-1))
	}
	for y := range s.Height {
		for x := range s.Width {
			c := s.colour(p, at(x, s.Width), at(y, s.Height)).RGBA()
			pix = append(pix, c.R, c.G, c.B, 255)
		}
	}
	return pix
}

// colour is the table's at u to the right and v upwards.
func (s *Skin) colour(p *painter, u, v float64) RGB {
	switch p.m.Rule {
	case cortex.RuleCategories:
		return p.style.Category(int(u * float64(s.Width)))
	case cortex.RuleSpace:
		return p.stamp(2*u-1, 2*v-1)
	case cortex.RuleLayer:
		return p.layer(p.lo+(p.hi-p.lo)*u, v)
	}
	return p.ramp.at(u)
}

// Fill is a map with its gaps filled as on plates.
func (d *Drape) Fill(m *cortex.Map) *cortex.Map {
	out, _ := fill(m, d.gaps)
	return out
}
