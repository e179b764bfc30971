package extract

import (
	"fmt"
	"maps"
	"math"

	"cortexmap/internal/stimuli"
	"cortexmap/models"
)

// Rect is a rectangle in the pixels of a picture, with fractions; it may reach beyond the picture.
type Rect struct{ X, Y, W, H float64 }

// Preprocess writes a picture into dst as the card's network wants to see it.
//
//	dst[c,y,x] = (pixel[y,x,c] / Scale − Mean[c]) / Std[c]      NCHW; NHWC has dst[y,x,c]
//
// pixel is the picture resized with the card's kernel (Pillow's rule, 8 bits) and cropped:
//
//	squash  both sides to Size/CropRatio, then the centre
//	crop    the short side to Size/CropRatio, the long one in proportion, then the centre
//	pad     the long side to Size, the short one in proportion, zeros (after normalisation) right and below
//
// Field says which part of the picture that is. c runs over the input's channels, in the card's colour order. The
// arithmetic is in float64 and rounded once, so a table of 256 values a channel does.
//
// dst has len 3·height·width of the card; Preprocess panics on any other, and on a card that models.Find would
// refuse. Rounding of sizes and of the centre: torchvision's Resize and CenterCrop; pad: ResizeLongestSide of SAM.
func Preprocess(dst []float32, img *stimuli.RGB, c models.Card) {
	tables := normalisation(c)
	lay(dst, img, c, &tables)
}

// PreprocessBytes is Preprocess for a network that takes the pixels themselves (a uint8 input) and normalises
// them inside: resized, cropped, in the card's colour order and layout. dst has len 3·height·width.
func PreprocessBytes(dst []byte, img *stimuli.RGB, c models.Card) {
	var tables [3][256]byte
	for channel := range tables {
		for v := range 256 {
			tables[channel][v] = byte(v)
		}
	}
	lay(dst, img, c, &tables)
}

// PaperCard is what protocol paper feeds a network in place of its own card (paper.md 1.1): both sides squashed
// with an antialiased bilinear kernel, ImageNet's statistics, RGB, whatever the network was trained with. Size and
// layout stay the network's, or it could not run. A warning says what the network would have wanted.
func PaperCard(c models.Card) models.Card {
	own := c
	c.Resize, c.CropRatio, c.Kernel = "squash", 1, "bilinear"
	c.Scale, c.Mean, c.Std, c.Order = 255, [3]float64{0.485, 0.456, 0.406}, [3]float64{0.229, 0.224, 0.225}, "RGB"
	c.Source = "protocol paper"
	c.From = maps.Clone(c.From)
	if c.From == nil {
		c.From = map[string]string{}
	}
	for _, field := range []string{"resize", "crop", "kernel", "scale", "mean", "std", "order"} {
		c.From[field] = c.Source
	}
	if own.Order != c.Order || !sameValues(own, c) {
		text := fmt.Sprintf("protocol paper shows every network RGB pixels with ImageNet's statistics; this one's own card (%s) says %s, scale %g, mean %v, std %v",
			own.Source, own.Order, own.Scale, own.Mean, own.Std)
		c.Warnings = append(c.Warnings[:len(c.Warnings):len(c.Warnings)], models.Warning{ID: "paper-statistics", Text: text})
	}
	return c
}

// sameValues says whether two cards give pixels the same values; SAM's statistics are ImageNet's, written in levels,
// so rounding (1e-5 of values up to 3) is forgiven.
func sameValues(a, b models.Card) bool {
	of, with := normalisation(a), normalisation(b)
	for channel := range of {
		for v := range 256 {
			if !(math.Abs(float64(of[channel][v]-with[channel][v])) <= 1e-5) {
				return false
			}
		}
	}
	return true
}

// Field is the part of a w x h picture that the network's input shows, from the input's left edge to its right
// one and from top to bottom: selectors' image points −1…1 span it. Under pad it reaches beyond the picture.
func Field(w, h int, c models.Card) Rect {
	p := planOf(w, h, c)
	across, down := float64(w)/float64(p.w), float64(h)/float64(p.h)
	return Rect{
		X: float64(p.part.X) * across, Y: float64(p.part.Y) * down,
		W: float64(p.inW) * across, H: float64(p.inH) * down,
	}
}

