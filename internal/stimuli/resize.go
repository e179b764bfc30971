package stimuli

// Kernel is what a pixel is averaged with when a picture is resized.
type Kernel int

const (
	Bilinear Kernel = iota // triangle, support 1
	Bicubic                // Keys' cubic with a = −0.5 (Catmull-Rom), support 2
	Lanczos                // sinc windowed by sinc, support 3
	Nearest                // the nearest pixel, no averaging
)

// ParseKernel reads a kernel's name: bilinear, bicubic, lanczos, nearest. ok is false for any other.
func ParseKernel(name string) (k Kernel, ok bool) { return parseKernel(name) }

// Resize makes img w x h pixels by Pillow's rule (Image.resize of Pillow 13), bit for bit.
func Resize(img *RGB, w, h int, k Kernel) *RGB {
	return ResizePart(img, w, h, Window{W: w, H: h}, k)
}

// ResizePart is Crop(Resize(img, w, h, k), part) without computing the rest. It panics if part is not inside
// w x h.
func ResizePart(img *RGB, w, h int, part Window, k Kernel) *RGB { return resizePart(img, w, h, part, k) }
