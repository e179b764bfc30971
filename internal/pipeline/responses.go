package pipeline

import (
	"encoding/hex"
	"encoding/json"
	"path"
	"path/filepath"
	"sync"

	"cortexmap/internal/config"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
	"cortexmap/internal/synth"
	"cortexmap/internal/tasks"
)

// The demo's design, chosen so that a two-minute experiment can recover what was planted (fit.md 4.3):
// nine windows of each of 282 photographs, an averaged noise ceiling of 0.40, 2,000 of the 2,790 vertices
// of 30 visual areas. The generator is always lite0, whichever network is fitted.
const (
	demoGenerator = "lite0"
	demoVertices  = 2000
	demoWindows   = 9
	demoSeed      = 1
)

// simulation is what the simulated subject is made with and compared to.
type simulation struct {
	*network    // the generator
	options     synth.Options
	task        *tasks.Task
	mu          sync.Mutex // of what load reads
	truth       *store.Truth
	Description synth.Description
}

// responseFiles of a simulated subject's folder.
const (
	responsesName   = "responses.npy"
	descriptionName = "description.json"
)

// openSimulated lays out the simulated subject: places, regions and pictures, no responses yet.
func (r *run) openSimulated() (*brain, error) {
	sub, geometry, err := subject.Simulated(r.Demo, subject.SimOptions{Seed: demoSeed, MaxVertices: demoVertices, PerPhoto: demoWindows})
	if err != nil {
		return nil, err
	}
	// All its blocks and its own card, whatever the run says of the networks that are fitted.
	gen, err := r.openNetwork(config.Model{Path: demoPrefix + demoGenerator}, nil)
	if err != nil {
		return nil, err
	}
	images := sub.Images.Digest()
	b := &brain{Subject: sub, geometry: geometry, imagesKey: hex.EncodeToString(images[:])}
	b.sim = &simulation{network: gen, options: synth.Options{Seed: demoSeed, Generator: demoGenerator}}
	b.dataKey = b.responsesKey().digest
	return b, nil
}

// responses plans what a simulated subject answers; a recorded one already has.
func (r *run) responses(b *brain) {
	if b.sim == nil || b.sim.task != nil {
		return
	}
	folder := path.Join("subjects", store.SafeName(b.Name)+"-"+b.dataKey)
	b.sim.task = r.add("responses", b.Name, b.responsesKey(), folder, nil, func(w work) error { return r.simulate(b, w) })
	r.whose[b.sim.task] = whose{brain: b}
}

// load reads what a simulated subject answered, once a run.
func (r *run) load(b *brain) error {
	if b.sim == nil {
		return nil
	}
	b.sim.mu.Lock()
	defer b.sim.mu.Unlock()
	if b.sim.truth != nil {
		return nil
	}
	return b.load(filepath.Join(r.out, filepath.FromSlash(b.sim.task.Folder)))
}

// simulate runs the generator over the pictures and lets the planted units read its native tokens.
func (r *run) simulate(b *brain, w work) error {
	gen, dir := b.sim.network, w.Dir
	if err := r.probe(w, gen); err != nil {
		return err
	}
	w.Log.Info("simulating responses", "generator", demoGenerator, "units", b.Units, "pictures", b.Images.Len())
	made, err := Plant(w.ctx, r.runtime, gen.file, b.Subject, b.geometry, []synth.Options{b.sim.options},
		func(done, total int) { w.Progress("simulate "+b.Name, done, total) })
	if err != nil {
		return err
	}
	plan := made[0]
	if err := plan.Truth().Write(filepath.Join(dir, store.TruthName)); err != nil {
		return err
	}
	text, err := json.MarshalIndent(plan.Describe(), "", "  ")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(dir, descriptionName), append(text, '\n')); err != nil {
		return err
	}
	return store.WriteMatrix(filepath.Join(dir, responsesName), b.Images.Len(), b.Units, plan.Responses)
}

// load reads what simulate wrote.
func (b *brain) load(dir string) error {
	truth, err := store.ReadTruth(filepath.Join(dir, store.TruthName))
	if err != nil {
		return err
	}
	rows, cols, data, err := store.ReadMatrix(filepath.Join(dir, responsesName))
	if err != nil {
		return err
	}
	if rows != b.Images.Len() || cols != b.Units {
		return fault.Inputf("%s has %d × %d responses, %d pictures × %d units are expected", responsesName, rows, cols, b.Images.Len(), b.Units).
			In("%s", dir).Remedy("remove the folder: it is made again")
	}
	b.Responses = data
	b.Ceiling = make([]float32, len(truth.Ceiling))
	for i, c := range truth.Ceiling {
		b.Ceiling[i] = float32(c)
	}
	if err := durable.ReadJSON(filepath.Join(dir, descriptionName), &b.sim.Description, durable.MakeAnew); err != nil {
		return err
	}
	b.sim.truth = truth // last: it says that all is read
	return nil
}
