package stimuli

import (
	"bytes"
	"encoding/binary"
)

// orientation is the EXIF orientation of an encoded picture, 1 to 8; 1 (upright) where there is none, or none
// that can be understood.
//
// EXIF is a small TIFF file (TIFF 6.0, section 2) of which tag 0x0112 of the first directory is wanted. It lies in
// a JPEG's APP1 segment, a PNG's eXIf chunk, a WebP's EXIF chunk; a TIFF is one itself. Our own, because the
// library we keep for pictures inflates embedded colour profiles without a limit and allocates whatever a chunk
// says its length is; nothing is allocated here.
func orientation(data []byte) int {
	if o := tiffOrientation(exifBlock(data)); o >= 1 && o <= 8 {
		return o
	}
	return 1
}

// exifBlock is the TIFF structure that holds a picture's EXIF tags, nil if there is none.
func exifBlock(data []byte) []byte {
	var block []byte
	switch sniff(data) {
	case "jpeg":
		block = jpegEXIF(data)
	case "png":
		block = chunk(data[8:], "eXIf", binary.BigEndian, 4, 8, 4, 1)
	case "webp":
		block = chunk(data[12:], "EXIF", binary.LittleEndian, 0, 8, 0, 2)
	case "tiff":
		block = data
	}
	return bytes.TrimPrefix(block, []byte("Exif\x00\x00"))
}

// jpegEXIF finds the APP1 segment that begins with "Exif", before the first scan.
func jpegEXIF(data []byte) []byte {
	for p := data[2:]; len(p) >= 4 && p[0] == 0xff; {
		if p[1] == 0xff { // fill bytes before a marker
			p = p[1:]
			continue
		}
		length := int(binary.BigEndian.Uint16(p[2:])) + 2
		if p[1] == 0xda || length < 4 || length > len(p) {
			return nil
		}
		if p[1] == 0xe1 && bytes.HasPrefix(p[4:length], []byte("Exif\x00\x00")) {
			return p[4:length]
		}
		p = p[length:]
	}
	return nil
}

// chunk finds the first chunk of a kind. In a chunk the kind's 4 letters lie at nameAt, the payload's length in
// the other 4 of the first 8 bytes, the payload at 8, then trailer bytes; chunks are padded to a multiple of pad.
func chunk(p []byte, kind string, order binary.ByteOrder, nameAt, payloadAt, trailer, pad int) []byte {
	for len(p) >= payloadAt {
		length := int64(order.Uint32(p[4-nameAt:]))
		if length > int64(len(p)-payloadAt) {
			return nil
		}
		payload := p[payloadAt:][:length]
		if string(p[nameAt:nameAt+4]) == kind {
			return payload
		}
		end := payloadAt + int(length) + trailer
		end += (pad - end%pad) % pad
		p = p[min(end, len(p)):]
	}
	return nil
}

// tiffOrientation is tag 0x0112 of a TIFF structure's first directory; 0 if it is missing or broken.
func tiffOrientation(b []byte) int {
	if len(b) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	if string(b[:2]) == "MM" {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(b[4:]))
	if at > int64(len(b)-2) {
		return 0
	}
	entries := b[at+2:]
	for range order.Uint16(b[at:]) {
		if len(entries) < 12 {
			return 0
		}
		const short = 3
		if order.Uint16(entries) == 0x0112 && order.Uint16(entries[2:]) == short {
			return int(order.Uint16(entries[8:]))
		}
		entries = entries[12:]
	}
	return 0
}

// upright turns a picture by its EXIF orientation. With (x, y) in the result: 2 mirrored, 3 turned by 180°,
// 4 upside down mirrored, 5 transposed, 6 to be turned clockwise, 7 transposed over the other diagonal, 8 to be
// turned counter-clockwise.
func upright(img *RGB, o int) *RGB {
	if o == 1 {
		return img
	}
	out := NewRGB(img.W, img.H)
	if o >= 5 {
		out = NewRGB(img.H, img.W)
	}
	dst := out.Pix
	for y := range out.H {
		for x := range out.W {
			i := 3 * sourcePixel(x, y, img.W, img.H, o)
			copy(dst[:3], img.Pix[i:i+3])
			dst = dst[3:]
		}
	}
	return out
}

// sourcePixel is the place, in a stored picture of w x h pixels, of pixel (x, y) of the upright one.
func sourcePixel(x, y, w, h, o int) int {
	if o >= 5 {
		x, y = y, x
	}
	switch o {
	case 2, 8:
		x = w - 1 - x
	case 3, 7:
		x, y = w-1-x, h-1-y
	case 4, 6:
		y = h - 1 - y
	}
	return y*w + x
}
