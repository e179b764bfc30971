package draw

import (
	"image"
	"math"
)

// drawInset draws both whole flat maps small, what has data tinted, with the panels' windows framed: a
// person sees at once which part of the cortex the plate shows.
func (s *Stage) drawInset(sh *sheet, x, y float64) {
	const width = column - margin
	lo, hi := [2]vec{}, [2]vec{}
	for i, h := range s.g.Hemis {
		lo[i], hi[i] = extent(h.Flat, nil)
	}
	mm := (width - 4) / (hi[0][0] - lo[0][0] + hi[1][0] - lo[1][0])
	top, bottom := math.Max(hi[0][1], hi[1][1]), math.Min(lo[0][1], lo[1][1])
	for i, p := range s.panels {
		w := mm * (hi[i][0] - lo[i][0])
		centre := vec{(lo[i][0] + hi[i][0]) / 2, (top + bottom) / 2}
		sh.picture(s.locator(i, sh.scale, mm, w, mm*(top-bottom), centre), x, y)
		across, tall := mm*p.w/p.mm, mm*p.h/p.mm
		sh.frame(x+mm*(p.centre[0]-lo[i][0])-across/2, y+mm*(top-p.centre[1])-tall/2, across, tall, 1, ink)
		x += w + 4
	}
	sh.text("shown part of the flat map", s.legend, y+mm*(top-bottom)+14, smallSize, start, faint, false)
}

// locator is one hemisphere's whole flat map of w × h logical pixels, grey, and blue where the focus is.
func (s *Stage) locator(side int, scale, mm, w, h float64, centre vec) *image.RGBA {
	const ss = 3
	flat := s.g.Hemis[side].Flat
	nx, ny := int(math.Ceil(w*scale)), int(math.Ceil(h*scale))
	points := project(flat.Points, flatView, centre, mm*scale*ss, nx*ss, ny*ss)
	f := rasterise(flat.Faces, points, nil, flatView.toward, nx*ss, ny*ss)
	img := image.NewRGBA(image.Rect(0, 0, nx, ny))
	var in []bool
	if focus := s.o.Focus[side]; focus != nil {
		in = closed(focus, s.gaps[side])
	}
	f.paint(img, ss, 0, ny, func(n int32, weight [3]float64) RGB {
		if in != nil && in[flat.Faces[n][nearest(weight)]] {
			return RGB{0.25, 0.45, 0.70}
		}
		return RGB{0.80, 0.80, 0.80}
	})
	return img
}
