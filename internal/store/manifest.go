package store

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// Names of the files beside a feature store's layers and in a mapping's folder.
const (
	ManifestName = "manifest.json"
	LayersName   = "layers.json"
	MappingName  = "mapping.parquet"
	SharesName   = "layers.parquet"
	WeightsName  = "weights.parquet"
	FitName      = "fit.json"
	TruthName    = "truth.parquet"
	// PredictionsName is the file of a mapping's Predictions.
	PredictionsName = "predictions.parquet"
)

// ModelRef is the network that features or a mapping belong to.
type ModelRef struct {
	Name       string `json:"name"`
	Path       string `json:"path"` // as it was given: for people, never opened again
	SHA256     string `json:"sha256"`
	Opset      int64  `json:"opset,omitempty"`
	Producer   string `json:"producer,omitempty"`
	Parameters int64  `json:"parameters,omitempty"`
	Family     string `json:"family,omitempty"`
	Licence    string `json:"licence,omitempty"`
	Origin     string `json:"origin,omitempty"`
}

// Manifest says what made a feature store. It is written last: a store with a manifest is whole.
type Manifest struct {
	Format        int                `json:"format"` // Version of this package's files
	Key           string             `json:"key"`
	Model         ModelRef           `json:"model"`
	ImageSet      string             `json:"image_set"`
	ImagesSHA256  string             `json:"images_sha256,omitempty"` // of the image set's ordered digests
	Images        int                `json:"images"`                  // rows of every layer
	Grid          int                `json:"grid"`                    // fit grid, cells a side; 0: native grids
	Protocol      string             `json:"protocol"`                // sound or paper
	Preprocessing any                `json:"preprocessing"`
	Precision     string             `json:"precision"`       // of the forward pass, e.g. float32
	Provider      string             `json:"provider"`        // e.g. CPUExecutionProvider
	Nodes         map[string]int     `json:"nodes,omitempty"` // of the network's graph, as the library optimised it, that each provider ran
	Library       string             `json:"library"`         // ONNX Runtime's version
	Batch         int                `json:"batch"`
	Threads       int                `json:"threads"`
	Compression   string             `json:"compression"`
	LeftOut       []string           `json:"left_out,omitempty"`    // images that could not be decoded, with --keep-going
	Settings      string             `json:"settings,omitempty"`    // digest of what determines a picture's tokens but the picture
	BatchFree     bool               `json:"batch_free,omitempty"`  // tokens don't depend on the batch, to the last bit
	Copied        int                `json:"copied,omitempty"`      // rows that were taken over
	CopiedFrom    []string           `json:"copied_from,omitempty"` // from these stores
	Components    *Components        `json:"components,omitempty"`  // where principal components were kept
	Warnings      []Warning          `json:"warnings,omitempty"`
	Seconds       map[string]float64 `json:"seconds,omitempty"` // where the time went
	Version       string             `json:"version"`           // of cortexmap
}

// Components says which principal components of its layers a store holds.
type Components struct {
	Number int              `json:"number"` // asked for
	Images int              `json:"images"` // training pictures that they were fitted on
	Layers []ComponentShare `json:"layers"`
}

// ComponentShare is how much of a layer's variance over the pictures it was fitted on is kept, 0..1.
type ComponentShare struct {
	Name   string  `json:"name"`
	Width  int     `json:"width"` // channels of the layer
	Kept   int     `json:"kept"`  // components
	Local  float64 `json:"local"` // of the local tokens
	Global float64 `json:"global"`
}

// WriteLayers writes layers.json into dir, the ordered layers of a feature store.
func WriteLayers(dir string, layers []Layer) error {
	return writeJSON(filepath.Join(dir, LayersName), layers)
}

// WriteManifest writes manifest.json into dir, and the format's version into it. It comes last, after every
// part and layers.json.
func WriteManifest(dir string, m Manifest) error {
	m.Format = Version
	return writeJSON(filepath.Join(dir, ManifestName), m)
}

// ReadManifest reads a feature store's manifest.json.
func ReadManifest(dir string) (Manifest, error) {
	var m Manifest
	path := filepath.Join(dir, ManifestName)
	if err := readJSON(path, &m); err != nil {
		return m, err
	}
	if err := checkFormat(path, m.Format); err != nil {
		return m, err
	}
	if m.Images < 0 || m.Grid < 0 || m.Batch < 0 || m.Copied < 0 {
		return m, damaged(path, "%d images, grid %d, batch %d, %d copied", m.Images, m.Grid, m.Batch, m.Copied)
	}
	return m, nil
}

// ReadLayers reads a feature store's layers.json.
func ReadLayers(dir string) ([]Layer, error) {
	var layers []Layer
	path := filepath.Join(dir, LayersName)
	if err := readJSON(path, &layers); err != nil {
		return nil, err
	}
	if len(layers) == 0 {
		return nil, damaged(path, "it lists no layers")
	}
	return layers, checkLayers(path, layers)
}

// checkLayers says which layer of a file's list can't be one. Real ones have widths and grids of a few thousand.
func checkLayers(path string, layers []Layer) error {
	const most = 1 << 24
	for i, l := range layers {
		if l.Index != i || l.Width < 1 || l.Width > most {
			return damaged(path, "layer %d has index %d and width %d", i, l.Index, l.Width)
		}
		if min(l.Grid[0], l.Grid[1], l.Prefix) < 0 || max(l.Grid[0], l.Grid[1], l.Prefix) > most {
			return damaged(path, "layer %d has grid %d x %d behind %d tokens", i, l.Grid[0], l.Grid[1], l.Prefix)
		}
	}
	return nil
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err // a bug: everything stored has a JSON form
	}
	return durable.WriteFile(path, append(data, '\n'))
}

func readJSON(path string, into any) error {
	err := durable.ReadJSON(path, into, durable.MakeAnew)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Inputf("%s is missing: the folder is not finished, or no folder of cortexmap's: %w", path, fs.ErrNotExist).
			Remedy("run the stage that makes it again")
	}
	return err
}

func checkFormat(path string, format int) error {
	switch {
	case format < 1:
		return damaged(path, "no format number in it")
	case format > Version:
		return fault.Inputf("%s has format %d, this cortexmap reads up to %d", path, format, Version).
			Remedy("read it with a newer cortexmap, or make it again with this one")
	}
	return nil
}

// damaged is the fault of a file that is not what was written there.
func damaged(path, format string, args ...any) *fault.Error {
	return fault.Inputf("damaged: "+format, args...).In("%s", path).
		Remedy(durable.MakeAnew)
}
