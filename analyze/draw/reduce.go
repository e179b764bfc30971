package draw

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"

	xdraw "golang.org/x/image/draw"
)

// Reduce makes a plate's PNG file smaller: at most 256 colours, and scale times as many pixels along each side,
// 0 < scale ≤ 1, filtered linearly over what each covers. A flat map loses a level or two of 255 on average.
func Reduce(file []byte, scale float64) ([]byte, error) {
	full, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	size := full.Bounds().Size()
	if scale < 1 {
		size = image.Pt(max(1, int(float64(size.X)*scale)), max(1, int(float64(size.Y)*scale)))
	}
	img := image.NewRGBA(image.Rectangle{Max: size})
	xdraw.BiLinear.Scale(img, img.Bounds(), full, full.Bounds(), xdraw.Src, nil)
	return encode(quantise(img))
}

// quantise finds 256 colours for an opaque picture by median cut (Heckbert 1982): the box of colours that spreads
// furthest, in levels times the root of its pixels, is cut at its median until there are as many boxes; each becomes
// its pixels' mean colour. Colours are counted in cells of eight levels.
func quantise(img *image.RGBA) *image.Paletted {
	cells := make([]cell, 32*32*32)
	for i := 0; i < len(img.Pix); i += 4 {
		c := &cells[cellOf(img.Pix[i:])]
		c.n++
		for k := range 3 {
			c.sum[k] += int(img.Pix[i+k])
		}
	}
	var all []*cell
	for i := range cells {
		if cells[i].n > 0 {
			all = append(all, &cells[i])
		}
	}
	out := image.NewPaletted(img.Bounds(), nil)
	for k, box := range cut(all, 256) {
		var whole cell
		for _, c := range box {
			whole.add(c)
			c.box = uint8(k)
		}
		mean := whole.mean()
		out.Palette = append(out.Palette, color.RGBA{mean[0], mean[1], mean[2], 255})
	}
	for i := range out.Pix {
		out.Pix[i] = cells[cellOf(img.Pix[4*i:])].box
	}
	return out
}

// cell is 8 × 8 × 8 neighbouring colours.
type cell struct {
	n   int
	sum [3]int
	box uint8
}

func cellOf(pix []uint8) int {
	return int(pix[0]>>3)<<10 | int(pix[1]>>3)<<5 | int(pix[2]>>3)
}

func (c *cell) add(d *cell) {
	c.n += d.n
	for k := range 3 {
		c.sum[k] += d.sum[k]
	}
}

func (c *cell) mean() (out [3]uint8) {
	for k := range 3 {
		out[k] = uint8((c.sum[k] + c.n/2) / c.n)
	}
	return out
}

// cut parts cells into at most n boxes.
func cut(all []*cell, n int) [][]*cell {
	boxes := [][]*cell{all}
	spreads := []spread{spreadOf(all)}
	for len(boxes) < n {
		widest := 0
		for i, s := range spreads {
			if s.much > spreads[widest].much {
				widest = i
			}
		}
		if spreads[widest].much == 0 {
			break // every box is one cell
		}
		low, high := halve(boxes[widest], spreads[widest])
		boxes[widest], spreads[widest] = low, spreadOf(low)
		boxes, spreads = append(boxes, high), append(spreads, spreadOf(high))
	}
	return boxes
}

// spread is along which of red, green and blue a box reaches furthest, and how much cutting it helps.
type spread struct {
	axis, n int
	much    float64
}

func spreadOf(box []*cell) (out spread) {
	lo, hi := [3]uint8{255, 255, 255}, [3]uint8{}
	for _, c := range box {
		out.n += c.n
		for k, x := range c.mean() {
			lo[k], hi[k] = min(lo[k], x), max(hi[k], x)
		}
	}
	for k := range 3 {
		if d := float64(hi[k]) - float64(lo[k]); len(box) > 1 && d*math.Sqrt(float64(out.n)) > out.much {
			out.axis, out.much = k, d*math.Sqrt(float64(out.n))
		}
	}
	return out
}

// halve sorts a box along its axis and cuts it where half of its pixels are on either side; both keep a cell.
func halve(box []*cell, s spread) (low, high []*cell) {
	slices.SortStableFunc(box, func(a, b *cell) int { return int(a.mean()[s.axis]) - int(b.mean()[s.axis]) })
	n, at := 0, 0
	for at < len(box)-1 && 2*n < s.n {
		n += box[at].n
		at++
	}
	return box[:at:at], box[at:]
}
