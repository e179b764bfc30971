package pipeline

import (
	"path/filepath"

	"cortexmap/extract"
	"cortexmap/internal/store"
)

// tokens are a feature store that is there.
type tokens struct {
	folder   string // below out
	key      string
	manifest store.Manifest
}

// features makes sure that a network's tokens for a subject's pictures are stored.
func (r *run) features(n *network, b *brain) error {
	t := tokens{key: r.featuresKey(n, b)}
	rel := filepath.Join("features", store.SafeName(n.Name)+"-"+store.SafeName(b.Images.Name)+"-"+t.key)
	folder, err := r.task("features", n.Name+" over "+b.Images.Name, t.key, rel, filled(func(dir string) error {
		if err := r.probe(n); err != nil {
			return err
		}
		r.Log.Info("extracting", "network", n.Name, "layers", len(n.file.Layers), "pictures", b.Images.Len())
		_, err := extract.Run(r.ctx, r.runtime, n.file, b.Images, dir, extract.RunOptions{
			Key: t.key, Name: n.Name, Protocol: r.extractProtocol(), Batch: r.Config.Extract.Batch,
			Threads: r.Config.Threads, Compression: r.Config.Extract.Compression,
			KeepGoing: r.KeepGoing, Version: r.Version, Log: r.Log,
			Progress: r.progress("extract %s", n.Name),
		})
		return err
	}))
	if err != nil {
		return err
	}
	if t.manifest, err = store.ReadManifest(filepath.Join(r.out, folder)); err != nil {
		return err
	}
	for _, w := range t.manifest.Warnings {
		r.warn(w)
	}
	t.folder = folder
	r.tokens[pair{n, b}] = t
	return nil
}
