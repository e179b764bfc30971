package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"cortexmap/fit"
	"cortexmap/internal/durable"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
)

const noTopology = "no_topology" // of fit.ablation

// Methods of a mapping.
const (
	factorTopy  = "factortopy"
	freePicks   = "factortopy_free" // without topology: every unit picks for itself
	ridgeLayers = "ridge_layers"
)

// mapped is a mapping that exists, with what it was made from.
type mapped struct {
	*store.Mapping
	Network *network
	Brain   *brain
}

// named puts into the mapping what network and subject are called now; it may have been made under other
// names.
func (m *mapped) named() {
	m.Info.Model, m.Info.Family, m.Info.Subject = m.Network.Name, m.Network.family(), m.Brain.Name
}

// maps makes sure that every mapping of a network onto a subject exists: FactorTopy, without its topology
// where units have no positions, and a ridge regression a layer where asked for or where there is no topology.
func (r *run) maps(n *network, b *brain) error {
	ridge := slices.Contains(r.Config.Fit.Baselines, ridgeLayers)
	method := factorTopy
	if r.Config.Fit.Ablation == noTopology {
		method = freePicks
	}
	if b.Positions == nil {
		method, ridge = freePicks, true
		r.warn(store.Warning{ID: "no-positions", Text: fmt.Sprintf(
			"%s: its units have no positions, so that topology can't be used: every unit picks layers and place for itself", b.Name)})
	}
	for _, seed := range r.Config.Fit.Seeds {
		if err := r.mapping(n, b, method, seed); err != nil {
			return err
		}
		if ridge {
			if err := r.mapping(n, b, ridgeLayers, seed); err != nil {
				return err
			}
		}
	}
	return nil
}

// mapping makes sure that one mapping exists, and reads it.
func (r *run) mapping(n *network, b *brain, method string, seed int) error {
	key := r.mappingKey(n, b, method, seed)
	word := r.Config.Fit.Protocol
	if method == ridgeLayers {
		word = ridgeLayers
	}
	rel := filepath.Join("mappings", store.SafeName(n.Name), store.SafeName(b.Name), fmt.Sprintf("%s-seed%d-%s", word, seed, key))
	folder, err := r.task("mapping", fmt.Sprintf("%s onto %s, %s, seed %d", n.Name, b.Name, word, seed), key, rel, filled(func(dir string) error {
		m, err := r.fit(n, b, method, seed, dir, key)
		if err != nil {
			return err
		}
		r.describe(m, n, b, key)
		if err := m.WriteFiles(dir); err != nil {
			return err
		}
		if err := os.Remove(filepath.Join(dir, fit.CheckpointName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return durable.Explain(err, dir)
		}
		return nil
	}))
	if err != nil {
		return err
	}
	m, err := store.ReadMapping(filepath.Join(r.out, folder))
	if err != nil {
		return err
	}
	for _, w := range m.Info.Warnings {
		r.warn(w)
	}
	read := &mapped{Mapping: m, Network: n, Brain: b}
	read.named()
	r.mappings = append(r.mappings, read)
	return nil
}

// fit computes one mapping; dir is the unfinished folder, from whose checkpoint it goes on.
func (r *run) fit(n *network, b *brain, method string, seed int, dir, key string) (*store.Mapping, error) {
	rt, err := r.start()
	if err != nil {
		return nil, err
	}
	t := r.tokens[pair{n, b}]
	f, err := store.OpenFeatures(filepath.Join(r.out, t.folder))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := fit.Input{Features: f}
	if in.Train, in.Val, in.Test, err = r.split(b); err != nil {
		return nil, err
	}
	if len(t.manifest.LeftOut) > 0 {
		in.Train, in.Val, in.Test = b.stored(f, in.Train), b.stored(f, in.Val), b.stored(f, in.Test)
	}
	in.Subject = b.scoredOn(in.Test)
	r.Log.Info("fitting", "network", n.Name, "subject", b.Name, "method", method, "seed", seed,
		"train", len(in.Train), "val", len(in.Val), "test", len(in.Test))
	settings, err := fit.Defaults(r.Config.Fit.Protocol)
	if err != nil {
		return nil, err
	}
	settings.NoTopology = method == freePicks
	fitter := fit.Run
	if method == ridgeLayers {
		fitter = fit.Ridge
	}
	return fitter(r.ctx, rt, in, fit.Options{Settings: &settings, Seed: seed, Threads: r.Config.Threads, Log: r.Log,
		Checkpoint: dir, Key: key, Control: method == freePicks && b.Positions == nil,
		Progress: func(phase string, done, total int) { r.Progress("fit "+n.Name+": "+phase, done, total) }})
}

// stored are those of the pictures that extraction could decode; the others are named in its manifest.
func (b *brain) stored(f *store.Features, images []int) (there []int) {
	has := map[store.Digest]bool{}
	for _, d := range f.Images {
		has[d] = true
	}
	for _, i := range images {
		if has[b.Images.Stimuli[i].Digest] {
			there = append(there, i)
		}
	}
	return there
}

// scoredOn is the subject with the noise ceiling of the pictures that scores come from. (The simulated
// one's is planted, the same for every picture.)
func (b *brain) scoredOn(test []int) *subject.Subject {
	if b.sim != nil {
		return b.Subject
	}
	s := *b.Subject
	s.Ceiling = s.CeilingOf(test)
	return &s
}

// describe adds what only the pipeline knows to a mapping's fit.json.
func (r *run) describe(m *store.Mapping, n *network, b *brain, key string) {
	i := &m.Info
	i.Key, i.Model, i.Family, i.Version = key, n.Name, n.family(), r.Version
	if b.sim == nil {
		return
	}
	i.Generator = b.sim.options.Generator
	if n.weights != b.sim.weights {
		i.Warnings = append(i.Warnings, store.Warning{ID: "favours-generator", Text: fmt.Sprintf(
			"%s: its responses are simulated from %s, so that a comparison of networks on it favours %s", b.Name, i.Generator, i.Generator)})
	}
}

// split divides a subject's pictures; fit.images keeps a random part of the training ones.
func (r *run) split(b *brain) (train, val, test []int, err error) {
	s := r.Config.Fit.Split
	train, val, test, err = subject.Splits(b.Subject, subject.SplitOptions{By: s.By, Val: s.Val, Test: s.Test, Seed: s.Seed})
	if err != nil {
		return nil, nil, nil, err
	}
	if n := r.Config.Fit.Images; n > 0 && n < len(train) {
		rng := rand.New(rand.NewPCG(s.Seed, 0x7261696e)) // a stream of its own beside the split's
		rng.Shuffle(len(train), func(i, j int) { train[i], train[j] = train[j], train[i] })
		train = slices.Sorted(slices.Values(train[:n]))
	}
	return train, val, test, nil
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return durable.Explain(err, path)
	}
	return json.Unmarshal(data, into)
}
