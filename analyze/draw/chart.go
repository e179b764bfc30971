package draw

import (
	"fmt"
	"math"

	"cortexmap/internal/cortex"
)

// Chart is points over an axis with names or numbers, with intervals and fitted lines.
type Chart struct {
	Name, Title    string // file stem; for people
	XLabel, YLabel string // with unit
	XLo, XHi       float64
	YLo, YHi       float64 // NaN: from the data, and 0 where it is near
	XTicks         []Tick  // nil: round numbers
	Series         []Series
	Simulated      bool
	Note, Alt      string
}

// Tick is a named place on an axis.
type Tick struct {
	At   float64
	Name string
}

// Series is one set of points.
type Series struct {
	Name      string
	X, Y      []float64
	Lo, Hi    []float64   // intervals, drawn where both are numbers; nil: none
	Join      bool        // connect the points
	Line      *[2]float64 // a straight line: its values at XLo and XHi; nil: none
	Secondary bool        // smaller and hollow: not the main message
}

// Sizes of a chart in logical pixels.
const (
	chartW, chartH         = 640.0, 380.0
	chartLeft, chartBottom = 58.0, 64.0
)

// plotArea maps data to the sheet.
type plotArea struct {
	c              *Chart
	x0, y0, x1, y1 float64
	lo, hi         float64 // of y
}

func (p *plotArea) x(v float64) float64 {
	return p.x0 + (p.x1-p.x0)*(v-p.c.XLo)/(p.c.XHi-p.c.XLo)
}
func (p *plotArea) y(v float64) float64 { return p.y1 - (p.y1-p.y0)*(v-p.lo)/(p.hi-p.lo) }

// Plot draws the chart. Missing values (NaN) are left out.
func (c Chart) Plot(scale float64) *Plate {
	s := &sheet{w: chartW, scale: scale}
	top := 48.0 + s.chartTitle(c.Title, c.Simulated)
	s.text(c.YLabel, margin, top+14, textSize, start, faint, false)
	top = c.key(s, top+20)
	p := &plotArea{c: &c, x0: chartLeft, x1: chartW - margin, y0: top + 12, y1: top + 12 + chartH - 130}
	p.lo, p.hi = c.yRange()
	p.axes(s)
	for i := len(c.Series) - 1; i >= 0; i-- { // the main message last, on top
		p.series(s, c.Series[i], Accessible.Category(seriesColour[i%len(seriesColour)]), 7*float64((i+1)/2*(1-2*(i%2))))
	}
	y := p.y1 + chartBottom
	return s.finish(Plate{Name: c.Name, Title: c.Title, Alt: c.Alt}, c.Note, y)
}

// chartTitle writes the title of a sheet as wide as a chart, and below it that the responses are simulated, which takes
// as many pixels more as it returns.
func (s *sheet) chartTitle(title string, simulated bool) float64 {
	s.text(s.typ.fit(title, 16, true, chartW-2*margin), margin, 28, 16, start, ink, true)
	if !simulated {
		return 0
	}
	s.text("simulated responses", margin, 47, textSize, start, alarm, true)
	return 16
}

// finish writes the note from y downwards, and makes the sheet the plate's.
func (s *sheet) finish(p Plate, note string, y float64) *Plate {
	for _, line := range s.typ.wrap(note, smallSize, chartW-2*margin) {
		s.text(line, margin, y, smallSize, start, faint, false)
		y += smallSize + 5
	}
	s.h = y + 2
	p.Width, p.Height, p.sheet = s.w, s.h, s
	return &p
}

// seriesColour are dark enough on white, of Okabe and Ito's: blue, vermilion, bluish green, purple.
var seriesColour = []int{4, 5, 2, 7}

// key names the series in one or more rows and returns where they end.
func (c *Chart) key(s *sheet, y float64) float64 {
	if len(c.Series) < 2 {
		return y
	}
	x := margin
	y += 14
	for i, series := range c.Series {
		w := 16 + s.typ.width(series.Name, textSize, false) + 18
		if x+w > chartW-margin && x > margin {
			x = margin
			y += 18
		}
		col := Accessible.Category(seriesColour[i%len(seriesColour)])
		s.mark(x+6, y-4, col, series.Secondary)
		s.text(series.Name, x+16, y, textSize, start, ink, false)
		x += w
	}
	return y
}

// mark is a point: filled, or hollow and smaller.
func (s *sheet) mark(x, y float64, c RGB, hollow bool) {
	if hollow {
		s.disc(x, y, 4, c)
		s.disc(x, y, 2.4, white)
		return
	}
	s.disc(x, y, 4.6, c)
}

