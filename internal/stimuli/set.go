package stimuli

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"cortexmap/internal/fault"
)

// Stimulus is one picture, or a window of one, as an experiment showed it.
type Stimulus struct {
	Digest  [32]byte          // identity: see the package comment
	Name    string            // path of the file inside the folder or zip, with slashes
	Photo   string            // which photograph: stimuli with the same one stay on one side of a split
	Window  *Window           // nil: the whole picture
	Columns map[string]string // what else the list says (split, session, …); nil without a list
}

// Label names the stimulus for people: its file, and its window if it has one.
func (s Stimulus) Label() string {
	if s.Window == nil {
		return s.Name
	}
	mirrored := ""
	if s.Window.Mirror {
		mirrored = " mirrored"
	}
	return fmt.Sprintf("%s [%d,%d %dx%d%s]", s.Name, s.Window.X, s.Window.Y, s.Window.W, s.Window.H, mirrored)
}

// Set is an ordered image set. The stimuli may be read and reordered; their pixels come from Pixels.
// A Set and everything derived from it share one source and one small cache of decoded photographs; all
// methods may be called at once from several goroutines.
type Set struct {
	Name    string
	Stimuli []Stimulus
	source  *source
}

// Len is the number of stimuli, N.
func (s *Set) Len() int { return len(s.Stimuli) }

// Close closes the zip that the set reads from; a set over a folder has nothing to close. Sets derived from
// this one can't be read afterwards either.
func (s *Set) Close() error { return s.source.close() }

// Digest identifies the set: the SHA-256 of its stimuli's digests in their order.
func (s *Set) Digest() [32]byte {
	h := sha256.New()
	for i := range s.Stimuli {
		h.Write(s.Stimuli[i].Digest[:])
	}
	return [32]byte(h.Sum(nil))
}

// Pixels decodes stimulus i. The result is shared with other callers and must not be changed.
//
// The last few photographs stay decoded, so windows of one photograph that are asked for near each other,
// by however many goroutines, decode it once. A file that can't be decoded, that grew beyond the limit of
// pixels, or that changed since the set was opened is a fault.Input that names it.
func (s *Set) Pixels(i int) (*RGB, error) {
	st := &s.Stimuli[i]
	img, err := s.source.photo(st.Name)
	if err != nil || st.Window == nil {
		return img, err
	}
	if !st.Window.Inside(img.W, img.H) {
		return nil, outside(st.Name, *st.Window, img.W, img.H)
	}
	return Crop(img, *st.Window), nil
}

// Size is the width and height of stimulus i in pixels: of its window, or of the upright picture. Both are 0
// if the file's header could not be read; Pixels then says why.
func (s *Set) Size(i int) (w, h int) {
	st := &s.Stimuli[i]
	if st.Window != nil {
		return st.Window.W, st.Window.H
	}
	f := s.source.files[st.Name]
	return f.w, f.h
}

// Subset is the set of the given stimuli, in the given order, over the same source.
func (s *Set) Subset(rows []int) *Set {
	out := &Set{Name: s.Name, source: s.source, Stimuli: make([]Stimulus, len(rows))}
	for k, i := range rows {
		out.Stimuli[k] = s.Stimuli[i]
	}
	return out
}

// Distinct is the set with repeats left out, in order of first appearance, and for each stimulus of s its
// place there, len Len(). Repeats keep the columns and the photo id of their first appearance.
func (s *Set) Distinct() (set *Set, place []int) {
	seen := make(map[[32]byte]int, s.Len())
	place = make([]int, s.Len())
	var rows []int
	for i := range s.Stimuli {
		k, ok := seen[s.Stimuli[i].Digest]
		if !ok {
			k = len(rows)
			seen[s.Stimuli[i].Digest] = k
			rows = append(rows, i)
		}
		place[i] = k
	}
	return s.Subset(rows), place
}

// windowDigest is the identity of a window of the file with the given digest: the package comment's rule.
func windowDigest(file [32]byte, r Window) [32]byte {
	b := make([]byte, 0, 32+16+1)
	b = append(b, file[:]...)
	for _, v := range []int{r.X, r.Y, r.W, r.H} {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	if r.Mirror {
		return sha256.Sum256(append(b, 1))
	}
	return sha256.Sum256(append(b, 0))
}

// stimulus is the whole picture of a file, or a window of it.
func (f *file) stimulus(name string, window *Window) Stimulus {
	st := Stimulus{Digest: f.digest, Name: name, Photo: hex.EncodeToString(f.digest[:]), Window: window}
	if window != nil {
		st.Digest = windowDigest(f.digest, *window)
	}
	return st
}

func outside(name string, r Window, w, h int) *fault.Error {
	return fault.Inputf("window x=%d y=%d w=%d h=%d does not lie within the picture, which is %d x %d pixels",
		r.X, r.Y, r.W, r.H, w, h).In("%s", name)
}

// Encoded is the file of stimulus i as it lies in the folder or zip; nil where pictures lie in an array.
func (s *Set) Encoded(i int) ([]byte, error) {
	if s.source.array != nil {
		return nil, nil
	}
	name := s.Stimuli[i].Name
	return s.source.read(name, s.source.place(name))
}
