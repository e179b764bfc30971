package models

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
)

// What exporters leave beside a network. Hugging Face's hub keeps preprocessor_config.json in the repository's
// root, and .onnx files in a folder onnx/ below it; timm writes config.json with a pretrained_cfg.

const largestJSON = 1 << 20

// neighbours reads the JSON files beside the network at path that say how it wants its pictures, best first.
// A file that can't be understood is passed over, with a text for a warning.
func neighbours(path string) (found []source, problem string) {
	dirs := []string{filepath.Dir(path)}
	if abs, err := filepath.Abs(path); err == nil && filepath.Base(filepath.Dir(abs)) == "onnx" {
		dirs = append(dirs, filepath.Join(filepath.Dir(path), ".."))
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return nil, ""
	}
	for _, f := range []struct {
		file string
		read func([]byte) (says, error)
	}{{"preprocessor_config.json", fromHuggingFace}, {"config.json", fromTimm}} {
		for _, dir := range dirs {
			data, err := os.ReadFile(filepath.Join(dir, f.file))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			var s says
			if err == nil && len(data) > largestJSON {
				err = fmt.Errorf("%d bytes are too many", len(data))
			}
			if err == nil {
				s, err = f.read(data)
			}
			switch {
			case err == nil && (s.statistics() || s.Size > 0):
				found = append(found, source{f.file, s})
			case err != nil && !errors.Is(err, errNotOurs):
				problem = fmt.Sprintf("%s beside the network is not understood: %v", f.file, err)
			}
			break
		}
	}
	return found, problem
}

var errNotOurs = errors.New("it says nothing about pictures")

// side is a size in preprocessor_config.json: a number, or named edges.
type side struct {
	N             int `json:"-"`
	Height, Width int
	ShortestEdge  int `json:"shortest_edge"`
	LongestEdge   int `json:"longest_edge"`
}

func (s *side) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &s.N) == nil {
		return nil
	}
	var pair []int
	if json.Unmarshal(b, &pair) == nil && len(pair) == 2 {
		s.Height, s.Width = pair[0], pair[1]
		return nil
	}
	type plain side
	return json.Unmarshal(b, (*plain)(s))
}

// whole is the size as height and width, and whether it is a square's or shortest edge's single number.
func (s side) whole() (h, w int) {
	switch n := max(s.N, s.ShortestEdge); {
	case s.Height > 0 && s.Width > 0:
		return s.Height, s.Width
	default:
		return n, n
	}
}

// processor is the part of preprocessor_config.json that image processors share. Absent switches are on, except
// for the crop and the channels' order, as in transformers.
type processor struct {
	Size      *side     `json:"size"`
	CropSize  *side     `json:"crop_size"`
	CropPct   float64   `json:"crop_pct"`
	Resample  *int      `json:"resample"`
	Rescale   *bool     `json:"do_rescale"`
	Factor    float64   `json:"rescale_factor"`
	Offset    bool      `json:"rescale_offset"`
	Normalize *bool     `json:"do_normalize"`
	Mean      []float64 `json:"image_mean"`
	Std       []float64 `json:"image_std"`
	Crop      bool      `json:"do_center_crop"`
	Pad       bool      `json:"do_pad"`
	Flip      bool      `json:"do_flip_channel_order"`
}

// fromHuggingFace reads transformers' preprocessor_config.json.
func fromHuggingFace(data []byte) (says, error) {
	var p processor
	if err := json.Unmarshal(data, &p); err != nil {
		return says{}, err
	}
	if p.Size == nil && p.Mean == nil {
		return says{}, errNotOurs
	}
	s := says{Order: "RGB", Kernel: pillowKernel(p.Resample)}
	if p.Flip {
		s.Order = "BGR"
	}
	p.resize(&s)
	return s, p.statistics(&s)
}

// pillowKernel names the filter of a PIL.Image.Resampling number; "" where it has none of ours.
func pillowKernel(n *int) string {
	if n == nil {
		return ""
	}
	return map[int]string{0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}[*n]
}

