package pipeline

import (
	"path"

	"cortexmap/extract"
	"cortexmap/internal/store"
	"cortexmap/internal/tasks"
)

// features plans a network's tokens for a subject's pictures.
func (r *setting) features(n *network, b *brain) *tasks.Task {
	k := r.featuresKey(n, b)
	folder := path.Join("features", store.SafeName(n.Name)+"-"+store.SafeName(b.Images.Name)+"-"+k.digest)
	return r.add("features", n.Name+" over "+b.Images.Name, k, folder, nil, func(w work) error { return r.extract(n, b, k.digest, w) })
}

// extract fills a feature store.
func (r *setting) extract(n *network, b *brain, key string, w work) error {
	if err := r.probe(w, n); err != nil {
		return err
	}
	w.Log.Info("extracting", "network", n.Name, "layers", len(n.file.Layers), "pictures", b.Images.Len())
	_, err := extract.Run(w.ctx, r.runtime, n.file, b.Images, w.Dir, extract.RunOptions{
		Key: key, Name: n.Name, Protocol: r.extractProtocol(), Batch: r.Config.Extract.Batch,
		Threads: r.threads, Compression: r.Config.Extract.Compression,
		KeepGoing: r.KeepGoing, Version: r.Version, Log: w.Log,
		Progress: func(done, total int) { w.Progress("extract "+n.Name, done, total) },
	})
	return err
}
