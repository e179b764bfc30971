package draw

import (
	"math"

	"cortexmap/internal/cortex"
)

// Style is a set of colours.
type Style int

const (
	Accessible Style = iota // readable for colour-blind people
	Paper                   // as in the publication
)

// painter colours a point of a triangle of one hemisphere.
type painter struct {
	m      *cortex.Map
	style  Style
	lo, hi float64
	ramp   *ramp // nil for stamps and categories
	points []RGB // of the space stamp, stampSide × stampSide from the lower left; nil for other rules
}

// stampSide is fine enough for neighbours to differ by less than one level of 255.
const stampSide = 257

func newPainter(m *cortex.Map, style Style) *painter {
	p := &painter{m: m, style: style, lo: m.Lo, hi: m.Hi}
	name := map[cortex.Rule][2]string{
		cortex.RuleLayer:      {"viridis", "coolwarm"},
		cortex.RuleScale:      {"PuOr", "PuOr"},
		cortex.RuleR2:         {"inferno", "Reds"},
		cortex.RuleSequential: {"cividis", "inferno"},
		cortex.RuleDiverging:  {"RdBu_r", "RdBu_r"},
	}[m.Rule]
	p.ramp = ramps()[name[style]]
	switch m.Rule {
	case cortex.RuleSpace:
		p.points = stampTable(style)
	case cortex.RuleDiverging: // honest around zero, whatever the data
		p.hi = math.Max(math.Abs(p.lo), math.Abs(p.hi))
		p.lo = -p.hi
	case cortex.RuleR2:
		p.lo = math.Max(0, p.lo)
	}
	if !(p.hi > p.lo) { // a constant map still has a colour
		p.hi = p.lo + 1
	}
	return p
}

// at is the colour of the point with weights w on the corners t, and false where it has no data.
func (p *painter) at(side int, t [3]int32, w [3]float64) (RGB, bool) {
	values := p.m.Values[side]
	k := nearest(w)
	if v := values[t[k]]; math.IsNaN(v) {
		return RGB{}, false
	} else if p.m.Rule == cortex.RuleCategories {
		return p.style.Category(max(0, int(v))), true
	}
	v := blend(values, t, w)
	switch p.m.Rule {
	case cortex.RuleSpace:
		return p.stamp(v, -blend(p.m.Second[side], t, w)), true // y runs down in images
	case cortex.RuleLayer:
		c := 1.0
		if p.m.Certainty[side] != nil {
			c = blend(p.m.Certainty[side], t, w)
		}
		return p.layer(v, c), true
	}
	return p.value(v), true
}

// value is the colour of a number of a map with a ramp.
func (p *painter) value(v float64) RGB {
	if p.m.Rule == cortex.RuleR2 && v < 0 {
		return negative
	}
	return p.ramp.at((v - p.lo) / (p.hi - p.lo))
}

// negative is the slate of R² below zero: no colour of the ramps, and none of the underlay's greys.
var negative = RGB{0.51, 0.58, 0.66}

// layer is the colour of a depth read with a certainty c = 1 − e, both 0..1. Uncertain layers fade to the
// grey that no layer has (to black in the paper's style) by f = 1.2 − e³.
func (p *painter) layer(v, c float64) RGB {
	if math.IsNaN(c) {
		c = 1
	}
	e := 1 - clamp(c, 0, 1)
	f := 1.2 - e*e*e
	full := p.ramp.at((v - p.lo) / (p.hi - p.lo))
	if p.style == Paper {
		return RGB{math.Min(1, full[0]*f), math.Min(1, full[1]*f), math.Min(1, full[2]*f)}
	}
	return RGB{0.86, 0.86, 0.86}.mix(full, math.Min(1, f))
}

// stamp is the colour of an image point, v up.
func (p *painter) stamp(u, v float64) RGB {
	place := func(x float64) int { return int(math.Round((clamp(x, -1, 1) + 1) / 2 * (stampSide - 1))) }
	return p.points[place(v)*stampSide+place(u)]
}

func stampTable(style Style) []RGB {
	colour := oklabStamp
	if style == Paper {
		colour = paperStamp
	}
	out := make([]RGB, 0, stampSide*stampSide)
	for j := range stampSide {
		for i := range stampSide {
			out = append(out, colour(2*float64(i)/(stampSide-1)-1, 2*float64(j)/(stampSide-1)-1))
		}
	}
	return out
}

// nearest is the corner with the largest weight.
func nearest(w [3]float64) int {
	switch {
	case w[0] >= w[1] && w[0] >= w[2]:
		return 0
	case w[1] >= w[2]:
		return 1
	}
	return 2
}

// blend interpolates over the corners that have data; NaN if none has.
func blend(values []float64, t [3]int32, w [3]float64) float64 {
	var sum, weight float64
	for k, i := range t {
		if v := values[i]; !math.IsNaN(v) {
			sum += w[k] * v
			weight += w[k]
		}
	}
	if weight == 0 {
		return math.NaN()
	}
	return sum / weight
}

// underlay is the grey of a curvature: gyri (negative) light, sulci dark, a short ramp around zero.
func underlay(curv []float32, t [3]int32, w [3]float64) RGB {
	g := 0.68
	if curv != nil {
		c := w[0]*float64(curv[t[0]]) + w[1]*float64(curv[t[1]]) + w[2]*float64(curv[t[2]])
		g = 0.74 - 0.16*clamp(0.5+c/0.06, 0, 1)
	}
	return RGB{g, g, g}
}
