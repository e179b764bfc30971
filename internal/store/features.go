package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
)

// Features is an open feature store. All methods but Close may be called concurrently.
type Features struct {
	Manifest Manifest
	Layers   []Layer
	Images   []Digest // [N]: of each row
	Index    []int64  // [N]: each row's position in the image set, ascending

	dir   string
	parts [][]*part // [L][parts]
	start [][]int   // [L][parts]: the first row of each part
}

// OpenFeatures opens the store in dir: it reads manifest, layers, and the footers of all parts, and checks
// that every layer has the same images and that every part belongs to its layer, its model and this store.
// A part that is cut, of another store, or missing is a fault naming the file.
func OpenFeatures(dir string) (*Features, error) {
	f := &Features{dir: dir}
	if err := f.open(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *Features) open() (err error) {
	if f.Manifest, err = ReadManifest(f.dir); err != nil {
		return err
	}
	if f.Layers, err = ReadLayers(f.dir); err != nil {
		return err
	}
	f.parts = make([][]*part, len(f.Layers))
	f.start = make([][]int, len(f.Layers))
	for l := range f.Layers {
		if err := f.openLayer(l); err != nil {
			return err
		}
	}
	if f.Manifest.Images != f.Len() {
		return damaged(filepath.Join(f.dir, ManifestName), "%d images are listed, the layers have %d rows", f.Manifest.Images, f.Len())
	}
	return nil
}

// openLayer opens a layer's parts, which are numbered from 0 without a gap.
func (f *Features) openLayer(l int) error {
	layer := f.Layers[l]
	folder := filepath.Join(f.dir, LayerDir(layer, len(f.Layers)))
	rows, tokens := 0, 0
	for i := 0; ; i++ {
		path := PartPath(f.dir, layer, len(f.Layers), i)
		if _, err := os.Stat(path); err != nil && i > 0 {
			break // the last was the last: a later one is found to be missing by the count of rows
		}
		p, err := openPart(path)
		if err != nil {
			return err
		}
		f.parts[l] = append(f.parts[l], p)
		f.start[l] = append(f.start[l], rows)
		if i == 0 {
			tokens = p.tokens
		}
		meta := FeatureMeta{Layer: layer, Tokens: tokens, ModelSHA256: f.Manifest.Model.SHA256, Key: f.Manifest.Key}
		if f.Manifest.Grid == 0 {
			meta.Grid = layer.Grid
		}
		if err := p.belongs(meta); err != nil {
			return err
		}
		if err := f.joinRows(l, rows, p); err != nil {
			return err
		}
		rows += p.rows
	}
	if rows != f.Len() {
		return damaged(folder, "%d rows, the first layer has %d", rows, f.Len())
	}
	return nil
}

// joinRows takes the images of a part of the first layer, and compares those of every other.
func (f *Features) joinRows(l, start int, p *part) error {
	images, index, err := p.images()
	if err != nil {
		return err
	}
	for i := range images {
		row := start + i
		if l == 0 {
			if row > 0 && index[i] <= f.Index[row-1] {
				return damaged(p.path, "row %d has index %d after %d", i, index[i], f.Index[row-1])
			}
			f.Images, f.Index = append(f.Images, images[i]), append(f.Index, index[i])
			continue
		}
		if row >= f.Len() || images[i] != f.Images[row] || index[i] != f.Index[row] {
			return damaged(p.path, "row %d is of another image than the first layer's", i)
		}
	}
	return nil
}

// Dir is the folder that was opened.
func (f *Features) Dir() string { return f.dir }

// Len is N, the number of rows (images).
func (f *Features) Len() int { return len(f.Images) }

// Tokens is the number of tokens of a layer's rows: 65 at fit grid 8, H·W + 1 in a store of native grids.
func (f *Features) Tokens(layer int) int { return f.parts[layer][0].tokens }

// RowLen is the number of binary16 in one row of a layer: Tokens · Width.
func (f *Features) RowLen(layer int) int { return f.Tokens(layer) * f.Layers[layer].Width }

// Read puts the tokens of some rows of a layer into dst, binary16 [len(rows), Tokens, Width], in the order
// of rows, which may be any and may repeat. A wrong length or a row out of range panics; a file that was
// damaged since it was opened is a fault naming it; a cancelled context ends the reading.
func (f *Features) Read(ctx context.Context, layer int, rows []int, dst []uint16) error {
	n := f.RowLen(layer)
	if len(dst) != len(rows)*n {
		panic(fmt.Sprintf("store: Read: %d numbers for %d rows of %d", len(dst), len(rows), n))
	}
	starts := f.start[layer]
	for i, row := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if row < 0 || row >= f.Len() {
			panic(fmt.Sprintf("store: Read: row %d of %d", row, f.Len()))
		}
		at := sort.SearchInts(starts, row+1) - 1
		if err := f.parts[layer][at].read(row-starts[at], dst[i*n:(i+1)*n]); err != nil {
			return err
		}
	}
	return nil
}

// Verify reads every page of the store and checks its checksum. A page that changed is a fault naming
// the file.
func (f *Features) Verify(ctx context.Context) error {
	for l := range f.parts {
		for _, p := range f.parts[l] {
			if err := p.verify(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close closes the files.
func (f *Features) Close() error {
	for _, parts := range f.parts {
		for _, p := range parts {
			p.file.Close()
		}
	}
	f.parts = nil
	return nil
}

// ReadPart checks that a finished part is what meta says, and returns its rows' images and indices. So a
// rerun knows which parts it need not make again.
func ReadPart(path string, meta FeatureMeta) ([]Digest, []int64, error) {
	p, err := openPart(path)
	if err != nil {
		return nil, nil, err
	}
	defer p.file.Close()
	if err := p.belongs(meta); err != nil {
		return nil, nil, err
	}
	return p.images()
}

// VerifyPart is ReadPart that reads every page and checks its checksum: what was written is there to be read.
func VerifyPart(ctx context.Context, path string, meta FeatureMeta) error {
	p, err := openPart(path)
	if err != nil {
		return err
	}
	defer p.file.Close()
	if err := p.belongs(meta); err != nil {
		return err
	}
	if _, _, err := p.images(); err != nil {
		return err
	}
	return p.verify(ctx)
}

// belongs compares a part's metadata with what its place says that it must be.
func (p *part) belongs(meta FeatureMeta) error {
	for name, want := range meta.keyValues() {
		got, ok := p.parquet.Lookup(name)
		switch {
		case !ok:
			return damaged(p.path, "no %s in its metadata", name)
		case name == "cortexmap.version":
			n, _ := strconv.Atoi(got)
			if err := checkFormat(p.path, n); err != nil {
				return err
			}
		case got != want:
			return damaged(p.path, "its %s is %q, its place says %q", name, got, want)
		}
	}
	return nil
}
