package models

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/fault"
)

var (
	lite = map[string]string{"input.layout": "NCHW RGB", "input.scale": "0..1", "input.mean": "0.49803922,0.49803922,0.49803922",
		"input.std": "0.50196078,0.50196078,0.50196078", "input.size": "224"}
	input = Input{Name: "input", Dims: []int64{-1, 3, 224, 224}, DType: 1}
)

// put writes a file into a fresh folder and returns its path.
func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return p
}

func ids(c Card) []string {
	var list []string
	for _, w := range c.Warnings {
		list = append(list, w.ID)
	}
	return list
}

func TestMetadataThenPreset(t *testing.T) {
	c, err := Find("demo:lite0", "", lite, input)
	if err != nil {
		t.Fatal(err)
	}
	if c.Mean != [3]float64{127. / 255, 127. / 255, 127. / 255} || c.Std != [3]float64{128. / 255, 128. / 255, 128. / 255} || c.Scale != 255 {
		t.Errorf("statistics %v %v %v are not (level - 127)/128", c.Mean, c.Std, c.Scale)
	}
	if c.Resize != "crop" || c.Kernel != "bicubic" || c.CropRatio != 224./256 || c.Name != "lite0" || c.Family != "efficientnet-lite" {
		t.Errorf("card %+v", c)
	}
	want := map[string]string{"size": "the graph", "layout": "the graph", "mean": "metadata", "order": "metadata", "kernel": "preset efficientnet-lite",
		"crop": "preset efficientnet-lite", "name": "the file's name"}
	for key, from := range want {
		if c.From[key] != from {
			t.Errorf("%s comes from %q, want %q", key, c.From[key], from)
		}
	}
	if c.Source != "metadata" || len(c.Warnings) != 0 {
		t.Errorf("source %q, warnings %v", c.Source, c.Warnings)
	}
	c, err = Find("lite2.onnx", "", nil, Input{Name: "x", Dims: []int64{0, 3, 260, 260}})
	if err != nil || c.CropRatio != 260./292 || c.Size != 260 {
		t.Errorf("lite2 keeps %v of %d (%v), want 260/292 of 260", c.CropRatio, c.Size, err)
	}
}

func TestPresets(t *testing.T) {
	for file, want := range map[string]string{
		"efficientnet_lite3.onnx": "efficientnet-lite", "lite0_rot4.onnx": "efficientnet-lite", "resnet50.onnx": "imagenet-torchvision",
		"vit_b_16.onnx": "imagenet-torchvision", "CLIP-ViT-B-16.onnx": "clip", "nets/clip_resnet50.onnx": "clip", "open_clip_vitb16.onnx": "clip",
		"siglip2-base.onnx": "siglip", "dinov2_vits14_reg4.onnx": "dinov2", "mae_vit_base.onnx": "mae", "sam_vit_b_01ec64.onnx": "sam",
		"opennsfw_resnet50thin.onnx": "open_nsfw", "vgg16_hed.onnx": "vgg-caffe", "vgg16.onnx": "imagenet-torchvision",
		"beit_base_patch16_224.onnx": "beit", "beitv2_base_patch16_224.onnx": "", "vit_base_patch16_224.onnx": "vit-augreg", "vit_base_patch16_clip_224.onnx": "clip",
		"vit-base-patch16-224/onnx/model.onnx": "vit-augreg", "vit_small_patch16_dinov3.onnx": "dinov3", "eva02_small_patch14_336.onnx": "eva02",
		"hub/clip-vit-base-patch16/onnx/model.onnx": "clip", "clip-vit-base-patch16/vision_model.onnx": "clip",
		"model.onnx": "", "sample.onnx": "", "eclipse.onnx": "", "maestro.onnx": "", "mobileclip.onnx": "",
	} {
		c, err := Find(file, "", nil, Input{Name: "x", Dims: []int64{-1, -1, -1, -1}})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		from, warnings := "preset "+want, []string(nil)
		if want == "" {
			from, warnings = "guess", []string{"guess-preprocessing"}
		}
		if c.Source != from || !slices.Equal(ids(c), warnings) {
			t.Errorf("%s: statistics from %q, warnings %v; want %q, %v", file, c.Source, ids(c), from, warnings)
		}
	}
	all, err := Presets()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		for key, from := range c.From {
			if from == "guess" && key != "layout" {
				t.Errorf("preset %s does not say %s", c.Name, key)
			}
		}
		if c.Licence == "" || c.Origin == "" || c.Family == "" || c.Name == "" {
			t.Errorf("preset %s lacks licence, origin, family or name", c.Name)
		}
	}
}

