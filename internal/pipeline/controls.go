package pipeline

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"cortexmap/analyze"
	"cortexmap/analyze/report"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
)

// controlSeed draws weights anew and gives responses to other pictures, always the same way.
const controlSeed = 0

// control is a mapping that takes away what another one claims.
type control struct {
	*mapped
	Kind string // analyze.RandomWeights, analyze.Shuffled
	Of   *mapped
}

// controls are those that the file asks for; auto is none in a single run, and all in a sweep.
func (r *setting) controls() []string {
	want := r.Config.Analyze.Controls
	switch {
	case len(want) == 1 && want[0] == "auto" && len(r.run.settings) > 1, len(want) == 1 && want[0] == "all":
		return []string{analyze.RandomWeights, analyze.Shuffled, analyze.Spun}
	case len(want) == 1 && (want[0] == "auto" || want[0] == "none"):
		return nil
	}
	return want
}

// randomised is the network with its weights drawn anew; they are drawn when it is first run, and never written.
func (r *setting) randomised(n *network) *network {
	for _, o := range r.drawn {
		if o.original == n {
			return o
		}
	}
	o := &network{Model: n.Model, layers: n.layers, file: n.file, original: n, weights: store.Key("weights drawn anew", n.weights, controlSeed)}
	o.Name = n.Name + " (random weights)"
	r.run.drawn = append(r.run.drawn, o)
	return o
}

// draw fills in the bytes of a network whose weights are drawn anew.
func (n *network) draw() (err error) {
	if n.original == nil || n.bytes != nil {
		return nil
	}
	n.bytes, err = n.original.file.Reinitialised(controlSeed)
	return err
}

// control plans the controls of a mapping: refits of the first seed's.
func (r *setting) control(m *mapped, seed int) {
	for _, kind := range r.controls() {
		n, shuffle := m.Network, false
		switch kind {
		case analyze.RandomWeights:
			n = r.randomised(m.Network)
			r.whose[r.features(n, m.Brain)] = whose{m.Network, m.Brain}
		case analyze.Shuffled:
			shuffle = true
		default:
			continue // turned maps need no fit
		}
		c := &control{Kind: kind, Of: m, mapped: &mapped{Setting: r, Network: n, Brain: m.Brain, how: m.how, shuffled: shuffle, tokens: r.graph.Find(r.featuresKey(n, m.Brain).digest)}}
		k := r.mappingKey(n, m.Brain, m.how, seed)
		if shuffle {
			k = newKey("shuffled mapping", mappingVersion, "mapping", k.digest, "shuffle", controlSeed)
		}
		word := fmt.Sprintf("%s-%s-seed%d", store.SafeName(m.how.word(r.Config.Fit.Protocol)), kind, seed)
		c.task = r.add("mapping", "control of "+m.task.Name+": "+kind, k, mappingFolder(m.Network, m.Brain, word, k.digest), r.needs(c.tokens, m.Brain),
			func(w work) error { return r.fitInto(c.mapped, seed, w) })
		r.whose[c.task] = whose{m.Network, m.Brain}
		r.run.controlled = append(r.run.controlled, c)
	}
}

// shuffle gives every side's responses to other pictures of that side.
func shuffle(s *subject.Subject, sides ...[]int) *subject.Subject {
	out := *s
	out.Responses = slices.Clone(s.Responses)
	random := rand.New(rand.NewPCG(controlSeed, 0x73687566)) // "shuf": a stream of its own
	for _, rows := range sides {
		for k, from := range random.Perm(len(rows)) {
			copy(out.Responses[rows[k]*s.Units:(rows[k]+1)*s.Units], s.Responses[rows[from]*s.Units:(rows[from]+1)*s.Units])
		}
	}
	return &out
}

// controlRows are what the controls say about a mapping; nil where none was asked for.
func (r *run) controlRows(w work, m *mapped, in analyze.Input, all []*mapped) ([]analyze.Control, error) {
	var rows []analyze.Control
	for _, c := range r.controlled {
		if c.Of != m {
			continue
		}
		if !c.task.State.Finished() {
			rows = append(rows, analyze.LackingControl(c.Kind, "the control could not be fitted: see its task"))
			continue
		}
		if err := c.read(r.out); err != nil {
			return nil, err
		}
		more, err := analyze.CompareControl(w.ctx, c.Kind, in, c.Mapping)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	if !slices.Contains(m.Setting.controls(), analyze.Spun) || m.Brain.geometry == nil {
		return rows, nil
	}
	others := map[string]*store.Mapping{}
	for _, o := range all {
		if o != m && o.Brain == m.Brain {
			others[o.task.Name] = o.Mapping
		}
	}
	spun, err := analyze.SpinControls(w.ctx, in, others, controlSeed)
	return append(rows, spun...), err
}

// shuffled is the control of a mapping whose responses belong to other pictures; nil where there is none.
func (r *run) shuffled(m *mapped) (*store.Mapping, error) {
	for _, c := range r.controlled {
		if c.Of != m || c.Kind != analyze.Shuffled || !c.task.State.Finished() {
			continue
		}
		err := c.read(r.out)
		return c.Mapping, err
	}
	return nil, nil
}

// addControls puts the controls of a mapping into its part of the report.
func (r *run) addControls(w work, run *report.Run, m *mapped, in analyze.Input, all []*mapped) error {
	rows, err := r.controlRows(w, m, in, all)
	if err != nil || rows == nil {
		return err
	}
	t := analyze.ControlTable(m.Mapping, rows)
	run.Results.Tables = append(run.Results.Tables, t)
	run.Sections = append(run.Sections, report.ControlSection(m.Info.Simulated, t, rows))
	return nil
}
