package store

import (
	"context"
)

// Tokens is the number of tokens of an image at the fit grid of 8: 64 local ones and the global one.
const Tokens = 8*8 + 1

// RowGroup is the number of rows in a row group; a writer holds one in memory.
const RowGroup = 256

// FeatureMeta describes one part of one layer.
type FeatureMeta struct {
	Layer       Layer
	Tokens      int    // rows of the token array: grid² + 1, or H·W + 1 of a native grid
	Grid        [2]int // H, W of a store of native grids; zero otherwise
	ModelSHA256 string
	Key         string // of the store
	Compression string // none (also ""), snappy or zstd
}

// RowBytes is the length of one image's tokens: Tokens · Width · 2.
func (m FeatureMeta) RowBytes() int { return m.Tokens * m.Layer.Width * 2 }

// FeatureWriter writes one part of one layer.
type FeatureWriter struct{}

// NewFeatureWriter starts the part at path (see PartPath), which appears whole at Close or not at all.
func NewFeatureWriter(path string, meta FeatureMeta) (*FeatureWriter, error) { panic("store: later") }

// Append adds an image's row: its digest, its position in the image set, and its tokens as binary16
// little-endian [Tokens, Width]. The tokens are copied.
func (w *FeatureWriter) Append(image Digest, index int64, tokens []byte) error { panic("store: later") }

// Close finishes the part and puts it under its final name.
func (w *FeatureWriter) Close() error { panic("store: later") }

// Abort gives the part up; a no-op after Close.
func (w *FeatureWriter) Abort() {}

// PartPath is the path of a part of a layer: DIR/layer=03-NAME/part-00000.parquet.
func PartPath(dir string, l Layer, total, part int) string { panic("store: later") }

// ReadPart checks that a finished part is what meta says, and returns its rows' images and indices.
func ReadPart(path string, meta FeatureMeta) ([]Digest, []int64, error) { panic("store: later") }

// Features is an open feature store.
type Features struct {
	Manifest Manifest
	Layers   []Layer
	Images   []Digest // of each row
	Index    []int64  // each row's position in the image set
}

// OpenFeatures opens the store in dir.
func OpenFeatures(dir string) (*Features, error) { panic("store: later") }

// Len is N, the number of rows (images).
func (f *Features) Len() int { return len(f.Images) }

// Tokens is the number of tokens of a layer's rows, 65 at fit grid 8.
func (f *Features) Tokens(layer int) int { panic("store: later") }

// Read puts the tokens of some rows of a layer into dst, binary16, [len(rows), Tokens, Width].
func (f *Features) Read(ctx context.Context, layer int, rows []int, dst []uint16) error {
	panic("store: later")
}

// Close closes the files.
func (f *Features) Close() error { return nil }