func TestCardFiles(t *testing.T) {
	dir := t.TempDir()
	model := put(t, dir, "net.onnx", "")
	put(t, dir, "net.yaml", "mean: [0.1, 0.2, 0.3]\nstd: [1, 1, 1]\nkernel: lanczos\nfamily: mine\n")
	card := put(t, dir, "given.yaml", "name: my net\nbase: siglip\nmean: [104, 117, 123]\nstd: [1, 1, 1]\nscale: 1\norder: BGR\ninputs: {t: [1]}\nlayers: [blocks]\n")

	c, err := Find(model, "", lite, input)
	if err != nil {
		t.Fatal(err)
	}
	if c.Mean != [3]float64{0.1, 0.2, 0.3} || c.Order != "RGB" || c.Scale != 255 || c.Kernel != "lanczos" || c.Source != beside || c.Name != "net" {
		t.Errorf("beside the file: %+v", c)
	}
	if want := []string{"guess-resize"}; !slices.Equal(ids(c), want) {
		t.Errorf("warnings %v, want %v", ids(c), want)
	}

	c, err = Find(model, card, lite, input)
	if err != nil {
		t.Fatal(err)
	}
	if c.Mean != [3]float64{104, 117, 123} || c.Order != "BGR" || c.Scale != 1 || c.Source != explicit || c.Name != "my net" {
		t.Errorf("the card given: %+v", c)
	}
	if c.Resize != "squash" || c.CropRatio != 1 || c.Kernel != "bicubic" || c.From["resize"] != "preset siglip" || c.Family != "siglip" {
		t.Errorf("its base: %+v", c)
	}
	if c.Inputs["t"][0] != 1 || c.Layers[0] != "blocks" || len(c.Warnings) != 0 {
		t.Errorf("inputs %v, layers %v, warnings %v", c.Inputs, c.Layers, c.Warnings)
	}
}

func TestSquashMeansTheWholePicture(t *testing.T) {
	card := put(t, t.TempDir(), "c.yaml", "resize: squash\n")
	c, err := Find("resnet50.onnx", card, nil, input)
	if err != nil || c.CropRatio != 1 {
		t.Errorf("keeps %v of each side (%v): the preset's crop is not for squashed pictures", c.CropRatio, err)
	}
}

func TestContradictions(t *testing.T) {
	dir := t.TempDir()
	size := put(t, dir, "size.yaml", "base: clip\nsize: 336\n")
	layout := put(t, dir, "layout.yaml", "base: clip\nlayout: NHWC\n")
	for _, tc := range []struct {
		name     string
		card     string
		meta     map[string]string
		in       Input
		warnings []string
		size     int
		layout   string
	}{
		{"a card's size", size, nil, input, []string{"size-contradicted"}, 224, "NCHW"},
		{"a card's size, free graph", size, nil, Input{Dims: []int64{-1, 3, -1, -1}}, nil, 336, "NCHW"},
		{"a card's layout, free graph", layout, nil, Input{Dims: []int64{-1, -1, -1, -1}}, nil, 224, "NHWC"},
		{"metadata's size", "", lite, Input{Dims: []int64{1, 240, 240, 3}, DType: 1}, []string{"size-contradicted"}, 240, "NHWC"},
		{"metadata that can't be read", "", map[string]string{"input.mean": "nought", "input.size": "big", "input.layout": "HWC"}, input, []string{"metadata-not-understood"}, 224, "NCHW"},
		{"metadata without std", "", map[string]string{"input.mean": "1,1,1"}, input, []string{"metadata-not-understood"}, 224, "NCHW"},
		{"a uint8 input", size, nil, Input{Dims: []int64{-1, 336, 336, 3}, DType: 2}, nil, 336, "NHWC"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Find("lite0.onnx", tc.card, tc.meta, tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(ids(c), tc.warnings) || c.Size != tc.size || c.Layout != tc.layout {
				t.Errorf("warnings %v, size %d, layout %s; want %v, %d, %s", c.Warnings, c.Size, c.Layout, tc.warnings, tc.size, tc.layout)
			}
		})
	}
	if c, err := Find("x.onnx", put(t, dir, "u.yaml", "mean: [0, 0, 0]\nstd: [1, 1, 1]\n"), nil, Input{Dims: []int64{1, 8, 4, 3}, DType: 2}); err != nil ||
		!slices.Contains(ids(c), "statistics-unused") || c.Scale != 1 || c.Size != 8 || c.Width != 4 {
		t.Errorf("bytes with a card's statistics: %+v, %v", c, err)
	}
	if _, err := Find("x.onnx", layout, nil, input); fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "NHWC") {
		t.Errorf("a card's layout against the graph's: %v", err)
	}
}