// yRange is the given one, or what holds all points and intervals with some air.
func (c *Chart) yRange() (lo, hi float64) {
	if !math.IsNaN(c.YLo) && !math.IsNaN(c.YHi) {
		return c.YLo, c.YHi
	}
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, s := range c.Series {
		for _, list := range [][]float64{s.Y, s.Lo, s.Hi} {
			for _, v := range list {
				if !math.IsNaN(v) {
					lo, hi = math.Min(lo, v), math.Max(hi, v)
				}
			}
		}
	}
	if !(hi >= lo) {
		return 0, 1
	}
	if lo > 0 && lo < 0.6*hi {
		lo = 0
	}
	step := niceStep(math.Max(hi-lo, 1e-9) / 5)
	return math.Floor(lo/step) * step, math.Ceil(hi/step+1e-9) * step
}

func (p *plotArea) axes(s *sheet) {
	at := ticks(p.lo, p.hi, 5)
	for i, label := range labels(at) {
		y := p.y(at[i])
		s.line([][2]float64{{p.x0, y}, {p.x1, y}}, 0.8, rule)
		s.text(label, p.x0-8, y+4.5, textSize, end, ink, false)
	}
	marks := p.c.XTicks
	if marks == nil {
		at := ticks(p.c.XLo, p.c.XHi, 8)
		for i, label := range labels(at) {
			marks = append(marks, Tick{at[i], label})
		}
	}
	s.line([][2]float64{{p.x0, p.y1}, {p.x1, p.y1}}, 1, faint)
	room := math.Inf(-1)
	for _, t := range marks {
		x := p.x(t.At)
		s.line([][2]float64{{x, p.y1}, {x, p.y1 + 5}}, 0.8, faint)
		half := s.typ.width(t.Name, textSize, false) / 2
		put := clamp(x, half+2, p.x1+margin-2-half) // the first and the last name must not run off the sheet
		if put-half < room+6 {
			continue
		}
		s.text(t.Name, put, p.y1+20, textSize, middle, ink, false)
		room = put + half
	}
	s.text(p.c.XLabel, (p.x0+p.x1)/2, p.y1+41, textSize, middle, faint, false)
}

// series draws one set of points, moved aside by dodge pixels so that equal ones of several series are seen.
func (p *plotArea) series(s *sheet, d Series, c RGB, dodge float64) {
	if d.Line != nil {
		s.ops = append(s.ops, op{line: [][2]float64{{p.x(p.c.XLo), p.y(d.Line[0])}, {p.x(p.c.XHi), p.y(d.Line[1])}}, width: 1.6, colour: c, dash: d.Secondary})
	}
	if d.Join {
		dodge = 0
	}
	var run [][2]float64
	flush := func() {
		if d.Join && len(run) > 1 {
			s.line(run, 1.6, c)
		}
		run = nil
	}
	for i, v := range d.Y {
		if math.IsNaN(v) {
			flush()
			continue
		}
		run = append(run, [2]float64{p.x(d.X[i]), p.y(v)})
	}
	flush()
	for i, v := range d.Y {
		if math.IsNaN(v) {
			continue
		}
		x := p.x(d.X[i]) + dodge
		if d.Lo != nil && !math.IsNaN(d.Lo[i]) && !math.IsNaN(d.Hi[i]) {
			s.line([][2]float64{{x, p.y(clamp(d.Lo[i], p.lo, p.hi))}, {x, p.y(clamp(d.Hi[i], p.lo, p.hi))}}, 1.6, c)
		}
		s.mark(x, p.y(v), c, d.Secondary)
	}
}

// Numbers is a map's values as CSV, the figure's numbers: hemi, vertex, value, and second and certainty
// where the map has them. Vertices without data are left out.
func Numbers(m *cortex.Map) []byte {
	out := []byte("hemi,vertex,value")
	if m.Second[0] != nil {
		out = append(out, ",second"...)
	}
	if m.Certainty[0] != nil {
		out = append(out, ",certainty"...)
	}
	out = append(out, '\n')
	for i, side := range cortex.Sides {
		for v, x := range m.Values[i] {
			if math.IsNaN(x) {
				continue
			}
			out = fmt.Appendf(out, "%s,%d,%.6g", side, v, x)
			for _, extra := range [][]float64{m.Second[i], m.Certainty[i]} {
				if extra == nil {
					continue
				}
				out = append(out, ',')
				if !math.IsNaN(extra[v]) {
					out = fmt.Appendf(out, "%.6g", extra[v])
				}
			}
			out = append(out, '\n')
		}
	}
	return out
}
