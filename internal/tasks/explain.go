package tasks

import (
	"bytes"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// Change is a part of a key that differs from an earlier folder's.
type Change struct {
	Part string `json:"part"`
	Was  string `json:"was,omitempty"` // JSON; "" where the folder had no such part
	Is   string `json:"is,omitempty"`
}

// Reason is why a task would run.
type Reason struct {
	Nearest string   `json:"nearest,omitempty"` // the folder that differs least, below the output folder; "" if there is none of the kind
	Changes []Change `json:"changes,omitempty"`
}

func (r Reason) String() string {
	if r.Nearest == "" {
		return "nothing of the kind is there"
	}
	var words []string
	for _, c := range r.Changes {
		was, is := c.Was, c.Is
		if was == "" {
			was = "nothing"
		}
		if is == "" {
			is = "nothing"
		}
		words = append(words, c.Part+": "+short(was)+" → "+short(is))
	}
	return "differs from " + r.Nearest + " in " + strings.Join(words, "; ")
}

// short cuts a value to what fits a line.
func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}

// Explain says of every task that would run which parts of its key differ from those of the folder of its kind
// that differs in the fewest: among those beside it, or else among all. Look comes before it.
func (g *Graph) Explain() (map[*Task]Reason, error) {
	x, err := ReadIndex(g.Root, g.tops())
	if err != nil {
		return nil, err
	}
	byKind, byPlace := map[string][]found{}, map[string][]found{}
	for _, folder := range sorted(x.Done) {
		g.file(folder, byKind, byPlace)
	}
	for _, t := range g.Tasks {
		if t.Fixed {
			g.file(t.Folder, byKind, byPlace)
		}
	}
	out := map[*Task]Reason{}
	for _, t := range g.Tasks {
		if t.State.Finished() {
			continue
		}
		candidates := byPlace[t.Kind+" "+path.Dir(t.Folder)]
		if len(candidates) == 0 {
			candidates = byKind[t.Kind]
		}
		out[t] = nearest(t, candidates)
	}
	return out, nil
}

// found is a finished folder's record.
type found struct {
	folder string
	parts  map[string][]byte
}

// file reads a folder's record. One that can't be read is nobody's neighbour.
func (g *Graph) file(folder string, byKind, byPlace map[string][]found) {
	r, err := ReadRecord(filepath.Join(g.Root, filepath.FromSlash(folder)))
	if err != nil {
		return
	}
	f := found{folder, map[string][]byte{}}
	for _, p := range r.Parts {
		f.parts[p.Name] = compact(p.Value)
	}
	byKind[r.Kind] = append(byKind[r.Kind], f)
	place := r.Kind + " " + path.Dir(folder)
	byPlace[place] = append(byPlace[place], f)
}

func nearest(t *Task, candidates []found) Reason {
	var best Reason
	parts := raw(t.Parts)
	for _, c := range candidates {
		if changes := differ(c.parts, parts); best.Nearest == "" || len(changes) < len(best.Changes) {
			best = Reason{c.folder, changes}
		}
	}
	return best
}

func differ(was map[string][]byte, is []RawPart) (changes []Change) {
	seen := map[string]bool{}
	for _, p := range is {
		seen[p.Name] = true
		if old := was[p.Name]; !bytes.Equal(old, compact(p.Value)) {
			changes = append(changes, Change{p.Name, string(old), string(compact(p.Value))})
		}
	}
	var gone []string
	for name := range was {
		if !seen[name] {
			gone = append(gone, name)
		}
	}
	sort.Strings(gone)
	for _, name := range gone {
		changes = append(changes, Change{name, string(was[name]), ""})
	}
	return changes
}

func sorted(byKey map[string]string) []string {
	var out []string
	for _, folder := range byKey {
		out = append(out, folder)
	}
	sort.Strings(out)
	return out
}
