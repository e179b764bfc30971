// Package durable makes files and folders that are whole or absent.
//
// Everything under a final name was written beside it under a temporary one, synced, and renamed; the
// folder that holds it was synced last. A crash leaves at most a temporary name behind. This is the only
// way in the house to create a file under a final name (contract.md section 3). ReadJSON reads back what was written so,
// and may have been damaged since, or come from elsewhere.
package durable

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"cortexmap/internal/fault"
)

// PartialSuffix marks a folder that is being filled; a rerun goes on from what is finished in it.
const PartialSuffix = ".partial"

// File is a file on its way to a final name. Write to it, then Commit; Abort (a no-op after Commit)
// removes what was written, so `defer f.Abort()` is always right.
type File struct {
	*os.File
	final string
	done  bool
}

// Create opens a temporary file in the folder of path, which is made if it is missing.
func Create(path string) (*File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, Explain(err, path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), temporary(filepath.Base(path)))
	if err != nil {
		return nil, Explain(err, path)
	}
	return &File{File: f, final: path}, nil
}

// Commit syncs, closes and renames the file to its final name.
func (f *File) Commit() error {
	if f.done {
		return nil
	}
	if err := f.commit(); err != nil {
		f.Abort()
		return Explain(err, f.final)
	}
	f.done = true
	return nil
}

func (f *File) commit() error {
	// CreateTemp makes private files; results are for the user's group as the umask says.
	if err := f.Chmod(0o666 &^ umask()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), f.final); err != nil {
		return err
	}
	return syncDir(filepath.Dir(f.final))
}

// Abort closes and removes the temporary file unless it was committed.
func (f *File) Abort() {
	if f.done {
		return
	}
	f.done = true
	f.Close()
	os.Remove(f.Name())
}

// Write writes to the temporary file; a full disk comes back as a fault that names the final path.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, Explain(err, f.final)
}

// ReadFrom copies through Write, so that io.Copy tells a full disk as Write does.
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{f}, r)
}

// WriteFile puts data under path, whole or not at all.
func WriteFile(path string, data []byte) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Abort()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// Dir is a folder on its way to a final name. Files are put into Path (final name + ".partial"), each
// whole by itself, and what an interrupted run left there is kept for the next.
type Dir struct {
	Path  string
	final string
}

// OpenDir makes final+".partial", or goes on with it if it is there.
func OpenDir(final string) (*Dir, error) {
	d := &Dir{Path: final + PartialSuffix, final: final}
	if err := os.MkdirAll(d.Path, 0o777); err != nil {
		return nil, Explain(err, final)
	}
	return d, nil
}

// Commit removes stray temporary files, syncs the folder and renames it to its final name.
func (d *Dir) Commit() error {
	err := filepath.WalkDir(d.Path, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if ok, _ := filepath.Match(".*.tmp*", e.Name()); ok {
			return os.Remove(p)
		}
		return nil
	})
	if err == nil {
		err = syncDir(d.Path)
	}
	if err == nil {
		err = os.Rename(d.Path, d.final)
	}
	if err == nil {
		err = syncDir(filepath.Dir(d.final))
	}
	return Explain(err, d.final)
}

// Discard removes the unfinished folder.
func (d *Dir) Discard() error { return Explain(os.RemoveAll(d.Path), d.Path) }

// DiscardEmpty removes the unfinished folder if no finished file lies in it.
func (d *Dir) DiscardEmpty() {
	empty := true
	filepath.WalkDir(d.Path, func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if ok, _ := filepath.Match(".*.tmp*", e.Name()); !ok {
				empty = false
			}
		}
		return err
	})
	if empty {
		os.RemoveAll(d.Path)
	}
}

// Exists says whether a file or folder lies under its final name.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Digest is the SHA-256 of a file's bytes.
func Digest(path string) (sum [32]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, Explain(err, path)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, Explain(err, path)
	}
	copy(sum[:], h.Sum(nil))
	return sum, nil
}

// Size is the bytes of a file, or of all files below a folder; of what is not there, or goes meanwhile, none.
func Size(path string) (n int64, err error) {
	err = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			var info fs.FileInfo
			if info, err = e.Info(); err == nil {
				n += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return n, Explain(err, path)
}

// Explain turns an operating system's error about path into a fault with a remedy: a full disk, a
// missing permission and a read-only file system are the machine's, a missing file is the user's. A fault
// comes back without what a library that passed it on has put around it, nil and other errors as they are.
func Explain(err error, path string) error {
	var known *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	}
	f := explain(err, bare(err), path)
	if f == nil {
		return err
	}
	f.Err = err
	return f
}

func explain(err, why error, path string) *fault.Error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fault.Machinef("no space left to write %s: %w", path, why).
			Remedy("free some disk space, or choose another place with --out; finished parts are kept")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fault.Machinef("no permission for %s: %w", path, why).
			Remedy("check the folder's owner and mode, or choose another place with --out")
	case errors.Is(err, syscall.ENOTDIR):
		return fault.Inputf("%s needs a folder where a file stands", path).Remedy("check the path, or move the file away")
	case errors.Is(err, fs.ErrNotExist):
		return fault.Inputf("%s does not exist", path).Remedy("check the path")
	}
	return nil
}

// bare is err without the operation and the path that package os wraps around it: the message has the path
// that the user knows, which is not that of the temporary file.
func bare(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	// Some network file systems can't sync a folder; the rename stands all the same.
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