// Seen is what the network's input shows of a picture, before values are normalised: resized and cut as the card says,
// black where it is padded.
func Seen(img *stimuli.RGB, c models.Card) *stimuli.RGB {
	p := planOf(img.W, img.H, c)
	small, out := p.resized(img, c), stimuli.NewRGB(p.inW, p.inH)
	for y := range small.H {
		copy(out.Pix[3*y*out.W:], small.Pix[3*y*small.W:3*(y+1)*small.W])
	}
	return out
}

// plan is how a picture comes into the input's rectangle.
type plan struct {
	inW, inH int            // the network's input
	w, h     int            // the whole picture, resized
	part     stimuli.Window // the part of that which is computed; smaller than the input only under pad
}

func planOf(w, h int, c models.Card) plan {
	p := plan{}
	p.inH, p.inW = c.Sides()
	switch c.Resize {
	case "squash":
		p.w, p.h = enlarged(p.inW, c.CropRatio), enlarged(p.inH, c.CropRatio)
	case "crop":
		p.w, p.h = shortSide(w, h, enlarged(p.inW, c.CropRatio), enlarged(p.inH, c.CropRatio))
	case "pad":
		scale := math.Min(float64(p.inW)/float64(w), float64(p.inH)/float64(h))
		p.w, p.h = max(1, int(float64(w)*scale+0.5)), max(1, int(float64(h)*scale+0.5))
	default:
		panic("extract: card with resize " + c.Resize)
	}
	p.part = stimuli.Window{X: centre(p.w, p.inW), Y: centre(p.h, p.inH), W: min(p.inW, p.w), H: min(p.inH, p.h)}
	return p
}

// resized is the part of a picture that the input shows.
func (p plan) resized(img *stimuli.RGB, c models.Card) *stimuli.RGB {
	kernel, ok := stimuli.ParseKernel(c.Kernel)
	if !ok {
		panic("extract: card with kernel " + c.Kernel)
	}
	return stimuli.ResizePart(img, p.w, p.h, p.part, kernel)
}

// enlarged is a side before the centre of it is cut out. The small addend keeps a ratio such as 240/272, which
// has no exact float64, from losing a pixel.
func enlarged(side int, ratio float64) int { return int(float64(side)/ratio + 1e-6) }

// shortSide is the size of a w x h picture that just covers toW x toH: torchvision's Resize with one number, where
// both are equal, and the long side is cut to whole pixels.
func shortSide(w, h, toW, toH int) (int, int) {
	if w*toH <= h*toW {
		return toW, max(toH, toW*h/w)
	}
	return max(toW, toH*w/h), toH
}

// centre is where a part of a length begins in the middle of a whole; halves go to the even side, as Python's
// round does in torchvision's CenterCrop.
func centre(whole, part int) int {
	return max(0, int(math.RoundToEven(float64(whole-part)/2)))
}

// normalisation is the value of each pixel level in each channel of the input.
func normalisation(c models.Card) (tables [3][256]float32) {
	for channel := range tables {
		for v := range 256 {
			tables[channel][v] = float32((float64(v)/c.Scale - c.Mean[channel]) / c.Std[channel])
		}
	}
	return tables
}

// lay resizes the picture and writes each level's value from its channel's table into the input's layout.
func lay[T float32 | byte](dst []T, img *stimuli.RGB, c models.Card, tables *[3][256]T) {
	p := planOf(img.W, img.H, c)
	if len(dst) != 3*p.inH*p.inW {
		panic(fmt.Sprintf("extract: room for %d values, the network takes 3 x %d x %d", len(dst), p.inH, p.inW))
	}
	if p.part.W < p.inW || p.part.H < p.inH {
		clear(dst)
	}
	small := p.resized(img, c)
	channelStep, pixelStep := p.inH*p.inW, 1
	if c.Layout == "NHWC" {
		channelStep, pixelStep = 1, 3
	}
	for channel := range tables {
		table, colour := &tables[channel], channel
		if c.Order == "BGR" {
			colour = 2 - channel
		}
		for y := range small.H {
			row := small.Pix[3*y*small.W:][:3*small.W]
			at := channel*channelStep + y*p.inW*pixelStep
			for x := colour; x < len(row); x += 3 {
				dst[at] = table[row[x]]
				at += pixelStep
			}
		}
	}
}
