package draw

import (
	"image"
	"math"

	"cortexmap/internal/cortex"
)

const (
	textSize  = 13.0
	smallSize = 11.5
	swatch    = 13.0
)

// legend draws the map's key at x, y in a column of the given width and returns where it ends.
func (s *sheet) legend(p *painter, x, y, width float64) float64 {
	switch p.m.Rule {
	case cortex.RuleLayer:
		return s.layerLegend(p, x, y, width)
	case cortex.RuleSpace:
		return s.spaceLegend(p, x, y, width)
	case cortex.RuleCategories:
		return s.categoryLegend(p, x, y, width)
	}
	return s.colourBar(p, x, y, width)
}

// heading writes what the numbers are, wrapped to the column.
func (s *sheet) heading(t string, x, y, width float64) float64 {
	for _, line := range s.typ.wrap(t, textSize, width) {
		s.text(line, x, y+textSize, textSize, start, ink, true)
		y += textSize + 4
	}
	return y + 6
}

// colourBar is a vertical scale with ticks; triangles mark values beyond its ends.
func (s *sheet) colourBar(p *painter, x, y, width float64) float64 {
	const barW, barH = 20.0, 220.0
	y = s.heading(p.unit(), x, y, width) + 12
	below, above := p.beyond()
	s.picture(s.raster(barW, barH, func(_, v float64) RGB { return p.value(p.lo + (p.hi-p.lo)*v) }), x, y)
	s.frame(x, y, barW, barH, 0.8, faint)
	if above {
		s.polygon([][2]float64{{x, y - 2}, {x + barW, y - 2}, {x + barW/2, y - 12}}, p.value(p.hi), 1)
	}
	if below && p.m.Rule != cortex.RuleR2 {
		s.polygon([][2]float64{{x, y + barH + 2}, {x + barW, y + barH + 2}, {x + barW/2, y + barH + 12}}, p.value(p.lo), 1)
	}
	at := ticks(p.lo, p.hi, 5)
	for i, label := range labels(at) {
		ty := y + barH*(1-(at[i]-p.lo)/(p.hi-p.lo))
		s.line([][2]float64{{x + barW, ty}, {x + barW + 4, ty}}, 0.8, faint)
		s.text(label, x+barW+8, ty+4.5, textSize, start, ink, false)
	}
	y += barH + 20
	if p.m.Rule == cortex.RuleScale {
		s.text("local tokens", x+barW+40, y-20-1, smallSize, start, faint, false)
		s.text("global token", x+barW+40, y-barH-20+9, smallSize, start, faint, false)
	}
	if below && p.m.Rule == cortex.RuleR2 {
		y = s.key(negative, "below 0", x, y, width)
	}
	return s.key(RGB{0.66, 0.66, 0.66}, "no data: cortex", x, y, width)
}

// key is one swatch with its meaning.
func (s *sheet) key(c RGB, name string, x, y, width float64) float64 {
	s.box(x, y, swatch, swatch, c)
	s.text(s.typ.fit(name, textSize, false, width-swatch-8), x+swatch+8, y+swatch-2, textSize, start, ink, false)
	return y + swatch + 7
}

// layerLegend is a square: depth to the right, certainty upwards.
func (s *sheet) layerLegend(p *painter, x, y, width float64) float64 {
	const side = 128.0
	y = s.heading(p.unit(), x, y, width)
	left := x + s.typ.width("unsure", smallSize, false) + 6
	s.picture(s.raster(side, side, func(u, v float64) RGB { return p.layer(p.lo+(p.hi-p.lo)*u, v) }), left, y)
	s.frame(left, y, side, side, 0.8, faint)
	s.text("sure", left-6, y+10, smallSize, end, faint, false)
	s.text("unsure", left-6, y+side, smallSize, end, faint, false)
	y += side
	at := ticks(p.lo, p.hi, 4)
	for i, label := range labels(at) {
		tx := left + side*(at[i]-p.lo)/(p.hi-p.lo)
		s.line([][2]float64{{tx, y}, {tx, y + 4}}, 0.8, faint)
		s.text(label, tx, y+17, smallSize, middle, ink, false)
	}
	s.text("first", left, y+31, smallSize, start, faint, false)
	s.text("last", left+side, y+31, smallSize, end, faint, false)
	return s.key(RGB{0.66, 0.66, 0.66}, "no data: cortex", x, y+46, width)
}

// spaceLegend is the image itself, coloured as a vertex that looks there.
func (s *sheet) spaceLegend(p *painter, x, y, width float64) float64 {
	const side = 128.0
	y = s.heading(p.unit(), x, y, width)
	left := x + s.typ.width("−1", smallSize, false) + 8
	s.picture(s.raster(side, side, func(u, v float64) RGB { return p.stamp(2*u-1, 2*v-1) }), left, y)
	s.frame(left, y, side, side, 0.8, faint)
	for i, label := range []string{"−1", "0", "1"} {
		d := side * float64(i) / 2
		s.line([][2]float64{{left + d, y + side}, {left + d, y + side + 4}}, 0.8, faint)
		s.text(label, left+d, y+side+17, smallSize, middle, ink, false)
		s.line([][2]float64{{left - 4, y + d}, {left, y + d}}, 0.8, faint)
		s.text(label, left-7, y+d+4, smallSize, end, ink, false)
	}
	s.text("x to the right, y down", left+side/2, y+side+33, smallSize, middle, faint, false)
	s.text("top", left+side/2, y+14, smallSize, middle, ink, false)
	s.text("bottom", left+side/2, y+side-6, smallSize, middle, ink, false)
	s.text("left", left+5, y+side/2+4, smallSize, start, ink, false)
	s.text("right", left+side-5, y+side/2+4, smallSize, end, ink, false)
	return s.key(RGB{0.66, 0.66, 0.66}, "no data: cortex", x, y+side+48, width)
}

// categoryLegend lists the names of those categories that occur.
func (s *sheet) categoryLegend(p *painter, x, y, width float64) float64 {
	y = s.heading(p.unit(), x, y, width)
	found := map[int]bool{}
	for _, side := range p.m.Values {
		for _, v := range side {
			if !math.IsNaN(v) {
				found[int(v)] = true
			}
		}
	}
	for i, name := range p.m.Categories {
		if found[i] {
			y = s.key(p.style.Category(i), name, x, y, width)
		}
	}
	return y
}

// raster is a picture of w × h logical pixels whose colour depends on u (right) and v (up), both 0..1.
func (s *sheet) raster(w, h float64, colour func(u, v float64) RGB) *image.RGBA {
	nx, ny := int(math.Round(w*s.scale)), int(math.Round(h*s.scale))
	img := image.NewRGBA(image.Rect(0, 0, nx, ny))
	for y := range ny {
		for x := range nx {
			img.SetRGBA(x, y, colour((float64(x)+0.5)/float64(nx), 1-(float64(y)+0.5)/float64(ny)).RGBA())
		}
	}
	return img
}

// unit is the heading of the key.
func (p *painter) unit() string {
	if p.m.Unit == "" {
		return p.m.Title
	}
	return p.m.Unit
}

// beyond says whether values lie outside the range.
func (p *painter) beyond() (below, above bool) {
	for _, side := range p.m.Values {
		for _, v := range side {
			below = below || v < p.lo
			above = above || v > p.hi
		}
	}
	return below, above
}
