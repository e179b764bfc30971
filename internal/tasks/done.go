package tasks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// keyDigits is the length of a key at the end of a folder's name.
const keyDigits = 12

// Index is the folders of finished and unfinished tasks that lie below an output folder, read once.
type Index struct {
	Done    map[string]string // key → folder, with slashes
	Partial map[string]string // key → its final folder, whose .partial is there
}

// ReadIndex lists the folders below root/TOP for each of the names. What isn't there holds nothing.
func ReadIndex(root string, tops []string) (Index, error) {
	x := Index{map[string]string{}, map[string]string{}}
	for _, top := range tops {
		if err := x.read(root, top, 0); err != nil {
			return x, err
		}
	}
	return x, nil
}

// deepest is how many folders lie above a task's: mappings/MODEL/SUBJECT/…
const deepest = 3

func (x *Index) read(root, dir string, depth int) error {
	entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(dir)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return durable.Explain(err, filepath.Join(root, dir))
	}
	for _, e := range entries {
		name, partial := strings.CutSuffix(e.Name(), durable.PartialSuffix)
		key := keyOf(name)
		switch {
		case !e.IsDir():
		case key != "" && partial:
			x.Partial[key] = path.Join(dir, name)
		case key != "":
			x.Done[key] = path.Join(dir, name)
		case depth < deepest:
			if err := x.read(root, path.Join(dir, e.Name()), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// keyOf is the key at the end of a folder's name, "" if there is none.
func keyOf(name string) string {
	at := len(name) - keyDigits
	if at < 1 || name[at-1] != '-' {
		return ""
	}
	for _, c := range []byte(name[at:]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	return name[at:]
}

// tops are the first words of the tasks' folders.
func (g *Graph) tops() []string {
	var tops []string
	seen := map[string]bool{}
	for _, t := range g.Tasks {
		top, _, _ := strings.Cut(t.Folder, "/")
		if !t.Fixed && !seen[top] {
			seen[top] = true
			tops = append(tops, top)
		}
	}
	return tops
}

// Look sets every task's state and folder from what lies in the output folder: kept, running, failed,
// interrupted or missing. It writes nothing.
func (g *Graph) Look() error {
	x, err := ReadIndex(g.Root, g.tops())
	if err != nil {
		return err
	}
	claims := newClaims(g.Root)
	claimed, err := names(filepath.Join(g.Root, filepath.FromSlash(claimsDir)))
	if err != nil {
		return err
	}
	failed, err := names(filepath.Join(g.Root, filepath.FromSlash(failedDir)))
	if err != nil {
		return err
	}
	for _, t := range g.Tasks {
		t.State, t.Err = Missing, nil
		folder, done := x.Done[t.Key]
		rest, partial := x.Partial[t.Key]
		switch {
		case t.Fixed:
			done = t.fixedDone(g.Root)
			partial = durable.Exists(filepath.Join(g.Root, filepath.FromSlash(t.Folder)) + durable.PartialSuffix)
		case done:
			t.Folder = folder
		case partial:
			t.Folder = rest
		}
		switch {
		case done:
			t.State = Kept
		case claimed[t.Key] && claims.held(t.Key):
			t.State = Running
		case failed[t.Key+".json"]:
			t.State = Failed
		case partial:
			t.State = Interrupted
		}
	}
	return nil
}

// held says whether a claim's process lives, as far as can be told now.
func (c *claims) held(key string) bool {
	_, gone := c.look(key)
	return !gone
}

func names(dir string) (map[string]bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, durable.Explain(err, dir)
	}
	out := map[string]bool{}
	for _, e := range entries {
		out[e.Name()] = true
	}
	return out, nil
}

// path is the task's folder under its final name.
func (t *Task) path(root string) string { return filepath.Join(root, filepath.FromSlash(t.Folder)) }

// done says whether the folder is there now.
func (t *Task) done(root string) bool {
	if t.Fixed {
		return t.fixedDone(root)
	}
	return durable.Exists(t.path(root))
}

// fixedDone says whether the folder of the one name was made with the task's key.
func (t *Task) fixedDone(root string) bool {
	r, err := ReadRecord(t.path(root))
	return err == nil && r.Key == t.Key
}

// recordFormat is the number of the form in which records are written.
const recordFormat = 1

// ReadRecord reads a folder's task.json.
func ReadRecord(dir string) (r Record, err error) {
	path := filepath.Join(dir, RecordName)
	if err := durable.ReadJSON(path, &r, durable.MakeAnew); err != nil {
		return Record{}, err
	}
	if r.Format != recordFormat {
		return Record{}, fault.Inputf("it has format %d, this cortexmap reads %d", r.Format, recordFormat).In("%s", path).Remedy(durable.MakeAnew)
	}
	return r, nil
}

// ReadFailure reads why a task failed when it was last tried; false if it did not. A note that can't be read says so in
// place of its reason.
func ReadFailure(root, key string) (f Failure, ok bool) {
	path := filepath.Join(root, filepath.FromSlash(failedDir), key+".json")
	err := durable.ReadJSON(path, &f, "run again: the task is tried again")
	if err != nil {
		f = Failure{Key: key, Error: err.Error()}
	}
	return f, !errors.Is(err, fs.ErrNotExist)
}

// seal writes the record of a filled folder: the last file before it gets its final name.
func (t *Task) seal(dir, version string, spent time.Duration) error {
	r := Record{Format: recordFormat, Kind: t.Kind, Name: t.Name, Key: t.Key, Parts: raw(t.Parts), Version: version,
		Seconds: spent.Seconds(), Threads: t.Cost.Threads}
	for _, n := range t.Needs {
		if !n.State.Finished() {
			r.Key = "incomplete, for " + t.Key
		}
	}
	var err error
	if r.Files, err = Sums(dir); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err // a bug: parts are what JSON can hold
	}
	return durable.WriteFile(filepath.Join(dir, RecordName), append(data, '\n'))
}

// Sums are the sizes and digests of a folder's files, but for the log and the record.
func Sums(dir string) (map[string]FileSum, error) {
	files := map[string]FileSum{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if stray, _ := filepath.Match(".*.tmp*", e.Name()); err != nil || stray || name == LogName || name == RecordName {
			return err
		}
		sum, err := sum(p)
		files[filepath.ToSlash(name)] = sum
		return err
	})
	return files, durable.Explain(err, dir)
}

func sum(path string) (FileSum, error) {
	f, err := os.Open(path)
	if err != nil {
		return FileSum{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return FileSum{n, hex.EncodeToString(h.Sum(nil))}, err
}

// raw is parts as they are written and compared: JSON without spaces, names in order.
func raw(parts []Part) []RawPart {
	out := make([]RawPart, len(parts))
	for i, p := range parts {
		data, err := json.Marshal(p.Value)
		if err != nil {
			panic("tasks: a key's part " + p.Name + ": " + err.Error())
		}
		out[i] = RawPart{p.Name, data}
	}
	return out
}

// compact is JSON without spaces.
func compact(v json.RawMessage) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, v); err != nil {
		return v // it is compared, and shown, as it is
	}
	return b.Bytes()
}
