package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"unsafe"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// part is one open Parquet file of one layer.
type part struct {
	path    string
	file    *os.File
	parquet *parquet.File
	rows    int
	tokens  int
	width   int
	blobs   []int64 // [rows]: where each row's tokens lie, if they can be read without parquet-go; else nil
}

func openPart(path string) (p *part, err error) {
	file, pf, err := openParquet(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	defer guard(path, &err)
	p = &part{path: path, file: file, parquet: pf, rows: int(pf.NumRows())}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.locate()
	return p, nil
}

// check compares the columns with featureRow, and the shape with the number of rows.
func (p *part) check() error {
	want := parquet.SchemaOf(featureRow{}).Columns()
	got := p.parquet.Schema().Columns()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return damaged(p.path, "its columns are %v, not %v", got, want)
	}
	for i, kind := range []parquet.Kind{parquet.FixedLenByteArray, parquet.Int64, parquet.ByteArray} {
		leaf := p.parquet.Root().Columns()[i]
		if leaf.Type().Kind() != kind || !leaf.Required() || i == 0 && leaf.Type().Length() != len(Digest{}) {
			return damaged(p.path, "column %s is of type %v", got[i][0], leaf.Type())
		}
	}
	shape, _ := p.parquet.Lookup("cortexmap.shape")
	if n, err := fmt.Sscanf(shape, "%d,%d", &p.tokens, &p.width); n != 2 || p.tokens < 1 || p.width < 1 {
		return damaged(p.path, "its cortexmap.shape is %q: %v", shape, err)
	}
	if p.tokens > math.MaxInt32/2/p.width { // a BYTE_ARRAY's length has 31 bits
		return damaged(p.path, "its cortexmap.shape is %q, more than a row holds", shape)
	}
	return nil
}

// locate finds where each row's tokens lie in the file. A page of one row, plainly encoded and not
// compressed, ends with the length of its blob (4 bytes) and the blob, whatever its header; the offset index
// says where a page begins and how long it is. So a row is one ReadAt, without parquet-go. Anything else
// leaves blobs nil: read goes through parquet-go then.
func (p *part) locate() {
	blobs := make([]int64, 0, p.rows)
	for _, group := range p.parquet.RowGroups() {
		chunk := group.ColumnChunks()[2]
		index, err := chunk.OffsetIndex()
		if err != nil || int64(index.NumPages()) != group.NumRows() {
			return
		}
		for i := range index.NumPages() {
			end := index.Offset(i) + index.CompressedPageSize(i)
			if index.FirstRowIndex(i) != int64(i) || index.CompressedPageSize(i) <= int64(4+p.rowBytes()) || end > p.parquet.Size() {
				return
			}
			blobs = append(blobs, end-int64(4+p.rowBytes()))
		}
	}
	for _, group := range p.parquet.Metadata().RowGroups {
		meta := group.Columns[2].MetaData
		if meta.Codec != format.Uncompressed || meta.DictionaryPageOffset != 0 {
			return
		}
		for _, e := range meta.Encoding {
			if e != format.Plain && e != format.RLE { // RLE: levels, of which a required column has none
				return
			}
		}
	}
	if len(blobs) == p.rows {
		p.blobs = blobs
	}
}

func (p *part) rowBytes() int { return p.tokens * p.width * 2 }

// read puts the tokens of a row into dst, [tokens, width].
func (p *part) read(row int, dst []uint16) error {
	if p.blobs == nil {
		return p.readSlow(row, dst)
	}
	var length [4]byte
	if _, err := p.file.ReadAt(length[:], p.blobs[row]); err != nil {
		return p.readFault(row, err)
	}
	if got := int(binary.LittleEndian.Uint32(length[:])); got != p.rowBytes() {
		return damaged(p.path, "row %d has %d bytes of tokens, its shape says %d", row, got, p.rowBytes())
	}
	if _, err := p.file.ReadAt(bytesOf(dst), p.blobs[row]+4); err != nil {
		return p.readFault(row, err)
	}
	littleEndian(dst)
	return nil
}

