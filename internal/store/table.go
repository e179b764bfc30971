package store

import (
	"bytes"
	"fmt"
	"math"
	"reflect"

	"github.com/parquet-go/parquet-go"
)

// TableColumn is a column of a table for people and programs: its name, and a value a row in one of the four
// types. NaN is a missing number.
type TableColumn struct {
	Name   string
	Values any // []string, []bool, []int64 or []float64
}

// TableParquet is a table as a Parquet file, columns in their order. Numbers may be null, nothing else is.
// Unlike the store's own files a table has no version: its columns' names say what it is. Columns of
// different lengths, of another type, or twice the same name are bugs and panic.
func TableParquet(columns []TableColumn, metadata map[string]string) ([]byte, error) {
	var fields []reflect.StructField
	n := -1
	for i, c := range columns {
		v := reflect.ValueOf(c.Values)
		if n >= 0 && v.Len() != n {
			panic(fmt.Sprintf("store: column %s has %d values, others %d", c.Name, v.Len(), n))
		}
		n = v.Len()
		kind, tag := v.Type().Elem(), c.Name
		switch c.Values.(type) {
		case []string, []bool, []int64:
		case []float64:
			kind, tag = reflect.PointerTo(kind), tag+",optional"
		default:
			panic(fmt.Sprintf("store: column %s is of %T", c.Name, c.Values))
		}
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("C%d", i), Type: kind, Tag: reflect.StructTag(fmt.Sprintf("parquet:%q", tag))})
	}
	schema := parquet.SchemaOf(reflect.New(reflect.StructOf(fields)).Interface())
	var out bytes.Buffer
	o := []parquet.WriterOption{schema, parquet.Compression(&parquet.Zstd)}
	for k, v := range metadata {
		o = append(o, parquet.KeyValueMetadata(k, v))
	}
	w := parquet.NewWriter(&out, o...)
	for row := range max(0, n) {
		x := reflect.New(reflect.StructOf(fields))
		for i, c := range columns {
			v := reflect.ValueOf(c.Values).Index(row)
			if f, number := v.Interface().(float64); number {
				if !math.IsNaN(f) && !math.IsInf(f, 0) {
					x.Elem().Field(i).Set(reflect.ValueOf(&f))
				}
				continue
			}
			x.Elem().Field(i).Set(v)
		}
		if err := w.Write(x.Interface()); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