func TestRefusedInputs(t *testing.T) {
	for _, in := range []Input{
		{Dims: []int64{-1, 77}}, {Dims: []int64{-1, 1, 28, 28}}, {Dims: []int64{-1, 4, 64, 64}},
		{Dims: []int64{-1, 3, 224, 224}, DType: 7}, {Dims: []int64{1, 3, 1 << 20, 1 << 20}},
	} {
		in.Name = "tokens"
		if _, err := Find("x.onnx", "", nil, in); fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "tokens") {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

func TestCardFaults(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"":                                      "",
		"kernal: bicubic":                       "did you mean kernel",
		"kernel: cubic":                         "c.yaml:1:9",
		"resize: squish":                        "squash, crop or pad",
		"size: 0":                               "1 to 16384",
		"width: 5":                              "beside size",
		"crop: 1.5":                             "at most 1",
		"crop: 0.9\nborder: 32":                 "without crop",
		"mean: [1, 2]\nstd: [1]":                "3 numbers",
		"mean: [1, 1, 1]":                       "together with std",
		"order: BGR":                            "together with mean",
		"match: x":                              "presets",
		"base: clipp":                           "did you mean clip?",
		"layout: CHW":                           "NCHW or NHWC",
		"scale: 2":                              "255",
		"std: [1, 0, 1]":                        "above 0",
		"inputs: {t: 1}":                        "c.yaml:1",
		"a: [":                                  "c.yaml",
		"mean: [104, 117, 123]\nstd: [1, 1, 1]": "scale: 1",
	} {
		_, err := Find("x.onnx", put(t, dir, "c.yaml", text), nil, input)
		if want == "" && err == nil {
			continue
		}
		if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Find("x.onnx", filepath.Join(dir, "none.yaml"), nil, input); fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "no such card") {
		t.Errorf("no card: %v", err)
	}
}

func TestUnrounded(t *testing.T) {
	blue := 123.68 // a variable: constants divide exactly, float64 does not
	for text, want := range map[string]float64{
		"0.49803922": 127. / 255, "0.48501961": blue / 255, "0.00392157": 1. / 255, // as get-models.py writes them
		"0.48145466": 0.48145466, "0.485": 0.485, "0.5": 0.5, "1": 1, // CLIP's and short ones are what they are
	} {
		got, ok := threeNumbers(text+", "+text+","+text, 255)
		if !ok || got[0] != want || got[2] != want {
			t.Errorf("%s is read as %v, want %v", text, got, want)
		}
	}
	if got, _ := threeNumbers("0.49803922,0,0", 1); got[0] != 0.49803922 {
		t.Errorf("levels are read as %v", got[0])
	}
}

// FuzzCard: no card file and no metadata crash Find, and what comes out can be shown to a network.
func FuzzCard(f *testing.F) {
	files, err := cards.ReadDir("cards")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := cards.ReadFile("cards/" + file.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "NCHW", "0..1", "1,2,3", "4,5,6", "7")
	}
	f.Fuzz(func(t *testing.T, card []byte, layout, scale, mean, std, size string) {
		given, err := parseCard("c.yaml", card, false)
		if err != nil {
			if fault.ClassOf(err) != fault.Input {
				t.Fatalf("not the user's fault: %v", err)
			}
			given = says{}
		}
		meta, _ := fromMetadata(map[string]string{"input.layout": layout, "input.scale": scale, "input.mean": mean, "input.std": std, "input.size": size})
		c := merge([]source{{explicit, given}, {inMetadata, meta}, guess})
		h, w := c.Sides()
		if h < 1 || w < 1 || !(c.CropRatio > 0 && c.CropRatio <= 1) || c.Scale != 1 && c.Scale != 255 || slices.Min(c.Std[:]) <= 0 || c.Kernel == "" || c.Resize == "" {
			t.Fatalf("card %+v", c)
		}
		if keys := slices.Sorted(maps.Keys(c.From)); !slices.Contains(keys, "mean") {
			t.Fatalf("sources %v", c.From)
		}
	})
}
