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
	path string // as the user wrote it
	root *os.Root
	kind string // plain, algonauts or nsd
}

func openFolder(dir string) (*folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, durable.Explain(err, dir)
	}
	f := &folder{path: dir, root: root}
	switch {
	case f.has(descriptionName):
		f.kind = "plain"
		return f, nil
	case f.has(trainingFolder) || f.has(maskFolder):
		f.kind = "algonauts"
		return f, nil
	case f.has(nsdSubjects):
		f.kind = "nsd"
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
	if durable.Exists(filepath.Join(f.path, "nsddata")) {
		return fault.Inputf("%s is NSD's folder, without %s", f.path, nsdSubjects).
			Remedy("download the betas, and put nsddata, nsddata_betas and nsddata_stimuli side by side")
	}
	if betas, _ := filepath.Glob(filepath.Join(f.path, "subj*", filepath.FromSlash(nsdBetas))); len(betas) > 0 || durable.Exists(filepath.Join(f.path, filepath.FromSlash(nsdBetas))) {
		return fault.Inputf("%s is inside NSD's tree", f.path).
			Remedy("name the folder that holds nsddata, nsddata_betas and nsddata_stimuli, and the subject beside it: {path: FOLDER, subject: subj01}")
	}
	if inside, _ := filepath.Glob(filepath.Join(f.path, "*", filepath.FromSlash(trainingFolder))); len(inside) > 0 {
		return fault.Inputf("%s holds folders of the Algonauts challenge, %d in all: a subject is one of them", f.path, len(inside)).
			Remedy("name one of them, e.g. %s", filepath.Dir(inside[0]))
	}
	return fault.Inputf("%s has no %s", f.path, descriptionName).
		Remedy("name a subject's folder; `cortexmap subject init DIR` writes a commented %s", descriptionName)
}

// list is the names in a folder of the folder, sorted.
func (f *folder) list(dir string) ([]string, error) {
	entries, err := fs.ReadDir(f.root.FS(), dir)
	if err != nil {
		return nil, durable.Explain(err, f.place(dir))
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
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

// npyNumbers reads a whole .npy file.
func (f *folder) npyNumbers(name string) (shape []int, values []float64, err error) {
	a, err := f.npy(name)
	if err != nil {
		return nil, nil, err
	}
	defer a.Close()
	values, err = a.Float64()
	return a.Shape, values, err
}

// npyWhole reads a .npy file of whole numbers.
func (f *folder) npyWhole(name string) (shape []int, values []int64, err error) {
	a, err := f.npy(name)
	if err != nil {
		return nil, nil, err
	}
	defer a.Close()
	values, err = a.Int64()
	return a.Shape, values, fileFault(err, f.place(name))
}
