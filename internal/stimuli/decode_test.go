package stimuli

import (
	"os"
	"path/filepath"
	"testing"

	"cortexmap/internal/fault"
)

// FuzzDecode: no file crashes the decoder or makes a picture beyond the limit; what the header says is what comes.
func FuzzDecode(f *testing.F) {
	files, err := os.ReadDir(filepath.Join(reference, "decode"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(reference, "decode", file.Name()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	const limit = 1 << 16
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := Decode(data, limit)
		if err != nil {
			if fault.ClassOf(err) != fault.Input {
				t.Fatalf("not the user's fault: %v", err)
			}
			return
		}
		if img.W*img.H > limit || len(img.Pix) != 3*img.W*img.H {
			t.Fatalf("%d x %d pixels in %d bytes", img.W, img.H, len(img.Pix))
		}
		if w, h, err := uprightSize(data); err != nil || w != img.W || h != img.H {
			t.Fatalf("the header says %d x %d (%v), the picture is %d x %d", w, h, err, img.W, img.H)
		}
	})
}

// A photograph of the demo and its nine windows, decoded, cut and resized to 224 x 224.
func BenchmarkDecodePhotograph(b *testing.B) {
	data, err := os.ReadFile("../../testdata/demo/photos/kodak_05.jpg")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Decode(data, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResize(b *testing.B) {
	img := NewRGB(180, 180)
	for i := range img.Pix {
		img.Pix[i] = byte(i * 7)
	}
	for _, k := range []Kernel{Bilinear, Bicubic, Lanczos} {
		b.Run(k.String(), func(b *testing.B) {
			for b.Loop() {
				Resize(img, 224, 224, k)
			}
		})
	}
}
