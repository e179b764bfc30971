package draw

import (
	"image"
	"image/color"
	"math"

	xdraw "golang.org/x/image/draw"
)

// Tiles are photographs in rows, each under a grid of numbers: where in it something is strong. A photograph is shown in
// greys and its cells in inferno's colours over it, the more opaque the larger, in squares of the grid's own size:
// nothing is smoothed.
type Tiles struct {
	Name, Title, Unit string // file stem; for people; of the numbers
	Rows              []TileRow
	Lo, Hi            float64 // of the colours; what lies beyond has those of the ends
	Simulated         bool
	Note, Alt         string
}

// TileRow is a row under its own words.
type TileRow struct {
	Label string
	Tiles []Tile
}

// Tile is a photograph and what lies over it.
type Tile struct {
	Picture image.Image // drawn square
	Grid    [2]int      // rows, columns
	Heat    []float64   // [rows · columns], from the top left
	Cell    int         // that is framed
	Label   string
}

const (
	tileSide = 118.0 // logical pixels
	tileGap  = 8.0
)

// Plot draws the rows with their colour bar.
func (t Tiles) Plot(scale float64) *Plate {
	s := &sheet{w: chartW, scale: scale}
	y := 40.0 + s.chartTitle(t.Title, t.Simulated)
	top := y + 22
	for _, row := range t.Rows {
		s.text(s.typ.fit(row.Label, textSize, false, chartW-2*margin), margin, y+14, textSize, start, ink, false)
		y += 22
		for k, tile := range row.Tiles {
			t.tile(s, tile, margin+float64(k)*(tileSide+tileGap), y)
		}
		y += tileSide + smallSize + 14
	}
	s.colourScale(t.colour, t.Lo, t.Hi, t.Unit, chartW-92, top)
	y += 4
	return s.finish(Plate{Name: t.Name, Title: t.Title, Alt: t.Alt}, t.Note, y)
}

// tile draws one photograph, its numbers, the framed cell and its name.
func (t Tiles) tile(s *sheet, tile Tile, x, y float64) {
	side := int(math.Round(tileSide * s.scale))
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	xdraw.BiLinear.Scale(img, img.Bounds(), tile.Picture, tile.Picture.Bounds(), xdraw.Src, nil)
	h, w := tile.Grid[0], tile.Grid[1]
	for py := range side {
		for px := range side {
			g := color.GrayModel.Convert(img.RGBAAt(px, py)).(color.Gray).Y
			v := tile.Heat[py*h/side*w+px*w/side]
			img.SetRGBA(px, py, bytesRGB(g, g, g).mix(t.colour(v), t.opacity(v)).RGBA())
		}
	}
	s.picture(img, x, y)
	across, down := tileSide/float64(w), tileSide/float64(h)
	s.frame(x+across*float64(tile.Cell%w), y+down*float64(tile.Cell/w), across, down, 1.4, RGB{1, 1, 1})
	s.text(s.typ.fit(tile.Label, smallSize, false, tileSide), x, y+tileSide+smallSize+2, smallSize, start, faint, false)
}

// opacity grows with the number, so that photographs stay visible where there is little.
func (t Tiles) opacity(v float64) float64 { return 0.15 + 0.65*clamp((v-t.Lo)/(t.Hi-t.Lo), 0, 1) }

func (t Tiles) colour(v float64) RGB { return ramps()["inferno"].at((v - t.Lo) / (t.Hi - t.Lo)) }
