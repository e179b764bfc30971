package models

// Card is a network's preprocessing and what is known about it. Package extract says what the fields do
// (extract.Preprocess); Find makes cards, and only such that extract takes.
type Card struct {
	Name, Family    string
	Licence, Origin string

	Size      int     // input height, and width unless Width is set
	Width     int     // input width where it differs from Size; else 0
	Resize    string  // squash (both sides forced), crop (short side, then centre), pad (long side, zeros right and below)
	CropRatio float64 // the part of each resized side that is kept, in the centre; 1: all
	Kernel    string  // bilinear, bicubic, lanczos, nearest

	Scale  float64    // the pixel value that counts as 1.0: 255 or 1
	Mean   [3]float64 // subtracted after scaling, in the order of the input's channels
	Std    [3]float64 // divided by, in the order of the input's channels
	Order  string     // RGB or BGR
	Layout string     // NCHW or NHWC

	Inputs map[string][]float64 // constants for the network's other inputs
	Layers []string             // what to map by default, as extract.layers; empty: found in the graph

	Source   string            // where the statistics come from, in the words of From
	From     map[string]string // where each field comes from, by its key in card files
	Warnings []Warning
}

// Warning is something a person must be told, with a stable id.
type Warning struct{ ID, Text string }

// Input is the picture input of a network, as its graph declares it.
type Input struct {
	Name  string
	Dims  []int64 // 4 of them, below 1: free; nil: unknown
	DType int64   // ONNX element type: 1 float32, 2 uint8, 10 float16
}

// Sides is the input's height and width in pixels.
func (c Card) Sides() (h, w int) {
	if c.Width > 0 {
		return c.Size, c.Width
	}
	return c.Size, c.Size
}

func (c *Card) warn(id, text string) { c.Warnings = append(c.Warnings, Warning{id, text}) }
