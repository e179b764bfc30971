package stimuli

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"cortexmap/internal/fault"
)

// Options of opening an image set. The zero value is right for most.
type Options struct {
	Name      string // the set's name; "": the folder's or zip's own
	Where     string // what messages call the folder: its path as the user wrote it; "": dir
	MaxPixels int    // pixels of the largest picture that is decoded; 0: DefaultMaxPixels
	Workers   int    // goroutines that read and digest files; 0: GOMAXPROCS
	Forget    bool   // keep no decoded photograph: Pixels decodes every time, for those who measure it
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
	return src.everything(ctx, o)
}

// List is one stimulus a row, in the rows' order, of the pictures below dir. Files are paths below dir with
// slashes; one that leaves dir, or is missing, or a window that does not lie within its picture is a fault with
// the list's line.
func List(ctx context.Context, fsys fs.FS, dir string, rows []Row, o Options) (*Set, error) {
	return newSource(fsys, dir, o).set(ctx, o, rows)
}

// Zip is the set of a zip file's pictures: every one as Folder takes them if rows is nil, else as List does.
// The set keeps the zip open; Close closes it.
func Zip(ctx context.Context, name string, rows []Row, o Options) (*Set, error) {
	z, err := zip.OpenReader(name)
	if err != nil {
		return nil, explain(err, name, "give a zip file that `unzip -t` accepts")
	}
	if o.Name == "" {
		o.Name = strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	}
	if o.Where == "" {
		o.Where = name
	}
	src := newSource(z, ".", o)
	src.closer = z
	open := src.everything
	if rows != nil {
		open = func(ctx context.Context, o Options) (*Set, error) { return src.set(ctx, o, rows) }
	}
	set, err := open(ctx, o)
	if err != nil {
		z.Close()
	}
	return set, err
}

// source is where a set's files lie, what is known about them, and the photographs decoded last.
type source struct {
	fsys      fs.FS
	dir       string
	where     string
	maxPixels int
	closer    io.Closer                       // nil: nothing to close
	files     map[string]file                 // by path below dir; complete before the set is handed out, then only read
	array     func(name string) (*RGB, error) // of pictures that lie in an array; nil: they are files
	decoded   cache
	forget    bool
}

// file is what opening the set learnt about one file.
type file struct {
	digest [32]byte
	w, h   int // of the upright picture; 0: the header could not be read
}

func newSource(fsys fs.FS, dir string, o Options) *source {
	s := &source{fsys: fsys, dir: path.Clean(dir), where: o.Where, maxPixels: o.MaxPixels, files: map[string]file{}, forget: o.Forget}
	if s.where == "" {
		s.where = s.dir
	}
	if s.maxPixels <= 0 {
		s.maxPixels = DefaultMaxPixels
	}
	return s
}

func (s *source) close() error {
	if s.closer == nil {
		return nil
	}
	return s.closer.Close()
}

// place is what messages call a file.
func (s *source) place(name string) string {
	if s.where == "." {
		return name
	}
	return strings.TrimSuffix(s.where, "/") + "/" + name
}

// everything is the set of all pictures below the folder.
func (s *source) everything(ctx context.Context, o Options) (*Set, error) {
	names, err := s.walk(ctx)
	if err != nil {
		return nil, err
	}
	rows := make([]Row, len(names))
	for i, name := range names {
		rows[i].File = name
	}
	return s.set(ctx, o, rows)
}

// Endings of pictures: those that are read, and those that would be missed if they were passed over.
var (
	readable   = []string{".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp"}
	unreadable = []string{".gif", ".avif", ".heic", ".heif", ".jxl", ".jp2", ".psd", ".ppm", ".pgm", ".exr", ".dng"}
)

