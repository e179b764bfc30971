package pipeline

import (
	"path"

	"cortexmap/extract"
	"cortexmap/internal/store"
	"cortexmap/internal/tasks"
)

// features plans a network's tokens for a subject's pictures, or for those that extract.images names.
func (r *setting) features(n *network, b *brain) *tasks.Task {
	k, set := r.featuresKey(n, b), r.shown(b)
	folder := path.Join("features", store.SafeName(n.Name)+"-"+store.SafeName(set.Name)+"-"+k.digest)
	return r.add("features", n.Name+" over "+set.Name, k, folder, nil, func(w work) error { return r.extract(n, b, k.digest, w) })
}

// extract fills a feature store.
func (r *setting) extract(n *network, b *brain, key string, w work) error {
	if err := r.probe(w, n); err != nil {
		return err
	}
	e := r.Config.Extract
	o := extract.RunOptions{
		Key: key, Name: n.Name, Protocol: r.extractProtocol(), Batch: e.Batch,
		Threads: r.threads, Memory: int64(r.Config.Memory * (1 << 30)), Compression: e.Compression,
		Settings: r.rowsKey(n), Donors: r.donors(), Components: e.Components,
		KeepGoing: r.KeepGoing, Version: r.Version, Log: w.Log,
		Progress: func(done, total int) { w.Progress("extract "+n.Name, done, total) },
	}
	if e.Components > 0 {
		var err error
		if o.Train, err = r.trained(w.ctx, b); err != nil {
			return err
		}
	}
	w.Log.Info("extracting", "network", n.Name, "layers", len(n.file.Layers), "pictures", r.shown(b).Len())
	_, err := extract.Run(w.ctx, r.runtime, n.file, r.shown(b).Set, w.Dir, o)
	return err
}
