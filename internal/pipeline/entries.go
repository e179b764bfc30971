package pipeline

import (
	"encoding/json"
	"path/filepath"
	"time"

	"cortexmap/analyze"
	"cortexmap/analyze/report"
)

// mappingEntry is what run.json says of a mapping beyond what its own folder does: what network and subject are
// called now, and how they belong together. So `compare` needs nothing but the run's folder.
type mappingEntry struct {
	Folder        string            `json:"folder"`   // below out
	Features      string            `json:"features"` // folder of the tokens that it was fitted to, below out
	Model         string            `json:"model"`
	Family        string            `json:"family,omitempty"`
	Size          string            `json:"size,omitempty"`
	FinetunedFrom string            `json:"finetuned_from,omitempty"`
	Subject       string            `json:"subject"`
	Settings      string            `json:"settings,omitempty"` // what a sweep set
	Hierarchy     analyze.Hierarchy `json:"hierarchy"`
}

// entries are those of the mappings that are there.
func (r *run) entries() ([]mappingEntry, error) {
	out := []mappingEntry{}
	for _, m := range r.mappings {
		if !m.task.State.Finished() {
			continue
		}
		h, err := r.hierarchy(m.Brain)
		if err != nil {
			return nil, err
		}
		out = append(out, mappingEntry{Folder: m.task.Folder, Features: m.tokens.Folder, Model: m.Network.Name, Family: m.Network.family(),
			Size: m.Network.Size, FinetunedFrom: m.Network.FinetunedFrom, Subject: m.Brain.Name, Settings: m.Setting.Label, Hierarchy: h})
	}
	return out, nil
}

// together adds to a report what its mappings give together: before and after tuning, networks of a family, subjects.
func (r *run) together(w work, in *report.Input, mappings []*mapped, m *made) error {
	start := time.Now()
	var all []*fitted
	for i, run := range in.Runs {
		n := mappings[i].Network
		all = append(all, &fitted{Run: run, size: n.Size, base: n.FinetunedFrom, features: filepath.Join(r.out, filepath.FromSlash(mappings[i].tokens.Folder))})
	}
	j, err := compare(w.ctx, tuned(arms(all)), func(done, total int) { w.Progress("compare", done, total) })
	if err != nil {
		return err
	}
	if err := j.families(w.ctx, all, r.bounds()); err != nil {
		return err
	}
	spreads, err := r.spreads(all, mappings)
	if err != nil {
		return err
	}
	j.spread(spreads)
	in.Comparisons, in.Tables = j.comparisons, append(j.tables, imageDifferences(in.Runs, len(r.settings) > 1)...)
	in.Sections = append(in.Sections, j.sections...)
	if len(j.comparisons) > 0 {
		m.Seconds["comparisons"] = time.Since(start).Seconds()
	}
	return j.export(w.ctx, filepath.Join(w.Dir, "maps"), r.Version)
}

// indented is JSON for people. What can't be written is a bug.
func indented(v any) []byte {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic("pipeline: " + err.Error())
	}
	return append(data, '\n')
}
