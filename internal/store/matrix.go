package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"

	"cortexmap/internal/durable"
)

// The .npy format, version 1.0: the magic, two version bytes, the header's length (uint16 little-endian), a
// Python dict literal padded with blanks and closed by a newline so that the data begin at a multiple of 64,
// then the data. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
const npyMagic = "\x93NUMPY\x01\x00"

// WriteMatrix puts data [rows, cols], row-major, under path as a NumPy file (.npy, '<f4'), so that
// numpy.load opens it. It panics if the length disagrees.
func WriteMatrix(path string, rows, cols int, data []float32) error {
	if rows < 0 || cols < 0 || len(data) != rows*cols {
		panic(fmt.Sprintf("store: WriteMatrix: %d numbers for %d x %d", len(data), rows, cols))
	}
	var b bytes.Buffer
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, cols)
	size := (len(npyMagic)+2+len(header)+1+63)/64*64 - len(npyMagic) - 2
	b.WriteString(npyMagic)
	b.Write(binary.LittleEndian.AppendUint16(nil, uint16(size)))
	fmt.Fprintf(&b, "%-*s\n", size-1, header)
	file, err := durable.Create(path)
	if err != nil {
		return err
	}
	defer file.Abort()
	if _, err := file.Write(b.Bytes()); err != nil {
		return err
	}
	const piece = 1 << 20
	for ; len(data) > 0; data = data[min(piece, len(data)):] {
		if _, err := file.Write(encodeFloats(data[:min(piece, len(data))])); err != nil {
			return err
		}
	}
	return file.Commit()
}

var npyHeader = regexp.MustCompile(`^\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d{1,9}), (\d{1,9})\), \} *\n$`)

// ReadMatrix reads what WriteMatrix wrote: rows, columns, and the numbers, row-major. Other .npy files are
// neuroio/npy's. A file that is cut, or another's, is a fault naming it.
func ReadMatrix(path string) (rows, cols int, data []float32, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil, damaged(path, "the file is missing: %w", err)
	}
	if err != nil {
		return 0, 0, nil, durable.Explain(err, path)
	}
	rest, ok := bytes.CutPrefix(b, []byte(npyMagic))
	if !ok || len(rest) < 2 || len(rest) < 2+int(binary.LittleEndian.Uint16(rest)) {
		return 0, 0, nil, damaged(path, "no NumPy file of ours")
	}
	size := 2 + int(binary.LittleEndian.Uint16(rest))
	shape := npyHeader.FindSubmatch(rest[2:size])
	if shape == nil {
		return 0, 0, nil, damaged(path, "no matrix of little-endian float32")
	}
	rows, _ = strconv.Atoi(string(shape[1]))
	cols, _ = strconv.Atoi(string(shape[2]))
	if rest = rest[size:]; len(rest) != 4*rows*cols {
		return 0, 0, nil, damaged(path, "%d bytes of data, want %d x %d x 4", len(rest), rows, cols)
	}
	return rows, cols, decodeFloats(rest), nil
}
