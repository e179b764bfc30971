package stimuli

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"cortexmap/internal/fault"
)

// format is a kind of picture file.
type format struct {
	header func(io.Reader) (image.Config, error)
	pixels func(io.Reader) (image.Image, error)
}

// formatOf is the reader for what sniff says.
func formatOf(kind string) (format, bool) {
	switch kind {
	case "jpeg":
		return format{jpeg.DecodeConfig, jpeg.Decode}, true
	case "png":
		return format{png.DecodeConfig, png.Decode}, true
	case "webp":
		return format{webp.DecodeConfig, webp.Decode}, true
	case "tiff":
		return format{tiff.DecodeConfig, tiff.Decode}, true
	case "bmp":
		return format{bmp.DecodeConfig, bmp.Decode}, true
	}
	return format{}, false
}

// sniff tells a picture's kind by its first bytes; names lie.
func sniff(data []byte) string {
	starts := func(s string) bool { return bytes.HasPrefix(data, []byte(s)) }
	switch {
	case starts("\xff\xd8\xff"):
		return "jpeg"
	case starts("\x89PNG\r\n\x1a\n"):
		return "png"
	case starts("RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		return "webp"
	case starts("II*\x00"), starts("MM\x00*"):
		return "tiff"
	case starts("BM"):
		return "bmp"
	case starts("GIF8"):
		return "gif"
	case len(data) >= 12 && string(data[4:8]) == "ftyp":
		return "avif or heic"
	case starts("version https://git-lfs"):
		return "pointer of Git LFS, not a picture"
	}
	return ""
}

// Decode reads an encoded picture as the package comment says, upright. maxPixels bounds its size; 0 means
// DefaultMaxPixels. A fault.Input without a place says what is wrong with it; the caller adds the name.
func Decode(data []byte, maxPixels int) (img *RGB, err error) {
	if maxPixels <= 0 {
		maxPixels = DefaultMaxPixels
	}
	kind := sniff(data)
	f, ok := formatOf(kind)
	if !ok {
		return nil, unknown(data, kind)
	}
	// The decoders are other people's, and the file may be anybody's.
	defer func() {
		if r := recover(); r != nil {
			img, err = nil, broken(kind, fmt.Errorf("%v", r))
		}
	}()
	c, err := f.header(bytes.NewReader(data))
	if err != nil {
		return nil, broken(kind, err)
	}
	if c.Width < 1 || c.Height < 1 {
		return nil, fault.Inputf("the picture has no pixels (%d x %d)", c.Width, c.Height)
	}
	if int64(c.Width)*int64(c.Height) > int64(maxPixels) {
		return nil, fault.Inputf("the picture has %d x %d pixels, the limit is %s", c.Width, c.Height, millions(maxPixels)).
			Remedy("shrink it; networks see a few hundred pixels a side")
	}
	m, err := f.pixels(bytes.NewReader(data))
	if err != nil && kind == "jpeg" && !endsAsJPEG(data) {
		err = io.ErrUnexpectedEOF // the decoder has a complaint of its own, about Huffman codes
	}
	if err != nil {
		return nil, broken(kind, err)
	}
	return upright(toRGB(m, kind), orientation(data)), nil
}

// endsAsJPEG says whether an end-of-image marker stands behind the last start-of-scan marker. Neither can be part of
// a scan's data.
func endsAsJPEG(data []byte) bool {
	return bytes.LastIndex(data, []byte{0xff, 0xd9}) > bytes.LastIndex(data, []byte{0xff, 0xda})
}

// uprightSize is a picture's width and height after its EXIF orientation, from the header alone.
func uprightSize(data []byte) (w, h int, err error) {
	defer func() {
		if r := recover(); r != nil {
			w, h, err = 0, 0, fmt.Errorf("%v", r)
		}
	}()
	f, ok := formatOf(sniff(data))
	if !ok {
		return 0, 0, errors.New("no picture")
	}
	c, err := f.header(bytes.NewReader(data))
	if err != nil {
		return 0, 0, err
	}
	if orientation(data) >= 5 {
		return c.Height, c.Width, nil
	}
	return c.Width, c.Height, nil
}

func unknown(data []byte, kind string) error {
	switch {
	case len(data) == 0:
		return fault.Inputf("the file is empty").Remedy("copy it again, or leave it out with --keep-going")
	case kind != "":
		return fault.Inputf("the file is a %s, which can't be read", kind).Remedy("convert it to PNG")
	}
	return fault.Inputf("the file is no picture: it begins with %q", data[:min(8, len(data))]).
		Remedy("readable are PNG, JPEG, WebP, TIFF and BMP")
}

// broken is the fault of a file that its decoder refuses.
func broken(kind string, err error) error {
	const short = png.FormatError("not enough pixel data")
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, short) {
		return fault.Inputf("the %s file is cut short: %w", kind, err).Remedy("copy it again, or leave it out with --keep-going")
	}
	return fault.Inputf("the %s file is damaged or of a rare kind: %w", kind, err).
		Remedy("copy it again, save it as PNG with a picture program, or leave it out with --keep-going")
}

