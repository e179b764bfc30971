package draw

import (
	"image"
	"image/color"
	"math"
	"testing"
)

// TestTiles: every cell of the heat lies where its part of the photograph does, in its colour over the photograph's grey,
// and the framed cell is the one that was named.
func TestTiles(t *testing.T) {
	photo := image.NewRGBA(image.Rect(0, 0, 4, 2)) // left half black, right half white
	for y := range 2 {
		for x := range 4 {
			photo.SetRGBA(x, y, color.RGBA{uint8(255 * (x / 2)), uint8(255 * (x / 2)), uint8(255 * (x / 2)), 255})
		}
	}
	const rows, columns = 2, 3
	heat := []float64{0, 1, 2, 3, 4, 9}
	p := Tiles{Name: "t", Title: "title", Unit: "SD", Hi: 4, Alt: "alt", Rows: []TileRow{{Label: "row", Tiles: []Tile{{Picture: photo, Grid: [2]int{rows, columns}, Heat: heat, Cell: 4, Label: "a.png"}}}}}.Plot(1)
	img := p.Image()
	const x0, y0 = margin, 62.0
	at := func(row, column, f float64) color.RGBA {
		return img.RGBAAt(int(x0+tileSide*(column+f)/columns), int(math.Round(y0+tileSide*(row+0.5)/rows)))
	}
	for cell, v := range heat {
		row, column := float64(cell/columns), float64(cell%columns)
		f := 0.1 // of the cell's width: away from the photograph's own border, which goes through the middle column
		grey := 0.0
		if column == 2 {
			grey = 1
		}
		want := RGB{grey, grey, grey}.mix(ramps()["inferno"].at(math.Min(1, v/4)), 0.15+0.65*math.Min(1, v/4)).RGBA()
		got := at(row, column, f)
		for _, d := range []int{int(got.R) - int(want.R), int(got.G) - int(want.G), int(got.B) - int(want.B)} {
			if d < -2 || d > 2 { // the photograph's resampling and the grey's rounding
				t.Errorf("cell %d is %v, want %v", cell, got, want)
				break
			}
		}
	}
	// the frame of cell 4: white at the top edge of its middle; the edge of cell 3 is not
	edge := func(column float64) color.RGBA {
		return img.RGBAAt(int(x0+tileSide*(column+0.5)/columns), int(math.Round(y0+tileSide/rows)))
	}
	if in, out := edge(1), edge(0); in.R < 200 || in.B < 200 || out.R > 200 && out.B > 200 {
		t.Errorf("frame %v, beside it %v", in, out)
	}
	if b := img.Bounds(); float64(b.Dx()) != p.Width || math.Abs(float64(b.Dy())-p.Height) > 1 {
		t.Errorf("%v of %v × %v", b, p.Width, p.Height)
	}
}
