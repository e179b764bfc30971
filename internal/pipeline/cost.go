package pipeline

import (
	"path/filepath"

	"cortexmap/internal/tasks"
)

// What a task is expected to take before anything like it was done here. Two cores of 2025, about 100 GFLOP/s
// together; a rough guide, which the folder's own finished tasks replace as soon as there are some.
const (
	extractMS     = 8.0 // milliseconds an image, of decoding and feeding
	extractMSper  = 3.5 // and a million parameters
	fitSeconds    = 480 // the default fit at paper scale, see below
	fitImages     = 9000
	fitUnits      = 37_984
	fitWidths     = 12 * 768
	fitFloor      = 2.0
	fitMemory     = 2.7e9 // beside the responses
	baseMemory    = 0.4e9 // ONNX Runtime, sessions, file buffers
	resultSeconds = 3.0   // a mapping's analyses, maps and plates
	tokenBytes    = 65 * 2
	estimatedOn   = 2.0 // cores
)

// estimate sets every task's cost: time from the records of finished tasks of the same kind where there are
// some, memory and disk from the sizes of what is read and written.
func (r *run) estimate() {
	rates := r.rates()
	for _, s := range r.settings {
		for _, b := range r.brains {
			for _, n := range s.networks {
				if t := r.graph.Find(s.featuresKey(n, b).digest); t != nil {
					r.costOfFeatures(t, s, n, b, rates)
				}
			}
		}
	}
	if j := r.judge; j != nil {
		for _, b := range r.brains {
			if t := r.graph.Find(j.by.featuresKey(j.network, b).digest); t != nil {
				r.costOfFeatures(t, j.by, j.network, b, rates)
			}
		}
	}
	for _, m := range r.mappings {
		r.costOfMapping(m, rates)
	}
	for _, t := range r.graph.Tasks {
		switch t.Kind {
		case "responses":
			set(t, 40*estimatedOn/float64(r.threads), rates)
			t.Cost.Memory, t.Cost.Disk = 1.2e9, 25e6
		case "results":
			set(t, resultSeconds*float64(len(r.mappings)), rates)
			t.Cost.Memory = int64(baseMemory)
			for _, m := range r.mappings {
				t.Cost.Memory += m.task.Cost.Disk * 3
				t.Cost.Disk += 5e6
			}
		}
	}
}

func (r *run) costOfFeatures(t *tasks.Task, s *setting, n *network, b *brain, rates map[string]rate) {
	images := float64(s.shown(b).Len())
	t.Cost.Memory = int64(baseMemory) + 2*n.file.Model.Size + 64<<20
	t.Cost.Disk = int64(images * float64(n.widths()) * tokenBytes)
	million := float64(n.file.Model.Parameters) / 1e6
	set(t, images/1000*(extractMS+extractMSper*million)*estimatedOn/float64(r.threads), rates)
}

func (r *run) costOfMapping(m *mapped, rates map[string]rate) {
	t, b := m.task, m.Brain
	images, units, widths := float64(b.Images.Len()), float64(b.Units), float64(m.Network.widths())
	if n := m.Setting.Config.Fit.Images; n > 0 {
		images = min(images, float64(n))
	}
	scale := 0.3*units/fitUnits + 0.7*widths/fitWidths
	t.Cost.Memory = int64(baseMemory + fitMemory*scale + 4*units*float64(b.Images.Len()))
	t.Cost.Disk = int64(4 * (units*128 + 256*widths + units*(30+4*float64(len(m.Network.file.Layers)))))
	set(t, max(fitFloor, fitSeconds*images/fitImages*scale*estimatedOn/float64(r.threads)), rates)
}

// widths is the sum of the layers' widths, as far as the file declares them; a layer of unknown width counts
// as 512.
func (n *network) widths() int {
	sum := 0
	for _, l := range n.file.Layers {
		if l.Width > 0 {
			sum += l.Width
		} else {
			sum += 512
		}
	}
	return sum
}

// rate is measured against estimated time.
type rate struct{ measured, estimated float64 }

// set takes the estimate of a task's time, corrected by what finished tasks of its kind took.
func set(t *tasks.Task, seconds float64, rates map[string]rate) {
	t.Cost.Seconds = seconds
	if r := rates[t.Kind]; r.estimated > 0 {
		t.Cost.Seconds *= r.measured / r.estimated
		t.Cost.Measured = true
	}
}

// maxRecords bounds how many finished tasks of a kind are read for their times.
const maxRecords = 50

// rates compares what finished tasks took with what had been expected of them.
func (r *run) rates() map[string]rate {
	rates := map[string]rate{}
	read := map[string]int{}
	expected := map[*tasks.Task]float64{}
	unmeasured := map[string]rate{}
	for _, s := range r.settings {
		for _, b := range r.brains {
			for _, n := range s.networks {
				if t := r.graph.Find(s.featuresKey(n, b).digest); t != nil && t.State.Finished() && read[t.Kind] < maxRecords {
					read[t.Kind]++
					r.costOfFeatures(t, s, n, b, unmeasured)
					expected[t] = t.Cost.Seconds
				}
			}
		}
	}
	for _, m := range r.mappings {
		if m.task.State.Finished() && read[m.task.Kind] < maxRecords {
			read[m.task.Kind]++
			r.costOfMapping(m, unmeasured)
			expected[m.task] = m.task.Cost.Seconds
		}
	}
	for t, seconds := range expected {
		record, err := tasks.ReadRecord(filepath.Join(r.out, filepath.FromSlash(t.Folder)))
		if err != nil || record.Seconds <= 0 || record.Threads < 1 {
			continue // an estimate goes without it
		}
		old := rates[t.Kind]
		// A record of other threads counts as if they had shared the work fairly.
		rates[t.Kind] = rate{old.measured + record.Seconds*float64(record.Threads)/float64(r.threads), old.estimated + seconds}
	}
	return rates
}