// toRGB takes a decoded picture's colours; alpha is dropped, not composed.
func toRGB(m image.Image, kind string) *RGB {
	switch m := m.(type) {
	case *image.YCbCr:
		if kind == "webp" {
			return webpRGB(m)
		}
		return jpegRGB(m)
	case *image.NYCbCrA: // WebP with alpha
		return webpRGB(&m.YCbCr)
	case *image.Gray:
		return grayRGB(m)
	case *image.NRGBA:
		return quadsRGB(m.Pix, m.Stride, m.Rect)
	case *image.RGBA:
		if m.Opaque() {
			return quadsRGB(m.Pix, m.Stride, m.Rect)
		}
	case *image.Paletted:
		return palettedRGB(m)
	}
	return anyRGB(m)
}

func grayRGB(m *image.Gray) *RGB {
	out := NewRGB(m.Rect.Dx(), m.Rect.Dy())
	for y := range out.H {
		dst := out.Pix[3*y*out.W:]
		for x, v := range m.Pix[y*m.Stride:][:out.W] {
			dst[3*x], dst[3*x+1], dst[3*x+2] = v, v, v
		}
	}
	return out
}

// quadsRGB drops the fourth of every four bytes.
func quadsRGB(pix []byte, stride int, r image.Rectangle) *RGB {
	out := NewRGB(r.Dx(), r.Dy())
	dst := out.Pix
	for y := range out.H {
		for src := pix[y*stride:][:4*out.W]; len(src) >= 4; src = src[4:] {
			dst[0], dst[1], dst[2] = src[0], src[1], src[2]
			dst = dst[3:]
		}
	}
	return out
}

func palettedRGB(m *image.Paletted) *RGB {
	var table [256][3]byte // indices beyond the palette are black
	for i, c := range m.Palette {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		table[i] = [3]byte{n.R, n.G, n.B}
	}
	out := NewRGB(m.Rect.Dx(), m.Rect.Dy())
	for y := range out.H {
		dst := out.Pix[3*y*out.W:]
		for x, v := range m.Pix[y*m.Stride:][:out.W] {
			copy(dst[3*x:], table[v][:])
		}
	}
	return out
}

// anyRGB is for the rare ones: 16-bit samples, premultiplied alpha, CMYK.
func anyRGB(m image.Image) *RGB {
	r := m.Bounds()
	out := NewRGB(r.Dx(), r.Dy())
	dst := out.Pix
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c := color.NRGBA64Model.Convert(m.At(x, y)).(color.NRGBA64)
			dst[0], dst[1], dst[2] = eight(c.R), eight(c.G), eight(c.B)
			dst = dst[3:]
		}
	}
	return out
}

// eight rounds a 16-bit sample to 8 bits: v/257.
func eight(v uint16) byte { return byte((uint32(v) + 128) / 257) }
