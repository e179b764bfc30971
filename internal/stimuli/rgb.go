package stimuli

// RGB is a picture in memory: 3 bytes a pixel, row-major from the top left.
type RGB struct {
	W, H int
	Pix  []byte // len 3·W·H
}

// NewRGB makes a black picture of w x h pixels.
func NewRGB(w, h int) *RGB { return &RGB{W: w, H: h, Pix: make([]byte, 3*w*h)} }

// Window is a rectangle of a picture in its pixels, from the top left, seen in a mirror (left and right
// exchanged) if Mirror is set.
type Window struct {
	X, Y, W, H int
	Mirror     bool
}

// Inside says whether the window has an area and lies within a picture of w x h pixels.
func (r Window) Inside(w, h int) bool {
	return r.X >= 0 && r.Y >= 0 && r.W > 0 && r.H > 0 && r.W <= w-r.X && r.H <= h-r.Y
}

// Crop copies a window of a picture, mirrored if the window says so. It panics if the window is not inside.
func Crop(img *RGB, r Window) *RGB {
	if !r.Inside(img.W, img.H) {
		panic("stimuli.Crop: window outside the picture")
	}
	out := NewRGB(r.W, r.H)
	for y := range r.H {
		src := img.Pix[3*((r.Y+y)*img.W+r.X):][:3*r.W]
		dst := out.Pix[3*y*r.W:][:3*r.W]
		if r.Mirror {
			mirrorRow(dst, src)
		} else {
			copy(dst, src)
		}
	}
	return out
}

// mirrorRow writes the pixels of src into dst from right to left.
func mirrorRow(dst, src []byte) {
	for i, j := 0, len(src)-3; j >= 0; i, j = i+3, j-3 {
		dst[i], dst[i+1], dst[i+2] = src[j], src[j+1], src[j+2]
	}
}
