// Package models knows what a network wants to be shown: size, crop, kernel, statistics, colour order, layout.
package models

// Card is a network's preprocessing and what is known about it.
type Card struct {
	Name, Family    string
	Licence, Origin string

	Size      int     // input height, and width unless Width is set
	Width     int     // input width where it differs from Size; else 0
	Resize    string  // squash (both sides forced), crop (short side, then centre), pad (long side, zeros right and below)
	CropRatio float64 // the centre part that is kept after resizing to Size/CropRatio; 1: all
	Kernel    string  // bilinear, bicubic, lanczos, nearest

	Scale  float64    // the pixel value that counts as 1.0: 255 or 1
	Mean   [3]float64 // subtracted after scaling, in the order of the input's channels
	Std    [3]float64 // divided by, in the order of the input's channels
	Order  string     // RGB or BGR
	Layout string     // NCHW or NHWC

	Inputs map[string][]float64 // constants for the network's other inputs
	Layers []string             // what to map by default, as extract.layers; empty: found in the graph

	Source   string            // where the statistics come from: explicit, beside the file, metadata, preset NAME, guess
	From     map[string]string // where each field comes from, by its YAML name
	Warnings []Warning
}

// Warning is something a person must be told, with a stable id.
type Warning struct{ ID, Text string }

// Input is the picture input of a network, as its graph declares it.
type Input struct {
	Name  string
	Dims  []int64 // 4 of them; below 1: free
	DType int64   // ONNX element type: 1 float32, 2 uint8, 10 float16
}

// Sides is the input's height and width.
func (c Card) Sides() (h, w int) {
	if c.Width > 0 {
		return c.Size, c.Width
	}
	return c.Size, c.Size
}

// Find makes the card of the network at path. Each field comes from the first that gives it: the card file named
// by the user; MODEL.yaml beside the file; the file's metadata; the preset recognised by the file's name; a guess.
func Find(path, card string, meta map[string]string, in Input) (Card, error) {
	return find(path, card, meta, in)
}
