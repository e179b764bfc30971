package durable

import (
	"bytes"
	"encoding/json"
	"io"
	"os"

	"cortexmap/internal/fault"
)

// Bounds of what is read back. A record of a hundred thousand files, and the plan of ten thousand tasks, have a tenth
// of mostBytes. Values are counted before anything is decoded: three bytes of JSON can become 200 of memory, so that
// bytes alone bound nothing.
const (
	mostBytes  = 128 << 20
	mostValues = 4 << 20
)

// MakeAnew is the remedy where a file in a finished folder is not what was written there.
const MakeAnew = "delete its folder and run again: it will be made anew"

// ReadBounded reads a file of ours that may have been damaged, or have come from elsewhere.
func ReadBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Explain(err, path)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	switch {
	case err != nil:
		return nil, fault.Machinef("%s can't be read: %w", path, err)
	case len(data) > mostBytes:
		return nil, fault.Inputf("%s has more than %d MiB, which no file of its kind has", path, mostBytes>>20)
	}
	return data, nil
}

// ReadJSON reads a JSON file of ours into what it was written from. A file that is cut, empty, of other types than into's,
// or larger than any of its kind is a fault that names it, with this remedy; one that is missing can be told by
// errors.Is(err, fs.ErrNotExist).
func ReadJSON(path string, into any, remedy string) error {
	data, err := ReadBounded(path)
	if err != nil {
		return err
	}
	if n := bytes.Count(data, []byte{','}) + bytes.Count(data, []byte{'['}) + bytes.Count(data, []byte{'{'}); n > mostValues {
		return fault.Inputf("damaged: about %d values, no file of its kind has more than %d", n, mostValues).In("%s", path).Remedy("%s", remedy)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fault.Inputf("damaged: no JSON as it was written: %w", err).In("%s", path).Remedy("%s", remedy)
	}
	return nil
}
