package stimuli

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const reference = "../../testdata/reference/stimuli"

// golden reads what testdata/reference/stimuli.py made with Pillow 13: pictures by name, without .ppm.
func golden(t testing.TB) map[string]*RGB {
	t.Helper()
	z, err := zip.OpenReader(filepath.Join(reference, "golden.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all := map[string]*RGB{}
	for _, f := range z.File {
		name, ok := strings.CutSuffix(f.Name, ".ppm")
		if !ok {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = parsePPM(t, data)
	}
	return all
}

func parsePPM(t testing.TB, data []byte) *RGB {
	header, pix, _ := bytes.Cut(data, []byte("\n"))
	var w, h int
	if _, err := fmt.Sscanf(string(header), "P6 %d %d 255", &w, &h); err != nil || len(pix) != 3*w*h {
		t.Fatalf("not the script's PPM: %q, %d bytes", header, len(pix))
	}
	return &RGB{W: w, H: h, Pix: pix}
}

// distance is the largest difference between two pictures, in levels; 256 if their sizes differ.
func distance(a, b *RGB) int {
	if a.W != b.W || a.H != b.H {
		return 256
	}
	most := 0
	for i := range a.Pix {
		d := int(a.Pix[i]) - int(b.Pix[i])
		most = max(most, d, -d)
	}
	return most
}

func TestDecodeAgreesWithPillow(t *testing.T) {
	want := golden(t)
	files, err := os.ReadDir(filepath.Join(reference, "decode"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		t.Run(f.Name(), func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(reference, "decode", f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(data, 0)
			if err != nil {
				t.Fatal(err)
			}
			// Only JPEG may differ: libjpeg-turbo and Go round the inverse cosine transform differently.
			allowed := 0
			if path.Ext(f.Name()) == ".jpg" {
				allowed = 3
			}
			w := want["decode/"+f.Name()]
			if d := distance(got, w); d > allowed {
				t.Errorf("%d levels from Pillow, %d allowed; sizes %dx%d, %dx%d", d, allowed, got.W, got.H, w.W, w.H)
			} else if testing.Verbose() {
				t.Logf("%d levels", d)
			}
			if w, h, err := uprightSize(data); err != nil || w != got.W || h != got.H {
				t.Errorf("the header says %d x %d (%v), the picture has %d x %d", w, h, err, got.W, got.H)
			}
		})
	}
}

// resizeCases calls do for each resized golden picture with its source.
func resizeCases(t *testing.T, do func(t *testing.T, src, want *RGB, k Kernel)) {
	all := golden(t)
	n := 0
	for name, want := range all {
		parts := strings.Split(strings.TrimPrefix(name, "resize/"), "_")
		if !strings.HasPrefix(name, "resize/") || len(parts) != 3 {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) {
			k, ok := ParseKernel(parts[1])
			if !ok {
				t.Fatalf("no kernel %q", parts[1])
			}
			do(t, all["resize/"+parts[0]], want, k)
		})
	}
	if n == 0 {
		t.Fatal("no golden pictures")
	}
}

func TestResizeIsPillows(t *testing.T) {
	resizeCases(t, func(t *testing.T, src, want *RGB, k Kernel) {
		if d := distance(Resize(src, want.W, want.H, k), want); d != 0 {
			t.Errorf("%d levels from Pillow 13", d)
		}
	})
}

func TestResizePartIsACropOfResize(t *testing.T) {
	resizeCases(t, func(t *testing.T, src, want *RGB, k Kernel) {
		for _, mirror := range []bool{false, true} {
			for _, part := range []Window{
				{W: want.W, H: want.H},
				{X: want.W / 3, Y: want.H / 4, W: (want.W + 1) / 2, H: (want.H + 1) / 2},
				{X: want.W - 1, Y: want.H - 1, W: 1, H: 1},
			} {
				part.Mirror = mirror
				got := ResizePart(src, want.W, want.H, part, k)
				if d := distance(got, Crop(want, part)); d != 0 {
					t.Errorf("part %+v: %d levels from the crop", part, d)
				}
			}
		}
	})
}
