package ort

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"fmt"
	"io"
	"os"
)

// biggest bounds what is read from an archive: the largest pinned library has 40 MB.
const biggest = 512 << 20

type member struct {
	io.Reader
	close func() error
}

func (m member) Close() error { return m.close() }

func openZip(archive, name string) (io.ReadCloser, error) {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return nil, err
	}
	r, err := z.Open(name)
	if err != nil {
		z.Close()
		return nil, err
	}
	return member{io.LimitReader(r, biggest), func() error { r.Close(); return z.Close() }}, nil
}

func openTar(archive, name string) (io.ReadCloser, error) {
	file, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(file)
	if err != nil {
		file.Close()
		return nil, err
	}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if h.Name == name {
			return member{io.LimitReader(r, biggest), file.Close}, nil
		}
	}
}
