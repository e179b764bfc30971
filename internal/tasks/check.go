package tasks

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"cortexmap/internal/durable"
)

// Verify reads a finished folder again and says what is wrong with it: its record must have the key of its
// name, digest must give that key from the record's parts, and every file must have the size and the bytes that
// the record says. Nothing wrong is nil.
func Verify(dir, key string, digest func(kind string, parts []RawPart) string) ([]string, error) {
	r, err := ReadRecord(dir)
	if err != nil {
		return []string{fmt.Sprintf("%s can't be read: %v", RecordName, err)}, nil
	}
	var wrong []string
	if r.Key != key {
		wrong = append(wrong, fmt.Sprintf("its record is of key %s, its name of %s", r.Key, key))
	}
	if d := digest(r.Kind, r.Parts); d != r.Key {
		wrong = append(wrong, fmt.Sprintf("the parts of its key give %s, not %s", d, r.Key))
	}
	files, err := Sums(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names2(r.Files, files) {
		want, recorded := r.Files[name]
		got, there := files[name]
		switch {
		case !there:
			wrong = append(wrong, name+" is missing")
		case !recorded:
			wrong = append(wrong, name+" was not there when the folder was finished")
		case got != want:
			wrong = append(wrong, fmt.Sprintf("%s has changed since the folder was finished (%d bytes, were %d)", name, got.Bytes, want.Bytes))
		}
	}
	return wrong, nil
}

// names2 are the names in either, sorted.
func names2(a, b map[string]FileSum) []string {
	seen := map[string]bool{}
	var out []string
	for _, m := range []map[string]FileSum{a, b} {
		for name := range m {
			if !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	sort.Strings(out)
	return out
}

// Rest is something in the output folder that no task of a graph refers to.
type Rest struct {
	Path  string `json:"path"` // below the output folder
	Why   string `json:"why"`
	Bytes int64  `json:"bytes"`
}

// Rests lists what lies in the output folder below the given names without a task that refers to it: finished and
// unfinished folders of other keys, old results that a crash left aside, failures of tasks that are done or
// not asked for, and claims of processes that are gone. What a living process claims is not among it.
func (g *Graph) Rests(tops []string) ([]Rest, error) {
	x, err := ReadIndex(g.Root, tops)
	if err != nil {
		return nil, err
	}
	claims := newClaims(g.Root)
	var out []Rest
	add := func(p, why string) error {
		n, err := durable.Size(filepath.Join(g.Root, filepath.FromSlash(p)))
		out = append(out, Rest{p, why, n})
		return err
	}
	claimed, err := names(filepath.Join(g.Root, filepath.FromSlash(claimsDir)))
	if err != nil {
		return nil, err
	}
	held := func(key string) bool { return claimed[key] && claims.held(key) }
	for key, folder := range x.Done {
		if g.byKey[key] == nil && !held(key) {
			err = add(folder, "finished, of another setting, version or input")
		}
		if err != nil {
			return nil, err
		}
	}
	for key, folder := range x.Partial {
		switch t := g.byKey[key]; {
		case held(key):
		case t == nil:
			err = add(folder+durable.PartialSuffix, "unfinished, of another setting, version or input")
		case t.State.Finished():
			err = add(folder+durable.PartialSuffix, "unfinished, and finished elsewhere")
		}
		if err != nil {
			return nil, err
		}
	}
	for _, t := range g.Tasks {
		if old := t.Folder + ".old"; t.Fixed && durable.Exists(filepath.Join(g.Root, filepath.FromSlash(old))) && !held(t.Key) {
			if err := add(old, "left aside by a run that was stopped"); err != nil {
				return nil, err
			}
		}
	}
	for name := range claimed {
		if key := strings.SplitN(name, ".", 2)[0]; name != key || !held(key) {
			if err := add(claimsDir+"/"+name, "claim of a process that is gone"); err != nil {
				return nil, err
			}
		}
	}
	failed, err := names(filepath.Join(g.Root, filepath.FromSlash(failedDir)))
	if err != nil {
		return nil, err
	}
	for name := range failed {
		if t := g.byKey[strings.TrimSuffix(name, ".json")]; t == nil || t.State.Finished() {
			if err := add(failedDir+"/"+name, "failure of a task that is done or not asked for"); err != nil {
				return nil, err
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out, nil
}

// Remove deletes what Rests found. A folder is renamed first, so that no half of it is ever found under its name.
func (g *Graph) Remove(r Rest) error {
	path := filepath.Join(g.Root, filepath.FromSlash(r.Path))
	aside := filepath.Join(filepath.Dir(path), ".removed."+filepath.Base(path)+".tmp")
	if err := os.RemoveAll(aside); err != nil {
		return durable.Explain(err, path)
	}
	if err := os.Rename(path, aside); err != nil {
		return durable.Explain(err, path)
	}
	if err := os.RemoveAll(aside); err != nil {
		return durable.Explain(err, path)
	}
	for dir := filepath.Dir(path); dir != filepath.Clean(g.Root); dir = filepath.Dir(dir) { // those that it leaves empty
		if os.Remove(dir) != nil {
			break
		}
	}
	return nil
}
