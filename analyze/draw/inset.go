package draw

import (
	"image"
	"math"

	"cortexmap/internal/cortex"
)

// insetOf draws both whole flat maps small, what has data tinted, with the panels' windows framed: a person
// sees at once which part of the cortex the plate shows.
func insetOf(g *cortex.Geometry, o Options, panels []*panel) func(*sheet, float64, float64) {
	const width, ss = column - margin, 3
	return func(sh *sheet, x, y float64) {
		lo, hi := [2]vec{}, [2]vec{}
		for i, h := range g.Hemis {
			lo[i], hi[i] = extent(h.Flat, nil)
		}
		mm := (width - 4) / (hi[0][0] - lo[0][0] + hi[1][0] - lo[1][0])
		top, bottom := math.Max(hi[0][1], hi[1][1]), math.Min(lo[0][1], lo[1][1])
		left := x
		for i, h := range g.Hemis {
			w, tall := mm*(hi[i][0]-lo[i][0]), mm*(top-bottom)
			px := [2]int{int(math.Ceil(w * sh.scale)), int(math.Ceil(tall * sh.scale))}
			centre := vec{(lo[i][0] + hi[i][0]) / 2, (top + bottom) / 2}
			points := project(h.Flat.Points, flatView, centre, mm*sh.scale*ss, px[0]*ss, px[1]*ss)
			f := rasterise(h.Flat.Faces, points, nil, flatView.toward, px[0]*ss, px[1]*ss)
			img := image.NewRGBA(image.Rect(0, 0, px[0], px[1]))
			f.paint(img, ss, 0, px[1], func(n int32, weight [3]float64) RGB {
				if t := h.Flat.Faces[n]; o.Focus[i] != nil && o.Focus[i][t[nearest(weight)]] {
					return RGB{0.25, 0.45, 0.70}
				}
				return RGB{0.80, 0.80, 0.80}
			})
			sh.picture(img, left, y)
			p := panels[i]
			sh.frame(left+mm*(p.centre[0]-p.w/p.mm/2-lo[i][0]), y+mm*(top-p.centre[1]-p.h/p.mm/2), mm*p.w/p.mm, mm*p.h/p.mm, 1, ink)
			left += w + 4
		}
		sh.text("shown part of the flat map", x, y+mm*(top-bottom)+14, smallSize, start, faint, false)
	}
}
