package stimuli

import "image"

// jpegRGB turns a decoded JPEG's planes into RGB as libjpeg-turbo does by default, and with it Pillow and PyTorch:
// triangle ("fancy") upsampling of the chroma planes, jdsample.c, then JFIF's colours in 16-bit fixed point,
// jdcolor.c:
//
//	R = Y + 1.40200 Cr    G = Y − 0.34414 Cb − 0.71414 Cr    B = Y + 1.77200 Cb      Cb, Cr around 128
//
// Go's own image.YCbCr.At repeats chroma samples, up to 36 levels off. What is left, 3 levels at most, is the
// inverse cosine transform.
func jpegRGB(m *image.YCbCr) *RGB {
	out := NewRGB(m.Rect.Dx(), m.Rect.Dy())
	up := newUpsampler(m, 8, 7)
	for y := range out.H {
		cb, cr := up.row(m, y)
		luma := m.Y[y*m.YStride:][:out.W]
		dst := out.Pix[3*y*out.W:][:3*out.W]
		for x, v := range luma {
			l, b, r := int32(v), int32(cb[x])-128, int32(cr[x])-128
			dst[0] = clamp(l + (91881*r+1<<15)>>16)
			dst[1] = clamp(l + (-22554*b-46802*r+1<<15)>>16)
			dst[2] = clamp(l + (116130*b+1<<15)>>16)
			dst = dst[3:]
		}
	}
	return out
}

// webpRGB turns a decoded lossy WebP's planes into RGB as libwebp does (upsampling.c, yuv.h): its colours are
// ITU-R BT.601 with levels 16 to 235, which Go's image.YCbCr takes for JPEG's full range. Exactly Pillow's result.
func webpRGB(m *image.YCbCr) *RGB {
	out := NewRGB(m.Rect.Dx(), m.Rect.Dy())
	up := newUpsampler(m, 8, 8)
	for y := range out.H {
		cb, cr := up.row(m, y)
		luma := m.Y[y*m.YStride:][:out.W]
		dst := out.Pix[3*y*out.W:][:3*out.W]
		for x, v := range luma {
			l, u, v := int32(v)*19077>>8, int32(cb[x]), int32(cr[x])
			dst[0] = clamp((l + v*26149>>8 - 14234) >> 6)
			dst[1] = clamp((l - u*6419>>8 - v*13320>>8 + 8708) >> 6)
			dst[2] = clamp((l + u*33050>>8 - 17685) >> 6)
			dst = dst[3:]
		}
	}
	return out
}

func clamp(v int32) byte { return byte(min(max(v, 0), 255)) }

// upsampler brings a row of the chroma planes to the width of the picture.
type upsampler struct {
	cw, ch      int // samples of a chroma plane
	across      int // pixels a chroma sample spans along a row
	down        int // and along a column
	smooth      bool
	left, right int32 // rounding of the left and right half of a sample
	cb, cr      []byte
	sum         []int32
}

func newUpsampler(m *image.YCbCr, left, right int32) *upsampler {
	u := &upsampler{across: 1, down: 1, left: left, right: right}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		u.across = 2
	case image.YCbCrSubsampleRatio420:
		u.across, u.down = 2, 2
	case image.YCbCrSubsampleRatio440:
		u.down = 2
	case image.YCbCrSubsampleRatio411:
		u.across = 4
	case image.YCbCrSubsampleRatio410:
		u.across, u.down = 4, 2
	}
	u.cw = (m.Rect.Dx() + u.across - 1) / u.across
	u.ch = (m.Rect.Dy() + u.down - 1) / u.down
	// libjpeg smooths factors of 2 only, and none along rows of 2 samples or fewer; libwebp smooths always.
	u.smooth = u.across <= 2 && (u.across == 1 || u.cw > 2 || left == right)
	u.cb, u.cr = make([]byte, u.cw*u.across), make([]byte, u.cw*u.across)
	u.sum = make([]int32, u.cw)
	return u
}

// row is both chroma planes at row y of the picture; the slices are reused.
func (u *upsampler) row(m *image.YCbCr, y int) (cb, cr []byte) {
	u.fill(u.cb, m.Cb, m.CStride, y)
	u.fill(u.cr, m.Cr, m.CStride, y)
	return u.cb, u.cr
}

// fill writes one row of one plane.
func (u *upsampler) fill(dst, plane []byte, stride, y int) {
	at := func(r int) []byte { return plane[min(max(r, 0), u.ch-1)*stride:][:u.cw] }
	near, far := at(y/u.down), []byte(nil)
	if u.down == 2 {
		far = at(y/2 - 1 + 2*(y&1))
	}
	switch {
	case !u.smooth:
		for i := range dst {
			dst[i] = near[i/u.across]
		}
	case u.across == 1 && u.down == 1:
		copy(dst, near)
	case u.across == 1:
		bias := int32(1 + y&1)
		for i := range near {
			dst[i] = byte((3*int32(near[i]) + int32(far[i]) + bias) >> 2)
		}
	case u.down == 1:
		halves(dst, near)
	default:
		for i := range near {
			u.sum[i] = 3*int32(near[i]) + int32(far[i])
		}
		u.quarters(dst, u.sum)
	}
}

// halves doubles a row: three parts of the sample, one of the neighbour on that side.
func halves(dst, in []byte) {
	n := len(in)
	for i, v := range in {
		c := 3 * int32(v)
		dst[2*i] = byte((c + int32(in[max(i-1, 0)]) + 1) >> 2)
		dst[2*i+1] = byte((c + int32(in[min(i+1, n-1)]) + 2) >> 2)
	}
	dst[0], dst[2*n-1] = in[0], in[n-1]
}

// quarters doubles a row of sums of two rows (weights 3 and 1), so the four weights are 9, 3, 3, 1.
func (u *upsampler) quarters(dst []byte, sum []int32) {
	n := len(sum)
	for i, v := range sum {
		dst[2*i] = byte((3*v + sum[max(i-1, 0)] + u.left) >> 4)
		dst[2*i+1] = byte((3*v + sum[min(i+1, n-1)] + u.right) >> 4)
	}
}
