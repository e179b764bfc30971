package models

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"cortexmap/internal/fault"
)

// source is something that says what a network wants, with the words that From and messages use for it.
type source struct {
	name string
	says says
}

const (
	theGraph   = "the graph"
	explicit   = "the card given"
	beside     = "the card beside the file"
	inMetadata = "metadata"
	guessed    = "guess"
)

// guess is what most networks of the last ten years were trained with.
var guess = source{guessed, says{
	Size: 224, Resize: "crop", Crop: 0.875, Kernel: "bilinear", Layout: "NCHW",
	Scale: 255, Mean: []float64{0.485, 0.456, 0.406}, Std: []float64{0.229, 0.224, 0.225}, Order: "RGB",
}}

// Find makes the card of the network at path, each field from the first source that gives it: the package comment
// has the order. card is the card file that the user named, "" for none; meta the file's metadata; in its picture
// input. For an embedded network path is any name that is no file, such as demo:lite0.
//
// A card file that can't be read or that contradicts the graph's layout is a fault, as is an input that takes no
// pictures. What is taken against another source's word, and what is guessed, is in Warnings.
func Find(path, card string, meta map[string]string, in Input) (Card, error) {
	graph, err := fromInput(in)
	if err != nil {
		return Card{}, err
	}
	presets, err := readPresets()
	if err != nil {
		return Card{}, err
	}
	files, err := cardFiles(path, card, presets)
	if err != nil {
		return Card{}, err
	}
	metadata, problem := fromMetadata(meta)
	sources := append([]source{{theGraph, graph}}, files...)
	sources = append(sources, source{inMetadata, metadata})
	near, unread := neighbours(path)
	sources = append(sources, near...)
	if p, ok := recognise(nameOf(path), presets); ok {
		sources = append(sources, source{"preset " + p.name, p.says})
	}
	c := merge(append(sources, guess))
	if c.From["name"] != explicit && c.From["name"] != beside { // a preset's name is its family's
		c.Name, c.From["name"] = stem(path), "the file's name"
	}
	if problem != "" {
		c.warn("metadata-not-understood", problem)
	}
	if unread != "" {
		c.warn("neighbour-not-understood", unread)
	}
	return c, c.compare(sources, in)
}

// cardFiles are the card named by the user and the one beside the network, each followed by its base.
func cardFiles(path, card string, presets []preset) ([]source, error) {
	var out []source
	for _, f := range []struct{ name, path string }{{explicit, card}, {beside, besideOf(path)}} {
		if f.path == "" {
			continue
		}
		data, err := os.ReadFile(f.path)
		if err != nil {
			return nil, unreadable(err, f.path)
		}
		s, err := parseCard(f.path, data, false)
		if err != nil {
			return nil, err
		}
		out = append(out, source{f.name, s})
		if s.Base == "" {
			continue
		}
		base, err := presetNamed(s.Base, presets)
		if missing := (*fault.Error)(nil); errors.As(err, &missing) {
			return nil, missing.In("%s: base: %s", f.path, s.Base)
		}
		out = append(out, source{"preset " + s.Base, base})
	}
	return out, nil
}

// besideOf is MODEL.yaml of MODEL.onnx if both are files, else "".
func besideOf(path string) string {
	card := strings.TrimSuffix(path, filepath.Ext(path)) + ".yaml"
	for _, p := range []string{path, card} {
		if info, err := os.Stat(p); err != nil || info.IsDir() {
			return ""
		}
	}
	return card
}

func unreadable(err error, path string) error {
	class, what := fault.Input, "the card can't be read: %w"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.Inputf("no such card").In("%s", path).Remedy("give the path of a YAML file, or leave card out")
	case errors.Is(err, fs.ErrPermission):
		class = fault.Machine
	}
	return fault.New(class, what, err).In("%s", path)
}

// fromInput is what the graph itself settles: the layout and size of fixed dimensions, and that a uint8 input takes
// pixels as they are. An input that takes no coloured pictures is a fault.
func fromInput(in Input) (says, error) {
	var s says
	refuse := func(format string, args ...any) (says, error) {
		return says{}, fault.Inputf(format, args...).In("input %s", in.Name).
			Remedy("export the part of the network that takes a batch of RGB pictures")
	}
	switch in.DType {
	case 0, 1, 10:
	case 2:
		s.Scale, s.Mean, s.Std, s.Order = 1, []float64{0, 0, 0}, []float64{1, 1, 1}, "RGB"
	default:
		return refuse("the network's input has ONNX element type %d, pictures are float32 (1), float16 (10) or uint8 (2)", in.DType)
	}
	if len(in.Dims) == 0 {
		return s, nil
	}
	if len(in.Dims) != 4 {
		return refuse("the network's input has %d dimensions %v, a batch of pictures has 4", len(in.Dims), in.Dims)
	}
	h, w := in.Dims[2], in.Dims[3]
	switch c, last := in.Dims[1], in.Dims[3]; {
	case c == 3:
		s.Layout = "NCHW"
	case last == 3:
		s.Layout = "NHWC"
		h, w = in.Dims[1], in.Dims[2]
	case c > 0 && last > 0:
		return refuse("the network's input %v has no dimension of 3 colours", in.Dims)
	default:
		return s, nil // the card says which is which
	}
	if h > 1<<14 || w > 1<<14 {
		return refuse("the network's input %v is larger than 16384 pixels a side", in.Dims)
	}
	if h > 0 && w > 0 {
		s.Size = int(h)
		if w != h {
			s.Width = int(w)
		}
	}
	return s, nil
}

