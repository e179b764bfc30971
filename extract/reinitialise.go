package extract

import (
	"io"
	"os"
	"path/filepath"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
)

// Reinitialised is the network's model with weights that say nothing (onnx.Reinitialise), to be opened by
// NetworkOptions.Bytes: the control for what architecture alone does. Nothing on disk is changed.
func (n *Network) Reinitialised(seed uint64) ([]byte, error) {
	model := n.source.bytes
	if model == nil {
		var err error
		if model, err = os.ReadFile(n.source.path); err != nil {
			return nil, fault.Inputf("%s can't be read: %w", n.source.path, err)
		}
	}
	out, drawn, err := onnx.Reinitialise(model, seed, func(location string, offset, length int64) ([]byte, error) {
		f, err := os.Open(filepath.Join(filepath.Dir(n.Path), filepath.FromSlash(location)))
		if err != nil {
			return nil, fault.Inputf("the weights in %s can't be read: %w", location, err)
		}
		defer f.Close()
		b := make([]byte, length)
		if _, err := io.ReadFull(io.NewSectionReader(f, offset, length), b); err != nil {
			return nil, fault.Inputf("the weights in %s can't be read: %w", location, err)
		}
		return b, nil
	})
	if err == nil && drawn == 0 {
		err = fault.Inputf("no weights were found that could be drawn anew").Remedy("leave random_weights out of analyze.controls")
	}
	return out, n.placed(err)
}
