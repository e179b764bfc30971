package pipeline

import (
	"fmt"
	"path/filepath"
	"slices"

	"cortexmap/analyze"
	"cortexmap/analyze/report"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
	"cortexmap/internal/tasks"
)

// rdmSeed draws pictures anew and permutes them, always the same way.
const rdmSeed = 0

// likeness is a network beside a subject of which only RDMs are known.
type likeness struct {
	Setting        *setting
	Network        *network
	Brain          *brain
	stored, native *tasks.Task // native is nil where extract.native names no picture
	Scores         []analyze.RDMScore
}

func (l *likeness) needs() []*tasks.Task {
	if l.native == nil {
		return []*tasks.Task{l.stored}
	}
	return []*tasks.Task{l.native, l.stored}
}

func (l *likeness) nativeKey() string {
	if l.native == nil {
		return ""
	}
	return l.native.Key
}

// model is what tables call the network: with what is swept, where something is.
func (l *likeness) model() string {
	if l.Setting.Label == "" {
		return l.Network.Name
	}
	return l.Network.Name + ", " + l.Setting.Label
}

// likenesses plans the comparison of every network with every subject that has RDMs. Settings that differ in the fit
// alone are one.
func (r *setting) likenesses() {
	for _, b := range r.brains {
		if b.RDMs == nil {
			continue
		}
		for _, n := range r.networks {
			l := &likeness{Setting: r, Network: n, Brain: b, stored: r.graph.Find(r.featuresKey(n, b).digest), native: r.native(n, b)}
			same := func(o *likeness) bool { return o.stored == l.stored && o.native == l.native && o.Brain == b }
			if !slices.ContainsFunc(r.alike, same) {
				r.alike = append(r.alike, l)
			}
		}
	}
}

// scored makes the comparisons whose stores are there, on native grids and on the stored tokens; the others are named
// in a warning.
func (r *run) scored(w work) (all []*likeness, lacking []store.Warning, err error) {
	for _, l := range r.alike {
		var regions []analyze.BrainRDM
		for _, x := range l.Brain.RDMs {
			regions = append(regions, analyze.BrainRDM(x))
		}
		for _, t := range l.needs() {
			if !t.State.Finished() {
				lacking = append(lacking, store.Warning{ID: "features-failed", Text: t.Name + ": not there, because it failed"})
				continue
			}
			scores, err := r.scoreRDMs(w, t, l.Brain, regions)
			if err != nil {
				return nil, nil, err
			}
			l.Scores = append(l.Scores, scores...)
		}
		if l.Scores != nil {
			all = append(all, l)
		}
	}
	return all, lacking, nil
}

// scoreRDMs compares the layers of one store, which must have every picture.
func (r *run) scoreRDMs(w work, t *tasks.Task, b *brain, regions []analyze.BrainRDM) ([]analyze.RDMScore, error) {
	f, err := store.OpenFeatures(filepath.Join(r.out, filepath.FromSlash(t.Folder)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Len() != b.Images.Len() {
		return nil, fault.Inputf("%s has %d pictures, its RDMs need all %d", b.Name, f.Len(), b.Images.Len()).
			Remedy("leave --keep-going out to see which picture can't be decoded; extract.native must be auto, all or none here")
	}
	return analyze.ScoreRDMs(w.ctx, f, every(f.Len(), 1), regions, rdmSeed)
}

// rdmSections are the report's.
func rdmSections(all []*likeness) (sections []report.Section) {
	for _, l := range all {
		sections = append(sections, report.RDMSection(l.model(), l.Brain.Name, l.Brain.Simulated, l.Scores))
	}
	return sections
}

// rdmNotes say, for each region, which layer is most like it.
func rdmNotes(all []*likeness) (notes []string) {
	for _, l := range all {
		for _, x := range l.Brain.RDMs {
			tokens := "native"
			best, ok := analyze.BestRDM(l.Scores, x.ROI, tokens)
			if !ok {
				tokens = "stored"
				if best, ok = analyze.BestRDM(l.Scores, x.ROI, tokens); !ok {
					continue
				}
			}
			bounds := ""
			if best.Spearman.Lo == best.Spearman.Lo {
				bounds = fmt.Sprintf(" [%s, %s]", number(best.Spearman.Lo), number(best.Spearman.Hi))
			}
			notes = append(notes, fmt.Sprintf("%s and %s, %s: layer %s (%d of %d) is most alike, Spearman %s%s over %d pictures, %s tokens",
				l.model(), l.Brain.Name, x.ROI, best.Name, best.Layer+1, len(l.Scores)/len(l.Brain.RDMs)/kinds(l.Scores), number(best.Spearman.Estimate), bounds, best.Images, tokens))
		}
	}
	return notes
}

// kinds is how many kinds of tokens there are scores of.
func kinds(scores []analyze.RDMScore) int {
	seen := map[string]bool{}
	for _, s := range scores {
		seen[s.Tokens] = true
	}
	return len(seen)
}
