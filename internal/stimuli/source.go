package stimuli

import (
	"archive/zip"
	"context"
	"io/fs"
)

// Options of opening an image set. The zero value is right for most.
type Options struct {
	Name      string // the set's name; "": the folder's or zip's own
	MaxPixels int    // pixels of the largest picture that is decoded; 0: DefaultMaxPixels
	Workers   int    // goroutines that read and digest files; 0: GOMAXPROCS
}

// DefaultMaxPixels bounds what a picture may claim to be: a few kilobytes of PNG can ask for gigabytes of memory.
const DefaultMaxPixels = 100_000_000

// Folder is every picture below dir (sub-folders included) once, in byte order of its path below dir. Names that
// begin with a dot and files that are no pictures by their ending are passed over; pictures of a kind that can't
// be read (gif, avif, heic, …) and a folder without pictures are faults. Every file is read once, to digest it.
//
// fsys may be an embedded folder, a zip.Reader, or os.Root.FS, which also keeps links inside.
func Folder(ctx context.Context, fsys fs.FS, dir string, o Options) (*Set, error) {
	src := newSource(fsys, dir, o)
	names, err := src.walk(ctx)
	if err != nil {
		return nil, err
	}
	return src.set(ctx, o, wholes(names))
}

// List is one stimulus a row, in the rows' order, of the pictures below dir. Files are paths below dir with
// slashes; one that leaves dir, or is missing, or a window that does not lie within its picture is a fault with
// the list's line.
func List(ctx context.Context, fsys fs.FS, dir string, rows []Row, o Options) (*Set, error) {
	return newSource(fsys, dir, o).set(ctx, o, rows)
}

// Zip is the set of a zip file's pictures: every one as Folder takes them if rows is nil, else as List does.
// The set keeps the zip open; Close closes it.
func Zip(ctx context.Context, path string, rows []Row, o Options) (*Set, error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return nil, explainZip(err, path)
	}
	set, err := zipSet(ctx, z, rows, o)
	if err != nil {
		z.Close()
		return nil, err
	}
	return set, nil
}
