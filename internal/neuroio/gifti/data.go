package gifti

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"io"
	"math"
	"strconv"

	"cortexmap/internal/fault"
)

// form is how the numbers of one array stand in its <Data>.
type form struct {
	typ, encoding string
	order         binary.ByteOrder
	columns       bool // ColumnMajorOrder
	dims          []int
	count         int
}

// widths are the bytes of one value.
var widths = map[string]int{
	"NIFTI_TYPE_UINT8": 1, "NIFTI_TYPE_INT8": 1, "NIFTI_TYPE_INT16": 2, "NIFTI_TYPE_UINT16": 2,
	"NIFTI_TYPE_INT32": 4, "NIFTI_TYPE_UINT32": 4, "NIFTI_TYPE_INT64": 8,
	"NIFTI_TYPE_FLOAT32": 4, "NIFTI_TYPE_FLOAT64": 8,
}

func newForm(e xml.StartElement, dims []int, count int) (*form, error) {
	f := &form{typ: attr(e, "DataType"), encoding: attr(e, "Encoding"), order: binary.LittleEndian, dims: dims, count: count}
	if widths[f.typ] == 0 {
		return nil, fault.Inputf("GIFTI data of type %q are not read; float32, float64 and integers are", f.typ)
	}
	switch f.encoding {
	case "ASCII", "Base64Binary", "GZipBase64Binary":
	case "ExternalFileBinary":
		return nil, fault.Inputf("the GIFTI file keeps its data in another file (%s), which is not read", attr(e, "ExternalFileName")).
			Remedy("convert it: wb_command -gifti-convert GZIP_BASE64_BINARY IN OUT")
	default:
		return nil, fault.Inputf("the GIFTI encoding %q is not known", f.encoding)
	}
	switch s := attr(e, "Endian"); s {
	case "LittleEndian", "":
	case "BigEndian":
		f.order = binary.BigEndian
	default:
		return nil, fault.Inputf("the GIFTI byte order %q is not known", s)
	}
	switch s := attr(e, "ArrayIndexingOrder"); s {
	case "RowMajorOrder", "":
	case "ColumnMajorOrder":
		f.columns = len(dims) > 1
	default:
		return nil, fault.Inputf("the GIFTI indexing order %q is not known", s)
	}
	return f, nil
}

func (f *form) float() bool { return f.typ == "NIFTI_TYPE_FLOAT32" || f.typ == "NIFTI_TYPE_FLOAT64" }

// chars is how long the text can honestly be: base64 adds a third, zlib a thousandth at worst, and lines
// and indentation may double it.
func (f *form) chars() int {
	if f.encoding == "ASCII" {
		return min(4096+valueText*f.count, maxText)
	}
	return min(4096+3*f.count*widths[f.typ], maxText)
}

// decode puts the numbers into a, row-major.
func (f *form) decode(text []byte, a *Array) error {
	var err error
	if f.float() {
		a.Floats, err = f.floats(text)
		if f.columns && err == nil {
			a.Floats = rows(a.Floats, f.dims)
		}
		return err
	}
	a.Ints, err = f.ints(text)
	if f.columns && err == nil {
		a.Ints = rows(a.Ints, f.dims)
	}
	return err
}

func (f *form) floats(text []byte) ([]float32, error) {
	if f.encoding == "ASCII" {
		return ascii(text, f.count, func(s string) (float32, error) {
			v, err := strconv.ParseFloat(s, 32)
			return float32(v), err
		})
	}
	raw, err := f.raw(text)
	if err != nil {
		return nil, err
	}
	out := make([]float32, f.count)
	for i := range out {
		if f.typ == "NIFTI_TYPE_FLOAT64" {
			out[i] = float32(math.Float64frombits(f.order.Uint64(raw[8*i:])))
		} else {
			out[i] = math.Float32frombits(f.order.Uint32(raw[4*i:]))
		}
	}
	return out, nil
}

func (f *form) ints(text []byte) ([]int32, error) {
	if f.encoding == "ASCII" {
		return ascii(text, f.count, func(s string) (int32, error) {
			v, err := strconv.ParseInt(s, 10, 32)
			return int32(v), err
		})
	}
	raw, err := f.raw(text)
	if err != nil {
		return nil, err
	}
	out := make([]int32, f.count)
	for i := range out {
		v := f.integer(raw, i)
		if v != int64(int32(v)) {
			return nil, fault.Inputf("value %d is %d, beyond int32", i, v)
		}
		out[i] = int32(v)
	}
	return out, nil
}

func (f *form) integer(raw []byte, i int) int64 {
	switch f.typ {
	case "NIFTI_TYPE_UINT8":
		return int64(raw[i])
	case "NIFTI_TYPE_INT8":
		return int64(int8(raw[i]))
	case "NIFTI_TYPE_INT16":
		return int64(int16(f.order.Uint16(raw[2*i:])))
	case "NIFTI_TYPE_UINT16":
		return int64(f.order.Uint16(raw[2*i:]))
	case "NIFTI_TYPE_INT32":
		return int64(int32(f.order.Uint32(raw[4*i:])))
	case "NIFTI_TYPE_UINT32":
		return int64(f.order.Uint32(raw[4*i:]))
	}
	return int64(f.order.Uint64(raw[8*i:]))
}

// raw undoes base64 and zlib and checks the size. What is allocated grows with what is really there.
func (f *form) raw(text []byte) ([]byte, error) {
	want := f.count * widths[f.typ]
	packed := bytes.Join(bytes.Fields(text), nil)
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(packed)))
	n, err := base64.StdEncoding.Decode(raw, packed)
	if err != nil {
		return nil, fault.Inputf("the data of a GIFTI array are no base64: %w", err)
	}
	raw = raw[:n]
	if f.encoding == "GZipBase64Binary" {
		if raw, err = inflate(raw, want); err != nil {
			return nil, err
		}
	}
	if len(raw) != want {
		return nil, fault.Inputf("an array of shape %v needs %d bytes, the GIFTI file has %s%d", f.dims, want, more(len(raw) > want), len(raw))
	}
	return raw, nil
}

// more says that reading stopped at one byte too many.
func more(yes bool) string {
	if yes {
		return "at least "
	}
	return ""
}

// inflate gives at most want+1 bytes, so that too many are noticed and a bomb is not unpacked.
func inflate(packed []byte, want int) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fault.Inputf("the data of a GIFTI array are no zlib stream: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(z, int64(want)+1))
	if err != nil {
		return nil, fault.Inputf("the data of a GIFTI array are damaged: %w", err)
	}
	return raw, nil
}

func ascii[T any](text []byte, count int, parse func(string) (T, error)) ([]T, error) {
	fields := bytes.Fields(text)
	if len(fields) != count {
		return nil, fault.Inputf("%d values are announced, the GIFTI array has %d", count, len(fields))
	}
	out := make([]T, count)
	for i, s := range fields {
		v, err := parse(string(s))
		if err != nil {
			return nil, fault.Inputf("value %d is %q, which is no number of the array's type", i, s)
		}
		out[i] = v
	}
	return out, nil
}

// rows turns column-major (first index fastest) into row-major.
func rows[T any](in []T, dims []int) []T {
	out := make([]T, len(in))
	index := make([]int, len(dims))
	for _, x := range in {
		at := 0
		for d, n := range dims {
			at = at*n + index[d]
		}
		out[at] = x
		for d := range index {
			if index[d]++; index[d] < dims[d] {
				break
			}
			index[d] = 0
		}
	}
	return out
}
