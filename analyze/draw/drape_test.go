package draw

import (
	"math"
	"testing"

	"cortexmap/internal/cortex"
)

// TestSkin: at a vertex the table's colour is the plate's, for every rule; where there is no data, U is NaN.
func TestSkin(t *testing.T) {
	g := demo(t)
	for _, rule := range []cortex.Rule{cortex.RuleLayer, cortex.RuleSpace, cortex.RuleScale, cortex.RuleR2, cortex.RuleSequential, cortex.RuleDiverging, cortex.RuleCategories} {
		m := everywhere(g, rule, anterior)
		if rule == cortex.RuleCategories {
			m = everywhere(g, rule, func(w, _ [3]float32) float64 { return math.Floor(float64(w[1]+110) / 50) })
			m.Categories = []string{"a", "b", "c", "d", "e"}
		}
		for side, h := range g.Hemis {
			m.Second[side], m.Certainty[side] = make([]float64, h.N()), make([]float64, h.N())
			for i, p := range h.White.Points {
				m.Second[side][i], m.Certainty[side][i] = float64(p[2]), clamp(0.5+float64(p[2])/200, 0, 1)
			}
			m.Values[side][7] = math.NaN()
		}
		s := NewDrape(g, Options{}).Skin(m)
		if len(s.Pix[0]) != 4*s.Width*s.Height || !math.IsNaN(s.U[0][7]) {
			t.Fatalf("%s: %d bytes for %d × %d, U without data %v", rule, len(s.Pix[0]), s.Width, s.Height, s.U[0][7])
		}
		for _, style := range []Style{Accessible, Paper} {
			p, worst := newPainter(m, style), 0.0
			for i := 0; i < g.Hemis[0].N(); i += 11 {
				if math.IsNaN(s.U[0][i]) {
					continue
				}
				want, _ := p.at(0, [3]int32{int32(i), int32(i), int32(i)}, [3]float64{1, 0, 0})
				for k, x := range s.look(style, s.U[0][i], s.V[0][i]) {
					worst = math.Max(worst, math.Abs(x-want[k]))
				}
			}
			// half a row of 256 is at most 2.5/255 on the steepest ramp; squares of 65 add their curvature, and half of
			// the bend where the paper's colours stop at full light
			if worst > 4.0/255 {
				t.Errorf("%s in style %d: a vertex's colour is %.1f of 255 away from the plate's", rule, style, 255*worst)
			}
		}
	}
}

// look reads the table as a graphics processor does.
func (s *Skin) look(style Style, u, v float64) RGB {
	if u < 0 && s.Below != nil {
		return *s.Below
	}
	u, v = clamp(u, 0, 1), clamp(v, 0, 1)
	at := func(x, y int) RGB {
		k := 4 * (y*s.Width + x)
		return bytesRGB(s.Pix[style][k], s.Pix[style][k+1], s.Pix[style][k+2])
	}
	if s.Steps {
		return at(min(s.Width-1, int(u*float64(s.Width))), 0)
	}
	x, y := u*float64(s.Width-1), v*float64(s.Height-1)
	i, j := min(int(x), s.Width-2), min(int(y), max(0, s.Height-2))
	low := at(i, j).mix(at(i+1, j), x-float64(i))
	if s.Height == 1 {
		return low
	}
	return low.mix(at(i, j+1).mix(at(i+1, j+1), x-float64(i)), y-float64(j))
}

// TestBorders: the border of the front half of the left hemisphere lies where y is 0, on edges of the mesh.
func TestBorders(t *testing.T) {
	g := demo(t)
	o := Outline{Name: "front"}
	o.In[0] = make([]bool, g.Hemis[0].N())
	for i, p := range g.Hemis[0].Sphere.Points {
		o.In[0][i] = p[1] > 0
	}
	d := NewDrape(g, Options{Outlines: []Outline{o}})
	if n := len(d.Borders[0]); n < 100 || len(d.Borders[1]) != 0 {
		t.Fatalf("%d segments on the left, %d on the right", n, len(d.Borders[1]))
	}
	for _, s := range d.Borders[0] {
		for _, e := range []struct {
			edge [2]int32
			t    float64
		}{{s.A, s.At}, {s.B, s.Bt}} {
			a, b := g.Hemis[0].Sphere.Points[e.edge[0]], g.Hemis[0].Sphere.Points[e.edge[1]]
			if y := float64(a[1]) + e.t*float64(b[1]-a[1]); math.Abs(y) > 4 || e.t < 0 || e.t > 1 { // mm; an edge of the sphere has 3.5
				t.Fatalf("a border point lies at y = %.1f mm, t = %.2f of its edge", y, e.t)
			}
		}
	}
}
