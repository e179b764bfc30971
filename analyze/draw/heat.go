package draw

import "math"

// Heat is a matrix as coloured cells: rows from the top, columns from the left. Cells without a number stay empty.
type Heat struct {
	Name, Title, Unit string // file stem; for people; of the numbers
	XLabel            string
	Rows, Columns     []string
	Values            [][]float64 // [rows][columns]
	Lo, Hi            float64     // of the colours
	Marks             []int       // [rows] a column that is outlined, −1 for none; nil: none at all
	Simulated         bool
	Note, Alt         string
}

const heatRow = 18.0 // height of a row, logical pixels

// Plot draws the matrix with its colour bar.
func (h Heat) Plot(scale float64) *Plate {
	s := &sheet{w: chartW, scale: scale}
	top := 44.0 + s.chartTitle(h.Title, h.Simulated)
	left := margin
	for _, name := range h.Rows {
		left = math.Max(left, margin+math.Min(150, s.typ.width(name, textSize, false)))
	}
	left += 8
	right := chartW - 92.0
	across := (right - left) / float64(max(1, len(h.Columns)))
	bottom := top + heatRow*float64(len(h.Rows))
	for i, name := range h.Rows {
		y := top + heatRow*float64(i)
		s.text(s.typ.fit(name, textSize, false, 150), left-6, y+heatRow-5, textSize, end, ink, false)
		for j := range h.Columns {
			v := h.Values[i][j]
			if math.IsNaN(v) {
				continue
			}
			s.box(left+across*float64(j), y, across, heatRow, h.colour(v))
		}
	}
	s.frame(left, top, right-left, bottom-top, 0.8, faint)
	for i, j := range h.Marks {
		if j >= 0 {
			s.frame(left+across*float64(j)+1, top+heatRow*float64(i)+1, across-2, heatRow-2, 1.6, alarm)
		}
	}
	h.names(s, left, across, bottom)
	s.colourScale(h.colour, h.Lo, h.Hi, h.Unit, right+18, top)
	y := math.Max(bottom+46, top+120) + 12
	return s.finish(Plate{Name: h.Name, Title: h.Title, Alt: h.Alt}, h.Note, y)
}

// colour grows darker with the value; what lies beyond the ends has theirs.
func (h Heat) colour(v float64) RGB {
	return ramps()["viridis"].at(1 - (v-h.Lo)/(h.Hi-h.Lo))
}

// names writes the columns' names where there is room.
func (h Heat) names(s *sheet, left, across, y float64) {
	room := math.Inf(-1)
	for j, name := range h.Columns {
		x := left + across*(float64(j)+0.5)
		s.line([][2]float64{{x, y}, {x, y + 4}}, 0.8, faint)
		half := s.typ.width(name, smallSize, false) / 2
		if x-half < room+6 {
			continue
		}
		s.text(name, x, y+17, smallSize, middle, ink, false)
		room = x + half
	}
	s.text(h.XLabel, left+across*float64(len(h.Columns))/2, y+36, textSize, middle, faint, false)
}

// colourScale is a bar of colours from lo to hi with its ticks and unit.
func (s *sheet) colourScale(colour func(v float64) RGB, lo, hi float64, unit string, x, y float64) {
	const w, tall = 14.0, 96.0
	s.picture(s.raster(w, tall, func(_, v float64) RGB { return colour(lo + (hi-lo)*v) }), x, y)
	s.frame(x, y, w, tall, 0.8, faint)
	at := ticks(lo, hi, 3)
	for i, label := range labels(at) {
		s.text(label, x+w+6, y+tall*(1-(at[i]-lo)/(hi-lo))+4, smallSize, start, ink, false)
	}
	for i, line := range s.typ.wrap(unit, smallSize, chartW-x-4) {
		s.text(line, x, y+tall+16+14*float64(i), smallSize, start, faint, false)
	}
}
