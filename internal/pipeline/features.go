package pipeline

import (
	"path/filepath"

	"cortexmap/extract"
	"cortexmap/internal/store"
)

// protocol of extraction: its own, or else the fit's.
func (r *run) extractProtocol() string {
	if p := r.Config.Extract.Protocol; p != "" {
		return p
	}
	return r.Config.Fit.Protocol
}

// featuresKey is the digest of everything that determines a network's tokens for an image set.
func (r *run) featuresKey(n *network, b *brain) string {
	e := r.Config.Extract
	return store.Key("features", featuresVersion, n.weights, b.imagesKey,
		[]string(e.Layers), e.Grid, r.extractProtocol(), e.Batch, e.Compression, n.file.Card)
}

// featuresDir is the feature store's folder below out.
func (r *run) featuresDir(n *network, b *brain) string {
	return filepath.Join("features", store.SafeName(n.Name)+"-"+store.SafeName(b.Images.Name)+"-"+r.featuresKey(n, b))
}

// features makes sure that a network's tokens for a subject's pictures are stored.
func (r *run) features(n *network, b *brain) error {
	key := r.featuresKey(n, b)
	err := r.task("features", n.Name+" over "+b.Images.Name, key, r.featuresDir(n, b), filled(func(dir string) error {
		if err := r.probe(n); err != nil {
			return err
		}
		r.Log.Info("extracting", "network", n.Name, "layers", len(n.file.Layers), "pictures", b.Images.Len())
		_, err := extract.Run(r.ctx, r.runtime, n.file, b.Images, dir, extract.RunOptions{
			Key: key, Name: n.Name, Protocol: r.extractProtocol(), Batch: r.Config.Extract.Batch,
			Threads: r.Config.Threads, Compression: r.Config.Extract.Compression,
			KeepGoing: r.KeepGoing, Version: r.Version, Log: r.Log,
			Progress: r.progress("extract %s", n.Name),
		})
		return err
	}))
	if err != nil {
		return err
	}
	m, err := store.ReadManifest(filepath.Join(r.out, r.featuresDir(n, b)))
	if err != nil {
		return err
	}
	for _, w := range m.Warnings {
		r.warn(w)
	}
	return nil
}
