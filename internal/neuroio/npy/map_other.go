//go:build !unix

package npy

import (
	"errors"
	"os"
)

// mapPages isn't there on this system; arrays are read through the file.
func mapPages(*os.File, int64) ([]byte, func() error, error) {
	return nil, nil, errors.New("npy: files are not mapped on this system")
}
