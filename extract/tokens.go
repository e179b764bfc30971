package extract

import (
	"fmt"
	"slices"
)

// layout is one reading of a tensor's axes.
type layout struct {
	kind   string // NCHW, NHWC, NLC or LNC
	h, w   int    // grid
	prefix int    // tokens before the grid
	width  int    // numbers in a token
}

const maxPrefix = 9 // cls, distillation token, up to 8 registers

// layouts lists every reading of a tensor that fits, most likely first. one and two are its dimensions with
// batches of one and two images; two is nil where the batch is frozen, one then being of frozen images. ih
// and iw are the picture's sides. Where nothing fits, why says so.
func layouts(one, two []int64, frozen int64, ih, iw int) (fits []layout, why string) {
	axis, why := batchAxis(one, two, frozen)
	if axis < 0 {
		return nil, why
	}
	switch {
	case len(one) == 4 && axis == 0:
		fits = mapLayouts(one, ih, iw)
	case len(one) == 3 && axis < 2:
		fits = sequenceLayouts(one, axis, ih, iw)
	}
	if len(fits) == 0 {
		return nil, fmt.Sprintf("its shape %v makes no grid of a %dx%d picture", one, ih, iw)
	}
	return fits, ""
}

// batchAxis finds the axis that counts images: the one that doubles with the batch. A frozen batch shows as
// the first axis, unless only another one has its size.
func batchAxis(one, two []int64, frozen int64) (axis int, why string) {
	if two == nil {
		if axis := slices.Index(one, frozen); axis >= 0 {
			return axis, ""
		}
		return -1, fmt.Sprintf("no axis of its shape %v counts %d images", one, frozen)
	}
	for i := range one {
		if i < len(two) && two[i] == 2*one[i] {
			if one[i] != 1 {
				return -1, fmt.Sprintf("its tokens lie in %d windows an image (shape %v)", one[i], one)
			}
			return i, ""
		}
	}
	return -1, fmt.Sprintf("no axis of its shape %v follows the batch", one)
}

// mapLayouts: channels last where that alone has the picture's aspect, or where channels first has it too
// (H = W = C) as the second guess.
func mapLayouts(d []int64, ih, iw int) []layout {
	first := layout{NCHW, int(d[2]), int(d[3]), 0, int(d[1])}
	last := layout{NHWC, int(d[1]), int(d[2]), 0, int(d[3])}
	var fits []layout
	for _, l := range []layout{first, last} {
		if l.width > 0 && l.h*l.w > 1 && sameAspect(l.h, l.w, ih, iw) {
			fits = append(fits, l)
		}
	}
	return fits
}

// sequenceLayouts tries every number of prefix tokens, the smallest first.
func sequenceLayouts(d []int64, axis, ih, iw int) []layout {
	kind, tokens := NLC, int(d[1])
	if axis == 1 {
		kind, tokens = LNC, int(d[0])
	}
	var fits []layout
	for p := 0; p <= maxPrefix && p < tokens; p++ {
		cells := tokens - p
		for h := 1; h <= cells; h++ {
			if w := cells / h; h*w == cells && cells > 1 && sameAspect(h, w, ih, iw) {
				fits = append(fits, layout{kind, h, w, p, int(d[2])})
			}
		}
	}
	return fits
}

// sameAspect: a square picture makes a square grid; of others each side may be rounded by one cell.
func sameAspect(h, w, ih, iw int) bool {
	if ih == iw {
		return h == w
	}
	off := float64(h)*float64(iw)/float64(ih) - float64(w)
	return -1 < off && off < 1
}

// token is the place of token t's first number in a tensor of n images, and the step to its next one, for
// image 0.
func (l layout) token(t, n int) (start, step int) {
	switch l.kind {
	case NCHW:
		return t, l.h * l.w
	case LNC:
		return t * n * l.width, 1
	}
	return t * l.width, 1
}

// change is the squared distance of one token between two runs.
func (l layout) change(a, b []float32, token, n int) float64 {
	start, step := l.token(token, n)
	sum := 0.0
	for c := range l.width {
		d := float64(a[start+c*step]) - float64(b[start+c*step])
		sum += d * d
	}
	return sum
}

// mostChanged is the cell of the grid whose token differs most between two runs.
func (l layout) mostChanged(a, b []float32, n int) int {
	best, most := -1, -1.0
	for cell := range l.h * l.w {
		if d := l.change(a, b, l.prefix+cell, n); d > most {
			best, most = cell, d
		}
	}
	return best
}

// closeness of two cells of the grid: 2 for the same, 1 for neighbours, 0 for others.
func (l layout) closeness(a, b int) int {
	switch dy, dx := a/l.w-b/l.w, a%l.w-b%l.w; {
	case dy == 0 && dx == 0:
		return 2
	case max(dy, -dy) <= 1 && max(dx, -dx) <= 1:
		return 1
	}
	return 0
}

// patch is a square of a picture, by its corner and side in pixels.
type patch struct{ y, x, side int }

func (p patch) holds(y, x int) bool {
	return p.y <= y && y < p.y+p.side && p.x <= x && x < p.x+p.side
}

// cell is the cell of the grid that the patch's middle lies in.
func (p patch) cell(h, w, ih, iw int) int {
	return (2*p.y+p.side)*h/(2*ih)*w + (2*p.x+p.side)*w/(2*iw)
}

// patches puts four squares of half a token's side into the middle of tokens of an h x w grid, at unequal
// places, so that no mirror or transposition of the grid takes one for another.
func patches(h, w, ih, iw int) []patch {
	side := max(1, min(ih/h, iw/w)/2)
	var ps []patch
	for _, at := range [][2]float64{{0.18, 0.18}, {0.18, 0.82}, {0.75, 0.32}, {0.54, 0.89}} {
		y, x := int(at[0]*float64(h)), int(at[1]*float64(w))
		ps = append(ps, patch{(2*y+1)*ih/(2*h) - side/2, (2*x+1)*iw/(2*w) - side/2, side})
	}
	return ps
}
