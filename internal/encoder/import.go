package encoder

import (
	"context"
	"os"
	"path/filepath"

	"cortexmap/fit"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
)

// ImportOptions are what an import starts from.
type ImportOptions struct {
	State   string // path of a published PyTorch state dict
	Like    string // a run's folder, or one mapping's, of the same subject
	Choice  Choice
	Out     string // the run's folder that the mapping is put into
	Threads int
	Version string // of cortexmap
}

// importVersion is raised when what an import makes of a state changes.
const importVersion = 1

// Import puts published weights beside the mappings of a run, as mappings/published/SUBJECT/paper-seed0-KEY,
// and returns that folder. One that is there already is kept.
func Import(ctx context.Context, rt *ort.Runtime, o ImportOptions) (string, error) {
	dir, err := choose(o.Like, o.Choice)
	if err != nil {
		return "", err
	}
	like, err := store.ReadMapping(dir)
	if err != nil {
		return "", err
	}
	f, err := os.Open(o.State)
	if err != nil {
		return "", fault.Inputf("the checkpoint can't be read: %w", err).Remedy("check the path")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return "", fault.Inputf("%s is no file", o.State).Remedy("give a .pt or .pth file")
	}
	m, err := fit.Published(ctx, rt, f, info.Size(), like, o.Threads)
	if err != nil {
		return "", placed(err, o.State)
	}
	digest, err := durable.Digest(o.State)
	if err != nil {
		return "", err
	}
	m.Info.Key = store.Key("published", importVersion, digest[:], like.Info.Key)
	m.Info.Network = store.ModelRef{Name: m.Info.Model, Path: o.State, Parameters: m.Info.Parameters}
	m.Info.Version = o.Version
	to := filepath.Join(o.Out, "mappings", m.Info.Model, store.SafeName(m.Info.Subject), "paper-seed0-"+m.Info.Key)
	if durable.Exists(to) {
		return to, nil
	}
	return to, m.Write(to)
}

// placed puts a path on a fault that has no place yet.
func placed(err error, path string) error {
	if f, ok := err.(*fault.Error); ok && f.At == "" {
		return f.In("%s", path)
	}
	return err
}
