package pipeline

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
)

// ownPictures is extract.images where every subject's own pictures are extracted.
const ownPictures = "subject"

// shown is what a network is shown: a subject's pictures, or those that extract.images names.
type shown struct {
	*stimuli.Set
	key string // digest of the pictures
}

// openPictures opens what the settings' extract.images name, each once.
func (r *run) openPictures() error {
	r.pictures = map[string]shown{}
	for _, s := range r.settings {
		at := s.Config.Extract.Images
		if _, has := r.pictures[at]; has || at == ownPictures {
			continue
		}
		set, err := openSet(r.ctx, at)
		if err != nil {
			return err
		}
		digest := set.Digest()
		r.pictures[at] = shown{set, hex.EncodeToString(digest[:])}
	}
	return nil
}

// openSet opens a folder of pictures, or a list (.csv as in a subject's images.csv, .txt with a path a line) whose
// paths begin at the list's folder.
func openSet(ctx context.Context, at string) (*stimuli.Set, error) {
	info, err := os.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Inputf("extract.images: %s does not exist", at).Remedy("give `subject`, or the path of a folder or of a list of pictures")
	case err != nil:
		return nil, durable.Explain(err, at)
	case info.IsDir():
		return stimuli.Folder(ctx, os.DirFS(at), ".", stimuli.Options{Where: at})
	}
	f, err := os.Open(at)
	if err != nil {
		return nil, durable.Explain(err, at)
	}
	defer f.Close()
	rows, err := stimuli.ReadList(at, f)
	if err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(filepath.Base(at), filepath.Ext(at))
	return stimuli.List(ctx, os.DirFS(filepath.Dir(at)), ".", rows, stimuli.Options{Name: name, Where: filepath.Dir(at)})
}

// shown is what is extracted for a subject.
func (r *setting) shown(b *brain) shown {
	if p, ok := r.pictures[r.Config.Extract.Images]; ok {
		return p
	}
	return shown{b.Images, b.imagesKey}
}

// trained are the places, among the pictures shown, of those that a subject's fit is trained on.
func (r *setting) trained(ctx context.Context, b *brain) ([]int, error) {
	train, _, _, err := r.split(ctx, b)
	if err != nil {
		return nil, err
	}
	set := r.shown(b)
	at := make(map[store.Digest]int, set.Len())
	for i := range set.Stimuli {
		at[set.Stimuli[i].Digest] = i
	}
	var rows []int
	for _, i := range train {
		if row, ok := at[b.Images.Stimuli[i].Digest]; ok {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// donors are finished stores, in the order of their names, whose rows may be copied.
func (r *run) donors() []string {
	found, _ := filepath.Glob(filepath.Join(r.out, "features", "*", store.ManifestName)) // the pattern is a good one
	for i, f := range found {
		found[i] = filepath.Dir(f)
	}
	return found
}
