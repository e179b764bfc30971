// Package imagetest compares pictures with golden ones in tests.
//
// Two pictures of one size are alike when the share of pixels that differ by more than Level in any of red, green and
// blue is at most Share. Rounding differs between processors (fused multiply and add) and between versions of a
// browser: it moves edges by fractions of a pixel, which changes a few pixels of an edge a lot and all others by a
// level or two. A mirrored hemisphere or another colour map changes most of what is coloured.
package imagetest

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/draw"
)

// Tolerance says when two pictures are alike.
type Tolerance struct {
	Level int     // of 255, in any of red, green and blue
	Share float64 // of the pixels, 0..1
}

// Off is the share of pixels that differ by more than level; 1 if the sizes differ.
func Off(a, b image.Image, level int) float64 {
	size := a.Bounds().Size()
	if size != b.Bounds().Size() {
		return 1
	}
	far, p, q := 0, rgba(a), rgba(b)
	for i := 0; i < len(p.Pix); i += 4 {
		for k := range 3 {
			if d := int(p.Pix[i+k]) - int(q.Pix[i+k]); d > level || d < -level {
				far++
				break
			}
		}
	}
	return float64(far) / float64(max(1, size.X*size.Y))
}

func rgba(img image.Image) *image.RGBA {
	out := image.NewRGBA(image.Rectangle{Max: img.Bounds().Size()})
	draw.Draw(out, out.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(out, out.Bounds(), img, img.Bounds().Min, draw.Over)
	return out
}

// Golden holds a picture against the PNG at path; UPDATE_GOLDEN=1 writes it anew. What differs is left beside the
// test's other output, so that it can be looked at.
func Golden(t *testing.T, path string, got image.Image, tolerance Tolerance) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, encode(t, got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want := Read(t, path)
	off := Off(want, got, tolerance.Level)
	if off <= tolerance.Share {
		return
	}
	left := filepath.Join(os.TempDir(), "not-"+filepath.Base(path))
	if err := os.WriteFile(left, encode(t, got), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Errorf("%s: %.2f %% of %v pixels differ by more than %d of 255 from the golden %v (%.2f %% may). What was drawn: %s. If it is meant so, UPDATE_GOLDEN=1 writes the golden anew",
		filepath.Base(path), 100*off, got.Bounds().Size(), tolerance.Level, want.Bounds().Size(), 100*tolerance.Share, left)
}

// Read decodes a PNG file.
func Read(t *testing.T, path string) image.Image {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return img
}

// Shrink is a picture with a fraction of its pixels along each side, averaged over what each covers.
func Shrink(img image.Image, scale float64) image.Image {
	size := img.Bounds().Size()
	out := image.NewRGBA(image.Rect(0, 0, int(float64(size.X)*scale), int(float64(size.Y)*scale)))
	draw.BiLinear.Scale(out, out.Bounds(), img, img.Bounds(), draw.Src, nil)
	return out
}

func encode(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestCompression}
	if err := e.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
