package subject

import (
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/npy"
)

// descriptionName is the file that makes a folder a plain subject folder.
const descriptionName = "subject.yaml"

// folder is a subject's folder; nothing outside it can be opened through it.
type folder struct {
	path      string // as the user wrote it
	root      *os.Root
	algonauts bool // a folder of the challenge, without a subject.yaml
}

func openFolder(dir string) (*folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, durable.Explain(err, dir)
	}
	f := &folder{path: dir, root: root}
	if f.has(descriptionName) {
		return f, nil
	}
	if f.has(trainingFolder) || f.has(maskFolder) {
		f.algonauts = true
		return f, nil
	}
	root.Close()
	return nil, f.notPlain()
}

// has says whether the folder has a file or folder of that name.
func (f *folder) has(name string) bool {
	_, err := f.root.Stat(name)
	return err == nil
}

// notPlain says what a folder looks like that is no subject's.
func (f *folder) notPlain() error {
	for _, sign := range []string{"nsddata", "nsddata_betas"} {
		if durable.Exists(filepath.Join(f.path, sign)) {
			return fault.Inputf("%s is an NSD folder, which this version doesn't read", f.path).
				Remedy("describe its arrays by a subject.yaml; `cortexmap subject init DIR` writes a commented one")
		}
	}
	if inside, _ := filepath.Glob(filepath.Join(f.path, "*", filepath.FromSlash(trainingFolder))); len(inside) > 0 {
		return fault.Inputf("%s holds folders of the Algonauts challenge, %d in all: a subject is one of them", f.path, len(inside)).
			Remedy("name one of them, e.g. %s", filepath.Dir(inside[0]))
	}
	return fault.Inputf("%s has no %s", f.path, descriptionName).
		Remedy("name a subject's folder; `cortexmap subject init DIR` writes a commented %s", descriptionName)
}

// place is what messages call a file of the folder.
func (f *folder) place(name string) string { return filepath.Join(f.path, filepath.FromSlash(name)) }

// open opens a file of the folder. Paths that leave it, links that lead out of it included, are refused.
func (f *folder) open(name string) (*os.File, error) {
	if !fs.ValidPath(path.Clean(name)) || strings.Contains(name, `\`) {
		return nil, fault.Inputf("the path %q leaves the subject's folder, or isn't written with slashes", name).In("%s", f.place(descriptionName)).
			Remedy("put the file into the folder and write its path from there, with /")
	}
	file, err := f.root.Open(name)
	if err != nil {
		if _, outside := os.Stat(f.place(name)); outside == nil {
			return nil, fault.Inputf("%s can't be opened: a link on its way leads out of the subject's folder, or permission is missing", f.place(name)).
				Remedy("put the file itself into the folder")
		}
		return nil, durable.Explain(err, f.place(name))
	}
	info, err := file.Stat()
	if err == nil && info.IsDir() {
		err = fault.Inputf("%s is a folder, a file is needed", f.place(name))
	}
	if err != nil {
		file.Close()
		return nil, durable.Explain(err, f.place(name))
	}
	return file, nil
}

// read opens a file and gives it to a reader, whose faults get the file's name.
func read[T any](f *folder, name string, reader func(io.Reader) (T, error)) (out T, err error) {
	file, err := f.open(name)
	if err != nil {
		return out, err
	}
	defer file.Close()
	out, err = reader(file)
	return out, fileFault(err, f.place(name))
}

// npy opens a .npy file; the caller closes the array.
func (f *folder) npy(name string) (*npy.Array, error) {
	file, err := f.open(name)
	if err != nil {
		return nil, err
	}
	a, err := npy.OpenFile(file, f.place(name))
	return a, durable.Explain(err, f.place(name))
}

// numbers reads a whole .npy file.
func (f *folder) numbers(name string) (shape []int, values []float64, err error) {
	a, err := f.npy(name)
	if err != nil {
		return nil, nil, err
	}
	defer a.Close()
	values, err = a.Float64()
	return a.Shape, values, err
}

// whole reads a .npy file of whole numbers.
func (f *folder) whole(name string) (shape []int, values []int64, err error) {
	a, err := f.npy(name)
	if err != nil {
		return nil, nil, err
	}
	defer a.Close()
	values, err = a.Int64()
	return a.Shape, values, fileFault(err, f.place(name))
}