// merge takes each field from the first source that gives it.
func merge(sources []source) Card {
	c := Card{From: map[string]string{}}
	border := 0
	for _, src := range sources {
		s := src.says
		first := func(key string, given bool) bool {
			if !given || c.From[key] != "" {
				return false
			}
			c.From[key] = src.name
			return true
		}
		for _, f := range []struct {
			key  string
			from string
			into *string
		}{
			{"name", s.Name, &c.Name}, {"family", s.Family, &c.Family}, {"licence", s.Licence, &c.Licence}, {"origin", s.Origin, &c.Origin},
			{"resize", s.Resize, &c.Resize}, {"kernel", s.Kernel, &c.Kernel}, {"layout", s.Layout, &c.Layout},
		} {
			if first(f.key, f.from != "") {
				*f.into = f.from
			}
		}
		if first("size", s.Size > 0) {
			c.Size, c.Width = s.Size, s.Width
		}
		if first("crop", s.Crop > 0 || s.Border > 0) {
			c.CropRatio, border = s.Crop, s.Border
		}
		if s.Resize != "" && s.Resize != "crop" && c.From["resize"] == src.name && first("crop", true) {
			c.CropRatio = 1
		}
		if first("mean", s.statistics()) {
			c.take(s, src.name)
		}
		if first("inputs", s.Inputs != nil) {
			c.Inputs = s.Inputs
		}
		if first("layers", s.Layers != nil) {
			c.Layers = s.Layers
		}
	}
	if border > 0 {
		c.CropRatio = float64(c.Size) / float64(c.Size+border)
	}
	c.Source = c.From["mean"]
	return c
}

// take takes a source's statistics, which belong together.
func (c *Card) take(s says, from string) {
	c.Mean, c.Std = [3]float64(s.Mean), [3]float64(s.Std)
	c.Scale, c.Order = s.Scale, s.Order
	if c.Scale == 0 {
		c.Scale = 255
	}
	if c.Order == "" {
		c.Order = "RGB"
	}
	for _, key := range []string{"std", "scale", "order"} {
		c.From[key] = from
	}
}

// compare warns about what was taken against a source's word and about what was guessed.
func (c *Card) compare(sources []source, in Input) error {
	for _, src := range sources[1:] {
		s, byUser := src.says, src.name == explicit || src.name == beside
		if s.Layout != "" && s.Layout != c.Layout && byUser {
			return fault.Inputf("%s says layout %s, the input's dimensions %v are %s", src.name, s.Layout, in.Dims, c.Layout).
				In("input %s", in.Name).Remedy("correct or leave out layout in the card")
		}
		if s.Size > 0 && s.Size != c.Size && c.From["size"] == theGraph && (byUser || src.name == inMetadata) {
			c.warn("size-contradicted", fmt.Sprintf("%s says size %d, the input takes %d: the graph's size is used", src.name, s.Size, c.Size))
		}
		if c.Source == theGraph && byUser && s.statistics() {
			c.warn("statistics-unused", fmt.Sprintf("%s gives mean and std, but the input takes bytes: the pixels go in as they are", src.name))
		}
	}
	if c.Source == guessed {
		c.warn("guess-preprocessing", fmt.Sprintf("nothing says how %s wants its pictures: ImageNet's mean %v and std %v on the centre of the picture are a guess; "+
			"settle it with a card (card: FILE.yaml, or %s.yaml beside the network)", c.Name, c.Mean, c.Std, c.Name))
	} else if c.From["resize"] == guessed && c.Source != theGraph {
		c.warn("guess-resize", fmt.Sprintf("%s gives the statistics of %s, but nothing says how pictures are brought to %d pixels: "+
			"the short side resized and the centre kept (%.4g of each side, %s) is a guess", c.Source, c.Name, c.Size, math.Min(c.CropRatio, 1), c.Kernel))
	}
	return nil
}
