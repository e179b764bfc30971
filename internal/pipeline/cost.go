package pipeline

import (
	"path/filepath"
	"slices"

	"cortexmap/analyze"
	"cortexmap/fit"
	"cortexmap/internal/store"
	"cortexmap/internal/tasks"
)

// What a task is expected to take, before anything like it was done here. Times are of one core: products of networks
// at about 80 GFLOP/s, a fit's and a ridge's as they were measured on the 2 cores of 2025 that this was written on. They
// are right within a factor of two there, and the folder's own finished tasks correct them as soon as there are some.
//
//	tokens     N (c₁ + c₂ P)                                   N pictures, P products by weights a picture
//	fit        N W c₃ + M W c₄ + N V c₅ + Σ D³ c₉              D a layer's width, W = Σ D, V units, M images of the descent
//	  paper    N W c₆ · epochs                                 every layer in every step
//	  joint    + N V J c₁₀ + M V J c₁₁                         J = 65 L coefficients a unit of no_factorisation
//	ridge      N² W c₇ + s N³ c₈                               s kernels that are solved: layers, or mixtures of them
//
// Memory is beside a base the responses [N, V], the channels of the pictures that a fit goes through, L [65, 128] half
// floats a picture, of a joint selector nine times its coefficients [V, J], and of ridge the kernels [N, N]. Pages of
// mapped files are not in it: the kernel takes them back.
const (
	decodeSeconds  = 0.003   // c₁
	productSeconds = 26e-12  // c₂
	initSeconds    = 5.7e-6  // c₃
	descentSeconds = 2.3e-6  // c₄
	unitSeconds    = 2e-7    // c₅
	paperSeconds   = 5.4e-6  // c₆
	kernelSeconds  = 1.6e-9  // c₇: 2 · 65 operations
	solveSeconds   = 0.63e-9 // c₈
	squareSeconds  = 2e-8    // c₉: the statistics of a layer's tokens
	jointSeconds   = 1.2e-8  // c₁₀: of the closed forms, which paper has none of
	jointStep      = 5.5e-9  // c₁₁
	fitFloor       = 2.0

	responseSeconds = 42.0
	resultSeconds   = 6.0  // a mapping's analyses, maps and plates
	spinSeconds     = 60.0 // its maps turned on the sphere
	resultDisk      = 5e6  // a mapping's

	baseMemory    = 0.4e9 // ONNX Runtime, sessions, file buffers
	channelMemory = store.Tokens * 128 * 2
	mostChannels  = 7200 // pictures whose channels are held at once
	weightMemory  = 24 * 128
	jointMemory   = 9 * 4

	tokenBytes     = store.Tokens * 2
	perParameter   = 200 // products, of a network in which none could be counted
	bandedMixtures = 20  // that banded ridge tries
)

// estimate sets every task's cost: time from the records of finished tasks of the same kind where there are
// some, memory and disk from the sizes of what is read and written.
func (r *run) estimate() {
	e := newEstimator(r)
	e.all()
	e.measure()
	e.all()
}

// estimator estimates once, compares with what finished tasks took, and estimates again.
type estimator struct {
	*run
	fits  map[*setting]fit.Settings
	rates map[string]rate // by what is estimated alike
	alike map[*tasks.Task]string
}

func newEstimator(r *run) *estimator {
	e := &estimator{run: r, fits: map[*setting]fit.Settings{}}
	for _, s := range r.settings {
		e.fits[s], _ = s.settings() // what is wrong with them the fit will say
	}
	return e
}

// rate is measured against estimated time.
type rate struct{ measured, estimated float64 }

func (e *estimator) all() {
	e.alike = map[*tasks.Task]string{}
	for _, s := range e.settings {
		for _, b := range e.brains {
			for _, n := range s.networks {
				if t := e.graph.Find(s.featuresKey(n, b).digest); t != nil {
					e.features(t, s, n, b)
				}
				if t := s.native(n, b); t != nil {
					e.native(t, n, len(s.named[b]))
				}
			}
		}
	}
	if j := e.judge; j != nil {
		for _, b := range e.brains {
			if t := e.graph.Find(j.by.featuresKey(j.network, b).digest); t != nil {
				e.features(t, j.by, j.network, b)
			}
		}
	}
	for _, m := range e.mappings {
		e.mapping(m)
	}
	for _, c := range e.controlled {
		if c.Kind == analyze.RandomWeights {
			e.features(c.tokens, c.Setting, c.Network, c.Brain)
		}
		e.mapping(c.mapped)
	}
	for _, h := range e.halved {
		for _, one := range h.each {
			e.mapping(one)
		}
	}
	for _, t := range e.graph.Tasks {
		switch t.Kind {
		case "responses":
			e.set(t, t.Kind, responseSeconds)
			t.Cost.Memory, t.Cost.Disk = 1.2e9, 25e6
		case "results":
			e.results(t)
		}
	}
}

func (e *estimator) features(t *tasks.Task, s *setting, n *network, b *brain) {
	images := float64(s.shown(b).Len())
	t.Cost.Memory = int64(baseMemory) + 2*n.file.Model.Size + 64<<20
	t.Cost.Disk = int64(images * float64(n.widths()) * tokenBytes)
	e.set(t, t.Kind, images*n.seconds())
}

// native is tokens on the layers' own grids; a grid that the file doesn't declare counts as one of 14 × 14.
func (e *estimator) native(t *tasks.Task, n *network, images int) {
	tokens := 0
	for _, l := range n.file.Layers {
		places := l.Grid[0] * l.Grid[1]
		if places == 0 {
			places = 14 * 14
		}
		tokens += (places + 1) * width(l.Width)
	}
	t.Cost.Memory = int64(baseMemory) + 2*n.file.Model.Size + 64<<20
	t.Cost.Disk = int64(images) * int64(tokens) * 2
	e.set(t, t.Kind, float64(images)*n.seconds())
}

