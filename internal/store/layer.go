package store

import (
	"fmt"
	"strconv"
	"strings"
)

// Digest is a SHA-256, which is what names an image or a file.
type Digest = [32]byte

// Layer is one ordered tap of a network. The JSON names are those of `inspect --json` and of layers.json.
type Layer struct {
	Index  int    `json:"index"`  // 0-based, in data order
	Name   string `json:"name"`   // what people are shown
	Tensor string `json:"tensor"` // the tapped tensor's name in the model file as given
	Kind   string `json:"kind"`   // block, transition, conv, …
	Layout string `json:"layout"` // NCHW, NHWC, NLC or LNC
	Width  int    `json:"width"`  // D: numbers in a token
	Grid   [2]int `json:"grid"`   // native token grid: rows, columns
	Prefix int    `json:"prefix"` // tokens before the grid (cls, registers)
	Global string `json:"global"` // where the global token comes from: cls or mean
	Why    string `json:"why"`    // why this is a layer, in one line
}

// Warning is something a person should know about a result; it is stored with the result and shown again
// whenever the result is. The id is a stable word in kebab-case.
type Warning struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// LayerDir is the folder of layer l in a feature store of total layers: "layer=03-NAME". The index has two
// digits, more where total > 100, so that the folders sort in data order.
func LayerDir(l Layer, total int) string {
	digits := max(2, len(strconv.Itoa(total-1)))
	return fmt.Sprintf("layer=%0*d-%s", digits, l.Index, SafeName(l.Name))
}

// SafeName turns a name into a part of a file name: letters, digits, '.', '_' and '-' of ASCII are kept,
// every other rune becomes '_', and what is longer than 60 bytes is cut. An empty name becomes "_", and so
// does a leading dot: nothing that we write is hidden or means a folder above.
func SafeName(s string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}, s)
	if name == "" {
		return "_"
	}
	if name[0] == '.' {
		name = "_" + name[1:]
	}
	return name[:min(len(name), 60)]
}
