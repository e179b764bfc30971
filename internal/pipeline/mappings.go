package pipeline

import (
	"context"
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
	"cortexmap/internal/tasks"
)

// Methods of a mapping; fit's baselines are the others.
const (
	factorTopy = "factortopy"
	freePicks  = "factortopy_free" // without topology: every unit picks for itself
)

// way is how a mapping is fitted.
type way struct {
	method   string // factorTopy, freePicks or a baseline
	ablation string // of FactorTopy: none, or a word of fit.ablation
}

func (w way) baseline() bool { return w.method != factorTopy && w.method != freePicks }

// word names the way in folders and logs.
func (w way) word(protocol string) string {
	switch {
	case w.baseline():
		return w.method
	case w.ablation == fit.NoAblation:
		return protocol
	}
	return protocol + "-" + w.ablation
}

// mapped is a mapping that is planned, with what it is made from; once its task is done it can be read.
type mapped struct {
	*store.Mapping
	Setting  *setting
	Network  *network
	Brain    *brain
	task     *tasks.Task
	tokens   *tasks.Task
	native   *tasks.Task // of the pictures that extract.native names; nil: of none, or a refit
	how      way
	shuffled bool // a control: its responses belong to other pictures
	half     int  // from 1: which random half of the training photographs it is fitted to; 0: all
}

// refit says what a mapping is that only helps to judge another; "" for one of its own.
func (m *mapped) refit() string {
	switch {
	case m.half > 0:
		return fmt.Sprintf("half-sample %d", m.half)
	case m.shuffled:
		return "shuffled"
	case m.Network.original != nil:
		return "random weights"
	}
	return ""
}

// named puts into the mapping what network, subject and setting are called now; it may have been made under
// other names.
func (m *mapped) named() {
	i := &m.Info
	i.Model, i.Family, i.Subject, i.Swept = m.Network.Name, m.Network.family(), m.Brain.Name, m.Setting.Label
	i.Regions = m.Brain.regions()
}

// regions are where the subject's regions come from.
func (b *brain) regions() (out []store.Region) {
	for _, r := range b.Regions {
		out = append(out, store.Region(r))
	}
	return out
}

// maps plans every mapping of a network onto a subject: FactorTopy with each ablation, without its topology where
// units have no positions, and the baselines; a ridge regression a layer is always there where there is no topology.
func (r *setting) maps(n *network, b *brain) {
	if b.Positions == nil {
		r.warn(store.Warning{ID: "no-positions", Text: fmt.Sprintf(
			"%s: its units have no positions, so that topology can't be used: every unit picks layers and place for itself", b.Name)})
	}
	for i, seed := range r.Config.Fit.Seeds {
		for k, w := range r.ways(b) {
			m := r.mapping(n, b, w, seed)
			if i == 0 && k == 0 {
				r.control(m, seed)
				r.halves(m, seed)
			}
		}
	}
}