// seconds is what a picture takes one core.
func (n *network) seconds() float64 {
	if n.products == 0 {
		n.products = n.file.Model.Products(n.file.Card.Size)
		if n.products == 0 {
			n.products = perParameter * float64(n.file.Model.Parameters)
		}
	}
	return decodeSeconds + productSeconds*n.products
}

func (e *estimator) mapping(m *mapped) {
	t, b := m.task, m.Brain
	all, units, widths, layers := float64(b.Images.Len()), float64(b.Units), float64(m.Network.widths()), float64(len(m.Network.file.Layers))
	images := all
	if n := m.Setting.Config.Fit.Images; n > 0 {
		images = min(images, float64(n))
	}
	if m.half > 0 {
		images /= 2
	}
	responses := 4 * units * all
	predicted := 2 * units * all * m.Setting.Config.Fit.Split.Test // half floats
	if m.how.baseline() {
		solved, kept := layers, 3.0 // kernels: of one layer, scaled, and its factor
		switch m.how.method {
		case fit.RidgeAll:
			solved, kept = 1, layers+2
		case fit.Banded:
			solved, kept = bandedMixtures, layers+2
		}
		t.Cost.Memory = int64(baseMemory + responses + kept*8*images*images)
		t.Cost.Disk = int64(units*(60+8*layers) + predicted)
		e.set(t, "ridge", max(fitFloor, kernelSeconds*images*images*widths+solveSeconds*solved*images*images*images))
		return
	}
	t.Cost.Memory = int64(baseMemory + responses + channelMemory*layers*min(images, mostChannels) + weightMemory*(widths+units))
	t.Cost.Disk = int64(4*(units*128+256*widths+units*(30+4*layers)) + predicted)
	joint := m.jointCoefficients()
	t.Cost.Memory += int64(jointMemory * joint)
	t.Cost.Disk += int64(4 * joint)
	e.set(t, "fit", max(fitFloor, e.fitSeconds(m, images, units)))
}

// jointCoefficients is V J of a joint selector, 0 for three.
func (m *mapped) jointCoefficients() float64 {
	if m.how.ablation != fit.NoFactorisation {
		return 0
	}
	return float64(m.Brain.Units * store.Tokens * len(m.Network.file.Layers))
}

// fitSeconds is what a FactorTopy fit takes one core.
func (e *estimator) fitSeconds(m *mapped, images, units float64) float64 {
	s, widths, cubes := e.fits[m.Setting], 0.0, 0.0
	for _, l := range m.Network.file.Layers {
		d := float64(width(l.Width))
		widths += d
		cubes += d * d * d
	}
	joint := m.jointCoefficients()
	descent := s.Epochs * images
	if m.Setting.Config.Fit.Protocol == "paper" {
		return descent * (paperSeconds*widths + jointStep*joint)
	}
	if s.Images > 0 {
		descent = min(descent, float64(s.Images))
	}
	return images*(initSeconds*widths+unitSeconds*units+jointSeconds*joint) + descent*(descentSeconds*widths+jointStep*joint) + squareSeconds*cubes
}

func (e *estimator) results(t *tasks.Task) {
	seconds := resultSeconds * float64(len(e.mappings))
	t.Cost.Memory, t.Cost.Disk = int64(baseMemory), 0
	for _, m := range e.mappings {
		if m.Brain.geometry != nil && slices.Contains(m.Setting.controls(), analyze.Spun) {
			seconds += spinSeconds
		}
		t.Cost.Memory += m.task.Cost.Disk * 3
		t.Cost.Disk += resultDisk
	}
	e.set(t, t.Kind, seconds)
}

// widths is the sum of the layers' widths, as far as the file declares them.
func (n *network) widths() int {
	sum := 0
	for _, l := range n.file.Layers {
		sum += width(l.Width)
	}
	return sum
}

// width is a layer's, or what stands for one that the file doesn't declare.
func width(declared int) int {
	if declared > 0 {
		return declared
	}
	return 512
}

// set takes the estimate of a task's time on one core, corrected by what finished tasks took that are estimated alike.
func (e *estimator) set(t *tasks.Task, alike string, seconds float64) {
	e.alike[t] = alike
	t.Cost.Seconds = seconds / float64(e.threads)
	r := e.rates[alike]
	if t.Cost.Measured = r.estimated > 0; t.Cost.Measured {
		t.Cost.Seconds *= r.measured / r.estimated
	}
}

// maxRecords bounds how many finished tasks of a kind are read for their times.
const maxRecords = 50

// measure compares what finished tasks took with what was expected of them.
func (e *estimator) measure() {
	rates, read := map[string]rate{}, map[string]int{}
	for _, t := range e.graph.Tasks {
		alike := e.alike[t]
		if !t.State.Finished() || read[alike] == maxRecords {
			continue
		}
		read[alike]++
		record, err := tasks.ReadRecord(filepath.Join(e.out, filepath.FromSlash(t.Folder)))
		if err != nil || record.Seconds <= 0 || record.Threads < 1 {
			continue // an estimate goes without it
		}
		old := rates[alike]
		// A record of other threads counts as if they had shared the work fairly.
		rates[alike] = rate{old.measured + record.Seconds*float64(record.Threads)/float64(e.threads), old.estimated + t.Cost.Seconds}
	}
	e.rates = rates
}