// resize reads how pictures come to the input's size:
//
//	{height, width} or a number, no crop   squash
//	the same, crop_size                    squash to the size, then the centre; a number is the short edge
//	{shortest_edge}, crop_size             short edge, then the centre
//	{shortest_edge}, crop_pct              ConvNeXt's: short edge to size/crop_pct; squash from 384 on
//	{longest_edge}, do_pad                 pad (SAM)
func (p processor) resize(s *says) {
	if p.Size == nil {
		return
	}
	h, w := p.Size.whole()
	switch {
	case p.Size.LongestEdge > 0:
		s.Resize, s.Size = "pad", p.Size.LongestEdge
		return
	case h < 1 || h > 1<<14 || w < 1 || w > 1<<14:
		return
	}
	short := p.Size.ShortestEdge > 0 || p.Size.N > 0
	s.Size, s.Resize, s.Crop = h, "squash", 1
	if w != h {
		s.Width = w
	}
	switch {
	case p.CropPct > 0 && p.CropPct <= 1 && p.Size.Height == 0:
		if h < 384 {
			s.Resize, s.Crop = "crop", p.CropPct
		}
	case p.Crop:
		if short {
			s.Resize = "crop"
		}
		if p.CropSize != nil {
			if ch, cw := p.CropSize.whole(); ch > 0 && ch <= h {
				s.Size, s.Width, s.Crop = ch, 0, float64(ch)/float64(h)
				if cw != ch {
					s.Width = cw
				}
			}
		}
	case p.Size.ShortestEdge > 0:
		s.Resize = "crop"
	}
}

// statistics brings rescaling and normalisation into the form (level / 255 − mean) / std:
//
//	(level · f − o − m) / s = (level / 255 − (m + o) / 255f) / (s / 255f)
func (p processor) statistics(s *says) error {
	off := func(b *bool) bool { return b != nil && !*b }
	mean, std := p.Mean, p.Std
	if off(p.Normalize) {
		mean, std = []float64{0, 0, 0}, []float64{1, 1, 1}
	}
	if len(mean) != 3 || len(std) != 3 {
		s.Order = ""
		return nil
	}
	factor, offset := p.Factor, 0.0
	if factor == 0 {
		factor = 1. / 255
	}
	if off(p.Rescale) {
		factor = 1
	} else if p.Offset {
		offset = 1
	}
	scale := 255 * factor
	if math.Abs(scale-1) < 1e-6 { // 0.00392156862745098 is 1/255, rounded
		scale = 1
	}
	s.Scale = 255
	for i := range 3 {
		if !(std[i] > 0) || !(scale > 0) || math.IsInf(scale, 0) {
			return fmt.Errorf("image_std %v and rescale_factor %g must be above 0", std, factor)
		}
		s.Mean = append(s.Mean, (mean[i]+offset)/scale)
		s.Std = append(s.Std, std[i]/scale)
	}
	return nil
}

// pretrained is timm's pretrained_cfg, as its config.json and its models have it.
type pretrained struct {
	InputSize     []int     `json:"input_size"` // channels, height, width
	Interpolation string    `json:"interpolation"`
	CropPct       float64   `json:"crop_pct"`
	CropMode      string    `json:"crop_mode"`
	Mean          []float64 `json:"mean"`
	Std           []float64 `json:"std"`
}

// fromTimm reads timm's config.json, or a pretrained_cfg alone.
func fromTimm(data []byte) (says, error) {
	var file struct {
		pretrained
		Config *pretrained `json:"pretrained_cfg"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return says{}, errNotOurs // another program's config.json
	}
	p := file.pretrained
	if file.Config != nil {
		p = *file.Config
	}
	if len(p.Mean) != 3 || len(p.Std) != 3 || len(p.InputSize) != 3 {
		return says{}, errNotOurs
	}
	for i := range 3 {
		if !(p.Std[i] > 0) || p.InputSize[i] < 1 || p.InputSize[i] > 1<<14 {
			return says{}, fmt.Errorf("input_size %v and std %v make no sense", p.InputSize, p.Std)
		}
	}
	s := says{Size: p.InputSize[1], Mean: p.Mean, Std: p.Std, Scale: 255, Order: "RGB", Resize: "crop", Crop: 1}
	if p.InputSize[2] != p.InputSize[1] {
		s.Width = p.InputSize[2]
	}
	if p.CropPct > 0 && p.CropPct <= 1 {
		s.Crop = p.CropPct
	}
	if p.CropMode == "squash" {
		s.Resize = "squash"
	}
	switch p.Interpolation {
	case "bilinear", "bicubic", "lanczos", "nearest":
		s.Kernel = p.Interpolation
	}
	return s, nil
}
