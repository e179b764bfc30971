package models

import (
	"regexp"
	"slices"
	"strings"

	"cortexmap/internal/strictyaml"
)

// says is what one source says about a network; empty and nil where it says nothing. Its tags are the keys of a
// card file.
type says struct {
	Name    string `yaml:"name"`
	Family  string `yaml:"family"`
	Licence string `yaml:"licence"`
	Origin  string `yaml:"origin"`

	Base  string `yaml:"base"`
	Match string `yaml:"match"` // presets only, as is Last
	Last  bool   `yaml:"last"`

	Size   int     `yaml:"size"`
	Width  int     `yaml:"width"`
	Resize string  `yaml:"resize"`
	Crop   float64 `yaml:"crop"`
	Border int     `yaml:"border"`
	Kernel string  `yaml:"kernel"`

	Scale  float64   `yaml:"scale"`
	Mean   []float64 `yaml:"mean"`
	Std    []float64 `yaml:"std"`
	Order  string    `yaml:"order"`
	Layout string    `yaml:"layout"`

	Inputs map[string][]float64 `yaml:"inputs"`
	Layers []string             `yaml:"layers"`
}

// parseCard reads a card file strictly; name is what messages call it. Only presets may have match.
func parseCard(name string, data []byte, preset bool) (says, error) {
	doc, err := strictyaml.Parse(name, data)
	if err != nil {
		return says{}, err
	}
	var s says
	if err := doc.Decode(&s); err != nil {
		return says{}, err
	}
	return s, s.check(doc, preset)
}

// check refuses what no network can be shown; faults have the place in the file.
func (s *says) check(doc *strictyaml.Doc, preset bool) error {
	for _, c := range []struct {
		key  string
		bad  bool
		want string
	}{
		{"size", doc.Has("size") && (s.Size < 1 || s.Size > 1<<14), "1 to 16384 pixels"},
		{"width", doc.Has("width") && (s.Width < 1 || s.Width > 1<<14), "1 to 16384 pixels"},
		{"width", s.Width > 0 && s.Size == 0, "given beside size, the height"},
		{"crop", doc.Has("crop") && (s.Crop <= 0 || s.Crop > 1), "above 0, at most 1"},
		{"border", doc.Has("border") && (s.Border < 0 || s.Border > 1<<12), "0 to 4096 pixels"},
		{"border", s.Border > 0 && s.Crop > 0, "given without crop, which says the same"},
		{"resize", !oneOf(s.Resize, "squash", "crop", "pad"), "squash, crop or pad"},
		{"kernel", !oneOf(s.Kernel, "bilinear", "bicubic", "lanczos", "nearest"), "bilinear, bicubic, lanczos or nearest"},
		{"order", !oneOf(s.Order, "RGB", "BGR"), "RGB or BGR"},
		{"layout", !oneOf(s.Layout, "NCHW", "NHWC"), "NCHW or NHWC"},
		{"scale", doc.Has("scale") && s.Scale != 255 && s.Scale != 1, "255 (pixels become 0…1) or 1 (they stay 0…255)"},
		{"mean", s.Mean != nil && len(s.Mean) != 3, "3 numbers"},
		{"std", s.Std != nil && len(s.Std) != 3, "3 numbers"},
		{"std", slices.ContainsFunc(s.Std, func(v float64) bool { return v <= 0 }), "above 0"},
		{"mean", s.Mean != nil && s.Std == nil, "given together with std"},
		{"std", s.Std != nil && s.Mean == nil, "given together with mean"},
		{"scale", doc.Has("scale") && s.Mean == nil, "given together with mean and std"},
		{"order", s.Order != "" && s.Mean == nil, "given together with mean and std"},
		{"mean", s.Scale != 1 && slices.ContainsFunc(s.Mean, func(v float64) bool { return v > 2 }), "in units of scale, which is 255 unless `scale: 1` is written"},
		{"match", doc.Has("match") != preset, "a key of presets, and of them only"},
		{"last", doc.Has("last") && !preset, "a key of presets only"},
	} {
		if c.bad {
			return doc.Fault(c.key, "it must be %s", c.want)
		}
	}
	if _, err := regexp.Compile(s.Match); err != nil {
		return doc.Fault("match", "%v", err)
	}
	return nil
}

func oneOf(v string, valid ...string) bool { return v == "" || slices.Contains(valid, v) }

// statistics says whether the source gives them.
func (s *says) statistics() bool { return len(s.Mean) == 3 && len(s.Std) == 3 }

// stem is a path's file name without folders and ending, in lower case.
func stem(path string) string {
	name := path[strings.LastIndexAny(path, `/\:`)+1:]
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		name = name[:dot]
	}
	return strings.ToLower(name)
}
