package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"

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
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fault.Inputf("%s is missing: %w", path, err).Remedy("run the stage that makes it again")
	}
	if err != nil {
		return nil, nil, durable.Explain(err, path)
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, nil, durable.Explain(err, path)
	}
	pf, err := parquet.OpenFile(file, size, parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, nil, damaged(path, "cut short, or no Parquet file: %w", err)
	}
	lookup = func(name string) string { value, _ := pf.Lookup(name); return value }
	format, _ := strconv.Atoi(lookup("cortexmap.version"))
	if err := checkFormat(path, format); err != nil {
		return nil, nil, err
	}
	if err := sameColumns(path, pf.Schema(), parquet.SchemaOf(*new(T))); err != nil {
		return nil, nil, err
	}
	if pf.NumRows() > size*1024 { // more rows than any encoding packs into so few bytes
		return nil, nil, damaged(path, "%d rows in %d bytes", pf.NumRows(), size)
	}
	rows = make([]T, pf.NumRows())
	r := parquet.NewGenericReader[T](pf)
	defer r.Close()
	n, err := r.Read(rows)
	if n != len(rows) || err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, damaged(path, "%d of %d rows can be read: %w", n, len(rows), errors.Join(err, io.ErrUnexpectedEOF))
	}
	return rows, lookup, nil
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
