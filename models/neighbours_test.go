package models

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// Files as transformers and timm write them; what they mean was read in those libraries' processors.
func TestNeighbours(t *testing.T) {
	const clip = `"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]`
	for _, c := range []struct {
		name, file, json string
		resize, kernel   string
		size             int
		crop             float64
		mean, std        float64 // of the first channel
		order, source    string
	}{
		{"CLIP, old", "preprocessor_config.json", `{"crop_size": 224, "do_center_crop": true, "do_normalize": true, "do_resize": true, "feature_extractor_type": "CLIPFeatureExtractor", ` + clip + `, "resample": 3, "size": 224}`,
			"crop", "bicubic", 224, 1, 0.48145466, 0.26862954, "RGB", "preprocessor_config.json"},
		{"CLIP", "preprocessor_config.json", `{"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, ` + clip + `, "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 224}}`,
			"crop", "bicubic", 224, 1, 0.48145466, 0.26862954, "RGB", "preprocessor_config.json"},
		{"DINOv2", "preprocessor_config.json", `{"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": {"shortest_edge": 256}}`,
			"crop", "bicubic", 224, 224. / 256, 0.485, 0.229, "RGB", "preprocessor_config.json"},
		{"ViT, SigLIP", "preprocessor_config.json", `{"do_normalize": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 2, "size": {"height": 224, "width": 224}}`,
			"squash", "bilinear", 224, 1, 0.5, 0.5, "RGB", "preprocessor_config.json"},
		{"ViT, old", "preprocessor_config.json", `{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 2, "size": 224}`,
			"squash", "bilinear", 224, 1, 0.5, 0.5, "RGB", "preprocessor_config.json"},
		{"ConvNeXt", "preprocessor_config.json", `{"crop_pct": 0.875, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": {"shortest_edge": 224}}`,
			"crop", "bicubic", 224, 0.875, 0.485, 0.229, "RGB", "preprocessor_config.json"},
		{"ConvNeXt 384", "preprocessor_config.json", `{"crop_pct": 1.0, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": {"shortest_edge": 384}}`,
			"squash", "bicubic", 224, 1, 0.485, 0.229, "RGB", "preprocessor_config.json"},
		{"EfficientNet: -1 to 1, then statistics", "preprocessor_config.json", `{"image_mean": [0.485, 0.456, 0.406], "image_std": [0.5, 0.5, 0.5], "rescale_factor": 0.00784313725490196, "rescale_offset": true, "resample": 0, "size": {"height": 224, "width": 224}}`,
			"squash", "nearest", 224, 1, 1.485 / 2, 0.25, "RGB", "preprocessor_config.json"},
		{"MobileViT: no normalisation, BGR", "preprocessor_config.json", `{"crop_size": {"height": 256, "width": 256}, "do_center_crop": true, "do_flip_channel_order": true, "do_normalize": false, "size": {"shortest_edge": 288}}`,
			"crop", "bilinear", 224, 256. / 288, 0, 1, "BGR", "preprocessor_config.json"},
		{"SAM", "preprocessor_config.json", `{"do_pad": true, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "pad_size": {"height": 1024, "width": 1024}, "resample": 2, "size": {"longest_edge": 1024}}`,
			"pad", "bilinear", 224, 1, 0.485, 0.229, "RGB", "preprocessor_config.json"},
		{"timm", "config.json", `{"architecture": "vit_base_patch16_224", "num_classes": 1000, "pretrained_cfg": {"input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}`,
			"crop", "bicubic", 224, 0.9, 0.5, 0.5, "RGB", "config.json"},
		{"timm's squash", "config.json", `{"input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "squash", "mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]}`,
			"squash", "bicubic", 224, 1, 0.48, 0.27, "RGB", "config.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "onnx"), 0o777); err != nil {
				t.Fatal(err)
			}
			put(t, dir, c.file, c.json)
			for _, model := range []string{put(t, dir, "net.onnx", ""), put(t, filepath.Join(dir, "onnx"), "model.onnx", "")} {
				card, err := Find(model, "", nil, input)
				if err != nil {
					t.Fatal(err)
				}
				near := func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
				if card.Resize != c.resize || card.Kernel != c.kernel || card.Size != c.size || !near(card.CropRatio, c.crop) ||
					!near(card.Mean[0], c.mean) || !near(card.Std[0], c.std) || card.Order != c.order || card.Scale != 255 || card.Source != c.source {
					t.Errorf("%+v", card)
				}
			}
		})
	}
}

// Another program's files say nothing, damaged ones a warning; a card and metadata come first.
func TestNeighboursThatSayNothing(t *testing.T) {
	for text, want := range map[string]int{
		`{"model_type": "clip"}`: 0, `[1, 2]`: 1, `{"size"`: 1, `{"image_mean": [1, 1, 1], "image_std": [0, 1, 1]}`: 1,
		`{"size": {"height": -5, "width": 3}}`: 0, `{"size": {"shortest_edge": 1e300}}`: 1,
	} {
		dir := t.TempDir()
		put(t, dir, "preprocessor_config.json", text)
		put(t, dir, "config.json", `{"hidden_size": 768}`)
		c, err := Find(put(t, dir, "resnet50.onnx", ""), "", nil, input)
		if err != nil || len(c.Warnings) != want || c.Source != "preset imagenet-torchvision" {
			t.Errorf("%s: source %q, warnings %v, %v", text, c.Source, c.Warnings, err)
		}
	}
	dir := t.TempDir()
	put(t, dir, "preprocessor_config.json", `{"image_mean": [0.1, 0.1, 0.1], "image_std": [1, 1, 1], "size": 224}`)
	model := put(t, dir, "net.onnx", "")
	if c, err := Find(model, "", lite, input); err != nil || c.Source != inMetadata || c.From["resize"] != "preprocessor_config.json" {
		t.Errorf("metadata: source %q, resize from %q, %v", c.Source, c.From["resize"], err)
	}
	put(t, dir, "net.yaml", "mean: [0.2, 0.2, 0.2]\nstd: [1, 1, 1]\n")
	if c, err := Find(model, "", lite, input); err != nil || c.Source != beside {
		t.Errorf("a card: source %q, %v", c.Source, err)
	}
}

// Whatever the files hold, a card that comes of them is one that a network can be shown pictures with.
func FuzzNeighbours(f *testing.F) {
	f.Add([]byte(`{"size": {"shortest_edge": 224}, "crop_size": 7, "do_center_crop": true, "image_mean": [1,1,1], "image_std": [1,1,1], "rescale_factor": 2}`))
	f.Add([]byte(`{"pretrained_cfg": {"input_size": [3, 1, 2], "crop_pct": 0.5, "mean": [0,0,0], "std": [1,1,1]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func([]byte) (says, error){fromHuggingFace, fromTimm} {
			s, err := read(data)
			if err != nil {
				continue
			}
			if s.Size < 0 || s.Size > 1<<14 || s.Width < 0 || s.Width > 1<<14 || s.Crop < 0 || s.Crop > 1 || s.statistics() && !(s.Std[0] > 0) {
				t.Errorf("%s makes %+v", data, s)
			}
		}
	})
}
