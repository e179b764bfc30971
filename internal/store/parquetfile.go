package store

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"

	"cortexmap/internal/durable"

	"github.com/parquet-go/parquet-go"
)

// writeRows puts rows into a Parquet file under path, whole or not at all.
func writeRows[T any](path string, rows []T, metadata map[string]string) error {
	file, err := durable.Create(path)
	if err != nil {
		return err
	}
	defer file.Abort()
	metadata["cortexmap.version"] = strconv.Itoa(Version)
	w := parquet.NewGenericWriter[T](file, append(writerOptions(metadata), parquet.Compression(&parquet.Zstd))...)
	_, err = w.Write(rows)
	if err := errors.Join(err, w.Close()); err != nil {
		return durable.Explain(err, path)
	}
	return file.Commit()
}

// readRows reads a file of writeRows, and hands its metadata to lookup's caller. A column that is missing or
// of another type, a later format and a damaged file are faults naming the file.
func readRows[T any](path string) (rows []T, lookup func(string) string, err error) {
	defer guard(path, &err)
	file, pf, err := openParquet(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	lookup = func(name string) string { value, _ := pf.Lookup(name); return value }
	format, _ := strconv.Atoi(lookup("cortexmap.version"))
	if err := checkFormat(path, format); err != nil {
		return nil, nil, err
	}
	if err := sameColumns(path, pf.Schema(), parquet.SchemaOf(*new(T))); err != nil {
		return nil, nil, err
	}
	rows, err = collect[T](pf)
	if err == nil && int64(len(rows)) != pf.NumRows() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, nil, damaged(path, "%d of %d rows can be read: %w", len(rows), pf.NumRows(), err)
	}
	return rows, lookup, nil
}

// collect reads all rows, a piece at a time: the number that a damaged file claims is not to be believed.
func collect[T any](pf *parquet.File) ([]T, error) {
	r := parquet.NewGenericReader[T](pf)
	defer r.Close()
	var rows []T
	for {
		piece := make([]T, min(pf.NumRows()-int64(len(rows)), 1<<14)+1)
		n, err := r.Read(piece)
		rows = append(rows, piece[:n]...)
		if errors.Is(err, io.EOF) || err == nil && n == 0 {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
	}
}

// openParquet opens a file and reads its footer. The caller closes it, unless there is an error.
func openParquet(path string) (file *os.File, pf *parquet.File, err error) {
	file, err = os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, damaged(path, "the file is missing: %w", err)
	}
	if err != nil {
		return nil, nil, durable.Explain(err, path)
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	defer guard(path, &err)
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, nil, durable.Explain(err, path)
	}
	// The file ends with the footer's length and the magic. parquet-go allocates what the length says.
	var end [8]byte
	if _, err := file.ReadAt(end[:], max(0, size-8)); err != nil || size < 12 || string(end[4:]) != "PAR1" {
		return nil, nil, damaged(path, "cut short, or no Parquet file")
	}
	if footer := int64(binary.LittleEndian.Uint32(end[:])); footer > size-12 {
		return nil, nil, damaged(path, "cut short: its footer has %d bytes, the file %d", footer, size)
	}
	if pf, err = parquet.OpenFile(file, size, parquet.SkipBloomFilters(true)); err != nil {
		return nil, nil, damaged(path, "cut short, or no Parquet file: %w", err)
	}
	return file, pf, nil
}

// guard turns a panic of parquet-go, which some damaged files cause, into the fault of a damaged file.
func guard(path string, err *error) {
	if r := recover(); r != nil {
		*err = damaged(path, "parquet-go: %v", r)
	}
}

// sameColumns says which column of want is missing from got, or is there with another type. Further columns
// are let through: they may come from a program that adds its own.
func sameColumns(path string, got, want *parquet.Schema) error {
	for _, column := range want.Columns() {
		w, _ := want.Lookup(column...)
		g, ok := got.Lookup(column...)
		if !ok {
			return damaged(path, "column %s is missing", column[0])
		}
		if g.Node.Type().Kind() != w.Node.Type().Kind() {
			return damaged(path, "column %s is of type %v, not %v", column[0], g.Node.Type(), w.Node.Type())
		}
	}
	return nil
}