// ways are how a subject is mapped.
func (r *setting) ways(b *brain) []way {
	var out []way
	add := func(w way) {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	for _, a := range r.Config.Fit.Ablation {
		w := way{factorTopy, a}
		if a == fit.NoTopology || b.Positions == nil {
			w.method = freePicks
		}
		if a == fit.NoTopology && b.Positions == nil {
			w.ablation = fit.NoAblation // there is no topology to leave out
		}
		add(w)
	}
	if b.Positions == nil {
		add(way{method: fit.RidgeLayers})
	}
	for _, base := range r.Config.Fit.Baselines {
		add(way{method: base})
	}
	return out
}

// mapping plans one mapping.
func (r *setting) mapping(n *network, b *brain, how way, seed int) *mapped {
	k := r.mappingKey(n, b, how, seed)
	word := how.word(r.Config.Fit.Protocol)
	m := &mapped{Setting: r, Network: n, Brain: b, how: how, tokens: r.graph.Find(r.featuresKey(n, b).digest), native: r.native(n, b)}
	name := fmt.Sprintf("%s onto %s, %s, seed %d", n.Name, b.Name, word, seed)
	if r.Label != "" {
		name += ", " + r.Label
	}
	m.task = r.add("mapping", name, k, mappingFolder(n, b, fmt.Sprintf("%s-seed%d", store.SafeName(word), seed), k.digest), r.needs(m.tokens, b),
		func(w work) error { return r.fitInto(m, seed, w) })
	r.mappings = append(r.mappings, m)
	r.whose[m.task] = whose{n, b}
	return m
}

// fitInto fills a mapping's folder.
func (r *setting) fitInto(p *mapped, seed int, w work) error {
	m, err := r.fit(p, seed, w)
	if err != nil {
		return err
	}
	r.describe(m, p.Network, p.Brain, p.task.Key)
	m.Info.Refit = p.refit()
	if err := m.WriteFiles(w.Dir); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(w.Dir, fit.CheckpointName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return durable.Explain(err, w.Dir)
	}
	return nil
}

// read reads a mapping that is there, once.
func (m *mapped) read(out string) error {
	if m.Mapping != nil {
		return nil
	}
	var err error
	if m.Mapping, err = store.ReadMapping(filepath.Join(out, filepath.FromSlash(m.task.Folder))); err == nil {
		m.named()
	}
	return err
}

// fit computes one mapping; it goes on from the checkpoint in the unfinished folder.
func (r *setting) fit(p *mapped, seed int, w work) (*store.Mapping, error) {
	n, b, how := p.Network, p.Brain, p.how
	rt, err := r.start(w)
	if err != nil {
		return nil, err
	}
	if err := r.load(b); err != nil {
		return nil, err
	}
	f, err := store.OpenFeatures(filepath.Join(r.out, filepath.FromSlash(p.tokens.Folder)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := fit.Input{Features: f}
	if in.Train, in.Val, in.Test, err = r.split(w.ctx, b); err != nil {
		return nil, err
	}
	if len(f.Manifest.LeftOut) > 0 {
		in.Train, in.Val, in.Test = b.stored(f, in.Train), b.stored(f, in.Val), b.stored(f, in.Test)
	}
	if p.half > 0 {
		if in.Train, err = subject.Half(b.Subject, in.Train, uint64(p.half)); err != nil {
			return nil, err
		}
	}
	in.Subject = b.scoredOn(in.Test)
	if p.shuffled {
		in.Subject = shuffle(in.Subject, in.Train, in.Val, in.Test)
	}
	w.Log.Info("fitting", "network", n.Name, "subject", b.Name, "method", how.method, "ablation", how.ablation, "seed", seed,
		"train", len(in.Train), "val", len(in.Val), "test", len(in.Test))
	settings, err := r.settings()
	if err != nil {
		return nil, err
	}
	settings.Ablation = how.ablation
	o := fit.Options{Settings: &settings, Seed: seed, Threads: r.threads, Memory: int64(r.Config.Memory * (1 << 30)), Device: r.fitDevice(), Log: w.Log,
		Checkpoint: w.Dir, Key: p.task.Key, Control: how.method == freePicks && b.Positions == nil,
		Progress: func(phase string, done, total int) { w.Progress("fit "+n.Name+": "+phase, done, total) }}
	if how.baseline() {
		return fit.Baseline(w.ctx, rt, how.method, in, o)
	}
	return fit.Run(w.ctx, rt, in, o)
}

// settings are the protocol's, with the hyper-parameters that the file names.
func (r *setting) settings() (fit.Settings, error) {
	s, err := fit.Defaults(r.Config.Fit.Protocol)
	if err != nil {
		return s, err
	}
	written, err := json.Marshal(r.Config.Fit.Hyper) // the keys are those of fit.Settings
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(written, &s)
}

// changed are the hyper-parameters that are not the protocol's own, found once: every mapping's key asks.
func (r *setting) changed() map[string]any {
	if r.hyper == nil {
		r.hyper = r.findChanged()
	}
	return r.hyper
}

func (r *setting) findChanged() map[string]any {
	own, err := fit.Defaults(r.Config.Fit.Protocol)
	now, err2 := r.settings()
	out := map[string]any{}
	if err != nil || err2 != nil {
		return out // config has checked the protocol's name
	}
	before, after := fields(own), fields(now)
	for name, x := range after {
		if x != before[name] {
			out[name] = x
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			out[name] = 0.0 // omitted because it is zero
		}
	}
	return out
}

func fields(s fit.Settings) map[string]any {
	text, _ := json.Marshal(s) // numbers, words and booleans
	out := map[string]any{}
	json.Unmarshal(text, &out)
	return out
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
	i.Key, i.Model, i.Family, i.Version, i.Regions = key, n.Name, n.family(), r.Version, b.regions()
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
func (r *setting) split(ctx context.Context, b *brain) (train, val, test []int, err error) {
	s := r.Config.Fit.Split
	clusters, err := r.clusters(ctx, b)
	if err != nil {
		return nil, nil, nil, err
	}
	train, val, test, err = subject.Splits(b.Subject, subject.SplitOptions{By: s.By, Clusters: clusters, Val: s.Val, Test: s.Test, Seed: s.Seed})
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