// walk lists the pictures below the folder in byte order.
func (s *source) walk(ctx context.Context) ([]string, error) {
	var names []string
	err := fs.WalkDir(s.fsys, s.dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return explain(err, s.place(s.below(p)), "")
		case ctx.Err() != nil:
			return ctx.Err()
		case p != s.dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		ending := strings.ToLower(path.Ext(p))
		if slices.Contains(unreadable, ending) {
			return fault.Inputf("pictures of the kind %s can't be read", ending).In("%s", s.place(s.below(p))).
				Remedy("convert it to PNG, or move it out of the folder")
		}
		if slices.Contains(readable, ending) {
			names = append(names, s.below(p))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fault.Inputf("no pictures here").In("%s", s.where).
			Remedy("give a folder or zip that holds files with one of the endings %s", strings.Join(readable, " "))
	}
	slices.Sort(names)
	return names, nil
}

// below is a path of fsys as seen from the folder.
func (s *source) below(p string) string {
	if s.dir == "." {
		return p
	}
	return strings.TrimPrefix(strings.TrimPrefix(p, s.dir), "/")
}

// set digests the files that the rows name and makes the set of them.
func (s *source) set(ctx context.Context, o Options, rows []Row) (*Set, error) {
	if len(rows) == 0 {
		return nil, fault.Inputf("the list names no pictures").In("%s", s.where)
	}
	if err := s.digest(ctx, o.Workers, rows); err != nil {
		return nil, err
	}
	set := &Set{Name: o.Name, Stimuli: make([]Stimulus, len(rows)), source: s}
	if set.Name == "" {
		set.Name = path.Base(strings.TrimSuffix(s.where, "/"))
	}
	for i, row := range rows {
		st, err := s.stimulus(row)
		if err != nil {
			return nil, err
		}
		set.Stimuli[i] = st
	}
	return set, nil
}

// stimulus is a row's stimulus, its window checked against the picture's size.
func (s *source) stimulus(row Row) (Stimulus, error) {
	f := s.files[row.File]
	window := row.Window
	if window == nil && row.Mirror {
		window = &Window{W: f.w, H: f.h, Mirror: true}
	}
	if window != nil && (f.w > 0 || row.Window == nil) && !window.Inside(f.w, f.h) {
		return Stimulus{}, outside(row.place(s), *window, f.w, f.h)
	}
	st := f.stimulus(row.File, window)
	st.Columns = row.Columns
	if row.Photo != "" {
		st.Photo = row.Photo
	}
	return st, nil
}

// digest fills in files for every file that the rows name, a few at a time.
func (s *source) digest(ctx context.Context, workers int, rows []Row) error {
	first := make(map[string]int, len(rows))
	var names []string
	for i, row := range rows {
		if _, ok := first[row.File]; !ok {
			first[row.File] = i
			names = append(names, row.File)
		}
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	found := make([]file, len(names))
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for k, name := range names {
		if inner.Err() != nil {
			break
		}
		g.Go(func() error {
			data, err := s.read(name, rows[first[name]].place(s))
			if err != nil {
				return err
			}
			found[k].digest = sha256.Sum256(data)
			found[k].w, found[k].h, _ = uprightSize(data) // a broken header is reported by Pixels, where it can be skipped
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for k, name := range names {
		s.files[name] = found[k]
	}
	return nil
}

// read is a file's bytes; place is what a message calls it.
func (s *source) read(name, place string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, fault.Inputf("the path leaves the folder, which is refused").In("%s", place).
			Remedy("write paths inside the folder %s, with slashes", s.where)
	}
	f, err := s.fsys.Open(path.Join(s.dir, name))
	if err != nil {
		remedy := ""
		if strings.Contains(name, `\`) {
			remedy = "write / between folders"
		}
		return nil, explain(err, place, remedy)
	}
	defer f.Close()
	// No picture within the limit of pixels needs more than 8 bytes for each (RGBA of 16 bits, not compressed).
	limit := 8*int64(s.maxPixels) + 1<<20
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, explain(err, place, "")
	}
	if int64(len(data)) > limit {
		return nil, fault.Inputf("the file is larger than %d MB, more than a picture of %s pixels needs", limit>>20, millions(s.maxPixels)).
			In("%s", place).Remedy("shrink the picture; networks see a few hundred pixels a side")
	}
	return data, nil
}

// photo is a file's picture, from the cache if it was asked for lately.
func (s *source) photo(name string) (*RGB, error) {
	decode := func() (*RGB, error) {
		if s.array != nil {
			return s.fromArray(name)
		}
		data, err := s.read(name, s.place(name))
		if err != nil {
			return nil, err
		}
		if sha256.Sum256(data) != s.files[name].digest {
			return nil, s.changed(name)
		}
		img, err := Decode(data, s.maxPixels)
		var f *fault.Error
		if errors.As(err, &f) {
			return nil, f.In("%s", s.place(name))
		}
		return img, err
	}
	if s.forget {
		return decode()
	}
	return s.decoded.get(name, decode)
}

// fromArray is a picture that lies in an array.
func (s *source) fromArray(name string) (*RGB, error) {
	img, err := s.array(name)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(img.Pix) != s.files[name].digest {
		return nil, s.changed(name)
	}
	return img, nil
}

func (s *source) changed(name string) error {
	return fault.Inputf("the file changed while it was in use").In("%s", s.place(name)).
		Remedy("run again; what was made from the old picture is recognised and made anew")
}

// explain makes a fault of a file system's error.
func explain(err error, place, remedy string) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		return err
	}
	f := &fault.Error{Class: fault.Input, What: "can't be read: " + err.Error(), At: place, Fix: remedy, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.What = "no such file"
	case errors.Is(err, fs.ErrPermission):
		f.Class, f.What = fault.Machine, "no permission to read it"
	}
	return f
}

func millions(n int) string {
	if n >= 1_000_000 {
		return fmt.Sprintf("%d million", n/1_000_000)
	}
	return fmt.Sprint(n)
}