// readSlow reads a row with parquet-go, of a part that is compressed or was written by another program.
func (p *part) readSlow(row int, dst []uint16) (err error) {
	defer guard(p.path, &err)
	at := int64(row)
	for _, group := range p.parquet.RowGroups() {
		if at >= group.NumRows() {
			at -= group.NumRows()
			continue
		}
		pages := group.ColumnChunks()[2].Pages()
		defer pages.Close()
		if err := pages.SeekToRow(at); err != nil {
			return p.readFault(row, err)
		}
		page, err := pages.ReadPage()
		if err != nil {
			return p.readFault(row, err)
		}
		defer parquet.Release(page)
		var value [1]parquet.Value
		if n, err := page.Values().ReadValues(value[:]); n != 1 {
			return p.readFault(row, err)
		}
		return p.take(row, value[0].ByteArray(), dst)
	}
	return p.readFault(row, io.ErrUnexpectedEOF)
}

func (p *part) take(row int, blob []byte, dst []uint16) error {
	if len(blob) != p.rowBytes() {
		return damaged(p.path, "row %d has %d bytes of tokens, its shape says %d", row, len(blob), p.rowBytes())
	}
	copy(bytesOf(dst), blob)
	littleEndian(dst)
	return nil
}

func (p *part) readFault(row int, err error) error {
	if errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("store: read after Close: %w", err)
	}
	var known *fault.Error
	if e := durable.Explain(err, p.path); errors.As(e, &known) {
		return e
	}
	return damaged(p.path, "row %d can't be read: %w", row, err)
}

// images reads the columns image and index.
func (p *part) images() (images []Digest, index []int64, err error) {
	defer guard(p.path, &err)
	for _, group := range p.parquet.RowGroups() {
		err := eachPage(group.ColumnChunks()[0], func(page parquet.Page) error {
			values := page.Data()
			data, size := values.FixedLenByteArray()
			for ; len(data) >= size; data = data[size:] {
				images = append(images, Digest(data))
			}
			return nil
		})
		if err == nil {
			err = eachPage(group.ColumnChunks()[1], func(page parquet.Page) error {
				values := page.Data()
				index = append(index, values.Int64()...)
				return nil
			})
		}
		if err != nil {
			return nil, nil, damaged(p.path, "its images can't be read: %w", err)
		}
	}
	if len(images) != p.rows || len(index) != p.rows {
		return nil, nil, damaged(p.path, "%d rows, %d images, %d indices", p.rows, len(images), len(index))
	}
	return images, index, nil
}

// verify reads every page of every column; parquet-go compares checksums on the way.
func (p *part) verify(ctx context.Context) (err error) {
	defer guard(p.path, &err)
	row := 0
	for _, group := range p.parquet.RowGroups() {
		for column, chunk := range group.ColumnChunks() {
			err := eachPage(chunk, func(page parquet.Page) error {
				if err := ctx.Err(); err != nil || column != 2 {
					return err
				}
				return p.verifyTokens(page, &row)
			})
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				return damaged(p.path, "row group of row %d: %w", row, err)
			}
		}
	}
	return nil
}

func (p *part) verifyTokens(page parquet.Page, row *int) error {
	values := page.Values()
	var value [1]parquet.Value
	for {
		n, err := values.ReadValues(value[:])
		if n == 1 {
			if got := len(value[0].ByteArray()); got != p.rowBytes() {
				return fmt.Errorf("row %d has %d bytes of tokens, its shape says %d", *row, got, p.rowBytes())
			}
			*row++
		}
		if errors.Is(err, io.EOF) || n == 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// eachPage calls do with every page of a column chunk.
func eachPage(chunk parquet.ColumnChunk, do func(parquet.Page) error) error {
	pages := chunk.Pages()
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = do(page)
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
}

// bytesOf is the memory of x, seen as bytes.
func bytesOf[T uint16 | float32](x []T) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), len(x)*int(unsafe.Sizeof(x[0])))
}

// littleEndianMachine says that numbers lie in memory as they lie in files.
var littleEndianMachine = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// littleEndian turns numbers just read from a file into this machine's byte order.
func littleEndian(x []uint16) {
	if littleEndianMachine {
		return
	}
	for i, v := range x {
		x[i] = v<<8 | v>>8
	}
}
