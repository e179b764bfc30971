package pipeline

import (
	"path"
	"path/filepath"

	"cortexmap/extract"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
	"cortexmap/internal/tasks"
)

// namePictures finds, for every setting and subject, the pictures that extract.native names.
func (r *run) namePictures() error {
	for _, s := range r.settings {
		s.named = map[*brain][]int{}
		for _, b := range r.brains {
			rows, err := s.nativePictures(b)
			if err != nil {
				return err
			}
			s.named[b] = rows
		}
	}
	return nil
}

// nativePictures are the places of the pictures whose tokens are stored on native grids: extract.native.
func (r *setting) nativePictures(b *brain) ([]int, error) {
	want := r.Config.Extract.Native
	all := func() []int { return every(b.Images.Len(), 1) }
	switch {
	case len(want) == 1 && want[0] == "auto":
		if b.RDMs != nil {
			return all(), nil
		}
		return nil, nil
	case len(want) == 1 && want[0] == "none":
		return nil, nil
	case len(want) == 1 && want[0] == "all":
		return all(), nil
	}
	var rows []int
	found := make([]bool, len(want))
	for i := range b.Images.Stimuli {
		named := false
		for k, pattern := range want {
			name := b.Images.Stimuli[i].Name
			match, err := path.Match(pattern, name)
			if err != nil {
				return nil, fault.Inputf("extract.native: %q is not a valid pattern: %w", pattern, err).Remedy("a pattern takes *, ? and [abc]")
			}
			if match || pattern == name {
				named, found[k] = true, true
			}
		}
		if named {
			rows = append(rows, i)
		}
	}
	for k, pattern := range want {
		if !found[k] {
			return nil, fault.Inputf("extract.native: no picture of %s is called %q", b.Name, pattern).
				Remedy("names are paths below the pictures' folder, as %q", b.Images.Stimuli[0].Name)
		}
	}
	return rows, nil
}

// native plans the named pictures' tokens on the layers' own grids; nil where none is named.
func (r *setting) native(n *network, b *brain) *tasks.Task {
	rows := r.named[b]
	if len(rows) == 0 {
		return nil
	}
	stored := r.featuresKey(n, b).digest
	k := newKey("native", featuresVersion, "features", stored, "pictures", rows)
	folder := path.Join("features", store.SafeName(n.Name)+"-"+store.SafeName(b.Images.Name)+"-native-"+k.digest)
	return r.add("native", n.Name+" over named pictures of "+b.Images.Name, k, folder, []*tasks.Task{r.graph.Find(stored)},
		func(w work) error { return r.extractNative(n, b, rows, stored, k.digest, w) })
}

// extractNative fills a store of native grids, without the pictures that could not be decoded.
func (r *setting) extractNative(n *network, b *brain, rows []int, stored, key string, w work) error {
	rows, err := r.decoded(b, rows, stored)
	if err != nil {
		return err
	}
	if err := r.probe(w, n); err != nil {
		return err
	}
	w.Log.Info("extracting native grids", "network", n.Name, "pictures", len(rows))
	_, err = extract.Native(w.ctx, r.runtime, n.file, b.Images, rows, w.Dir, extract.RunOptions{
		Key: key, Name: n.Name, Protocol: r.extractProtocol(), Batch: r.Config.Extract.Batch, Threads: r.threads,
		Compression: r.Config.Extract.Compression, Version: r.Version,
		Progress: func(done, total int) { w.Progress("extract native grids of "+n.Name, done, total) },
	})
	return err
}

// decoded are those of the pictures that the extraction of the tokens could decode.
func (r *setting) decoded(b *brain, rows []int, tokens string) ([]int, error) {
	f, err := store.OpenFeatures(filepath.Join(r.out, filepath.FromSlash(r.graph.Find(tokens).Folder)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if len(f.Manifest.LeftOut) == 0 {
		return rows, nil
	}
	return b.stored(f, rows), nil
}
