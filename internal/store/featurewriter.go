package store

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strconv"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
)

// Tokens is the number of tokens of an image at the fit grid of 8: 64 local ones and the global one.
const Tokens = 8*8 + 1

// RowGroup is the number of rows in a row group. A writer holds one in memory, and a store has a writer a layer:
// 64 rows of ViT-B's twelve layers are 77 MB.
const RowGroup = 64

// featureRow is the schema of a part. Tokens are a BYTE_ARRAY although their length is constant: Parquet's
// fixed-length type ends at 32,767 bytes in parquet-go, and a row of a ViT-B layer has 99,840.
type featureRow struct {
	Image  Digest `parquet:"image,plain"`
	Index  int64  `parquet:"index,plain"`
	Tokens []byte `parquet:"tokens,plain"`
}

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

// keyValues is the part's key-value metadata, by which a reader knows a part that was moved or renamed.
func (m FeatureMeta) keyValues() map[string]string {
	kv := map[string]string{
		"cortexmap.shape":        fmt.Sprintf("%d,%d", m.Tokens, m.Layer.Width),
		"cortexmap.dtype":        "float16",
		"cortexmap.layer":        m.Layer.Name,
		"cortexmap.index":        strconv.Itoa(m.Layer.Index),
		"cortexmap.model_sha256": m.ModelSHA256,
		"cortexmap.key":          m.Key,
		"cortexmap.version":      strconv.Itoa(Version),
	}
	if m.Grid != [2]int{} {
		kv["cortexmap.grid"] = fmt.Sprintf("%d,%d", m.Grid[0], m.Grid[1])
	}
	return kv
}

// FeatureWriter writes one part of one layer. It is not safe for concurrent use.
type FeatureWriter struct {
	meta FeatureMeta
	path string
	file *durable.File
	rows *parquet.GenericWriter[featureRow]
	n    int
}

// NewFeatureWriter starts the part at path (see PartPath), which appears whole at Close or not at all.
// An unknown compression and an unwritable folder are faults.
func NewFeatureWriter(path string, meta FeatureMeta) (*FeatureWriter, error) {
	codec, err := codecOf(meta.Compression)
	if err != nil {
		return nil, err
	}
	if meta.RowBytes() <= 0 {
		panic("store: NewFeatureWriter: a layer without tokens")
	}
	file, err := durable.Create(path)
	if err != nil {
		return nil, err
	}
	// A page is closed by the row that fills 98 % of it: at half a row, every row is a page.
	options := append(writerOptions(meta.keyValues()), parquet.PageBufferSize(max(1, meta.RowBytes()/2)), parquet.Compression(codec))
	return &FeatureWriter{meta: meta, path: path, file: file, rows: parquet.NewGenericWriter[featureRow](file, options...)}, nil
}

// Append adds an image's row: its digest, its position in the image set, and its tokens as binary16
// little-endian [Tokens, Width], which are copied. A wrong length panics. A full disk is a fault.
func (w *FeatureWriter) Append(image Digest, index int64, tokens []byte) error {
	if len(tokens) != w.meta.RowBytes() {
		panic(fmt.Sprintf("store: Append: %d bytes of tokens, want %d", len(tokens), w.meta.RowBytes()))
	}
	if _, err := w.rows.Write([]featureRow{{image, index, tokens}}); err != nil {
		return w.explain(err)
	}
	w.n++
	if w.n%RowGroup == 0 {
		return w.explain(w.rows.Flush())
	}
	return nil
}

// AppendHalf is Append for tokens as numbers. They must be finite: see [Finite].
func (w *FeatureWriter) AppendHalf(image Digest, index int64, tokens []uint16) error {
	if littleEndianMachine {
		return w.Append(image, index, bytesOf(tokens))
	}
	row := make([]byte, 0, 2*len(tokens))
	for _, h := range tokens {
		row = binary.LittleEndian.AppendUint16(row, h)
	}
	return w.Append(image, index, row)
}

// Close finishes the part and puts it under its final name. After a failure nothing is left.
func (w *FeatureWriter) Close() error {
	if err := w.rows.Close(); err != nil {
		w.file.Abort()
		return w.explain(err)
	}
	return w.file.Commit()
}

// Abort gives the part up and leaves nothing; after Close it does nothing.
func (w *FeatureWriter) Abort() { w.file.Abort() }

func (w *FeatureWriter) explain(err error) error { return durable.Explain(err, w.path) }

// PartPath is the path of a part of layer l in a store of total layers: DIR/layer=03-NAME/part-00000.parquet.
func PartPath(dir string, l Layer, total, part int) string {
	return filepath.Join(dir, LayerDir(l, total), fmt.Sprintf("part-%05d.parquet", part))
}

// writerOptions are what all our Parquet files have in common: metadata, and no minima or maxima of blobs.
// The creator is constant, so that equal content is equal bytes whatever built the program.
func writerOptions(metadata map[string]string) []parquet.WriterOption {
	options := []parquet.WriterOption{
		parquet.CreatedBy("cortexmap", strconv.Itoa(Version)+".0.0", "store"),
		parquet.DataPageStatistics(false),
		parquet.SkipPageBounds("tokens"),
		parquet.SkipPageBounds("data"),
	}
	for k, v := range metadata {
		options = append(options, parquet.KeyValueMetadata(k, v))
	}
	return options
}

func codecOf(name string) (compress.Codec, error) {
	switch name {
	case "", "none":
		return &parquet.Uncompressed, nil
	case "snappy":
		return &parquet.Snappy, nil
	case "zstd":
		return &parquet.Zstd, nil
	}
	return nil, fault.Inputf("unknown compression %q; there are none, snappy and zstd", name)
}
