package extract

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/stimuli"
	"cortexmap/models"
)

// goldenInputs reads what testdata/reference/preprocess.py made with Pillow 13 and numpy.
func goldenInputs(t *testing.T) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader("../testdata/reference/preprocess/golden.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if all[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func goldenPicture(t *testing.T, data []byte) *stimuli.RGB {
	t.Helper()
	header, pix, _ := bytes.Cut(data, []byte("\n"))
	img := &stimuli.RGB{Pix: pix}
	if _, err := fmt.Sscanf(string(header), "P6 %d %d 255", &img.W, &img.H); err != nil || len(pix) != 3*img.W*img.H {
		t.Fatalf("not the script's PPM: %q", header)
	}
	return img
}

func TestPreprocessIsPillowsAndNumpys(t *testing.T) {
	golden := goldenInputs(t)
	var cases struct {
		Cards    map[string]models.Card
		Pictures []string
	}
	if err := json.Unmarshal(golden["cases.json"], &cases); err != nil {
		t.Fatal(err)
	}
	for name, card := range cases.Cards {
		for _, picture := range cases.Pictures {
			t.Run(name+"_"+picture, func(t *testing.T) {
				img := goldenPicture(t, golden[picture+".ppm"])
				want := golden[name+"_"+picture+".f32"]
				h, w := card.Sides()
				got := make([]float32, 3*h*w)
				for i := range got {
					got[i] = float32(math.NaN()) // every value must be written
				}
				Preprocess(got, img, card)
				for i, v := range got {
					if w := math.Float32frombits(binary.LittleEndian.Uint32(want[4*i:])); v != w {
						t.Fatalf("value %d is %g, numpy has %g", i, v, w)
					}
				}
			})
		}
	}
}

func TestLiteStatisticsAreExact(t *testing.T) {
	c := models.Card{Scale: 255, Mean: [3]float64{127. / 255, 127. / 255, 127. / 255}, Std: [3]float64{128. / 255, 128. / 255, 128. / 255}}
	for _, table := range normalisation(c) {
		for v := range 256 {
			if want := (float32(v) - 127) / 128; table[v] != want {
				t.Fatalf("level %d becomes %g, not %g", v, table[v], want)
			}
		}
	}
}

func TestPreprocessBytes(t *testing.T) {
	img := &stimuli.RGB{W: 2, H: 1, Pix: []byte{1, 2, 3, 4, 5, 6}}
	for _, tc := range []struct {
		order, layout string
		want          []byte
	}{
		{"RGB", "NCHW", []byte{1, 4, 2, 5, 3, 6}},
		{"BGR", "NCHW", []byte{3, 6, 2, 5, 1, 4}},
		{"RGB", "NHWC", []byte{1, 2, 3, 4, 5, 6}},
		{"BGR", "NHWC", []byte{3, 2, 1, 6, 5, 4}},
	} {
		got := make([]byte, 6)
		PreprocessBytes(got, img, models.Card{Size: 1, Width: 2, Resize: "squash", CropRatio: 1, Kernel: "bilinear", Order: tc.order, Layout: tc.layout})
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s %s: %v, want %v", tc.order, tc.layout, got, tc.want)
		}
	}
}

func TestField(t *testing.T) {
	for _, tc := range []struct {
		name string
		w, h int
		card models.Card
		want Rect
	}{
		{"squash shows all", 400, 300, models.Card{Size: 224, Resize: "squash", CropRatio: 1}, Rect{0, 0, 400, 300}},
		{"crop shows the centre square", 400, 200, models.Card{Size: 100, Resize: "crop", CropRatio: 1}, Rect{100, 0, 200, 200}},
		{"crop ratio cuts a border", 256, 256, models.Card{Size: 224, Resize: "crop", CropRatio: 0.875}, Rect{16, 16, 224, 224}},
		{"pad reaches beyond", 200, 100, models.Card{Size: 50, Resize: "pad", CropRatio: 1}, Rect{0, 0, 200, 200}},
	} {
		if got := Field(tc.w, tc.h, tc.card); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestPaperCard(t *testing.T) {
	own := models.Card{Size: 240, Resize: "crop", CropRatio: 0.9, Kernel: "bicubic", Scale: 1, Mean: [3]float64{104, 117, 123}, Std: [3]float64{1, 1, 1},
		Order: "BGR", Layout: "NHWC", Source: "preset open_nsfw", From: map[string]string{"mean": "preset open_nsfw"}}
	paper := PaperCard(own)
	if paper.Size != 240 || paper.Layout != "NHWC" || paper.Resize != "squash" || paper.CropRatio != 1 || paper.Kernel != "bilinear" ||
		paper.Order != "RGB" || paper.Scale != 255 || paper.Mean != [3]float64{0.485, 0.456, 0.406} {
		t.Errorf("paper's card is %+v", paper)
	}
	if len(paper.Warnings) != 1 || !strings.Contains(paper.Warnings[0].Text, "BGR") {
		t.Errorf("warnings %v: want one that says what the network wanted", paper.Warnings)
	}
	if own.From["mean"] != "preset open_nsfw" || own.Warnings != nil {
		t.Error("the network's own card was changed")
	}
	if again := PaperCard(paper); len(again.Warnings) != 1 {
		t.Errorf("a card with ImageNet's statistics is warned about: %v", again.Warnings)
	}
}

// A window of a demo photograph: decoding (once for nine of them), cutting, resizing, normalising.
func BenchmarkWindow(b *testing.B) {
	photos, err := stimuli.Folder(b.Context(), os.DirFS("../testdata/demo/photos"), ".", stimuli.Options{})
	if err != nil {
		b.Fatal(err)
	}
	set, err := stimuli.Windows(photos, 0, 9)
	if err != nil {
		b.Fatal(err)
	}
	card, err := models.Find("demo:lite0", "", nil, models.Input{Name: "input", Dims: []int64{-1, 3, 224, 224}, DType: 1})
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]float32, 3*224*224)
	for i := 0; b.Loop(); i++ {
		img, err := set.Pixels(i % set.Len())
		if err != nil {
			b.Fatal(err)
		}
		Preprocess(dst, img, card)
	}
}

// TestSeen: what is shown is what the network is given, before values are normalised.
func TestSeen(t *testing.T) {
	img := stimuli.NewRGB(60, 40)
	for i := range img.Pix {
		img.Pix[i] = byte(31 * i)
	}
	for _, resize := range []string{"squash", "crop", "pad"} {
		c := models.Card{Size: 32, Width: 24, Resize: resize, CropRatio: 1, Kernel: "bicubic", Scale: 1, Std: [3]float64{1, 1, 1}, Order: "RGB", Layout: "NHWC"}
		seen, want := Seen(img, c), make([]float32, 3*32*24)
		Preprocess(want, img, c)
		if seen.W != 24 || seen.H != 32 {
			t.Fatalf("%s: %d × %d", resize, seen.W, seen.H)
		}
		for i, x := range want {
			if float32(seen.Pix[i]) != x {
				t.Fatalf("%s: number %d is %d, the network gets %v", resize, i, seen.Pix[i], x)
			}
		}
	}
}
