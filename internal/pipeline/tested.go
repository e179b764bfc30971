package pipeline

import (
	"encoding/hex"
	"path/filepath"

	"cortexmap/analyze"
	"cortexmap/analyze/report"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
)

// testSet brings a mapping's predictions for its test images together with the responses to them; nil where a mapping
// has no predictions.
func (r *run) testSet(m *mapped) (*analyze.TestSet, error) {
	dir := filepath.Join(r.out, filepath.FromSlash(m.task.Folder))
	p, err := store.ReadPredictions(dir, m.Mapping)
	if p == nil || err != nil {
		return nil, err
	}
	b := m.Brain
	at := make(map[string]int, len(b.Images.Stimuli))
	for i := range b.Images.Stimuli {
		at[hex.EncodeToString(b.Images.Stimuli[i].Digest[:])] = i
	}
	out := &analyze.TestSet{Predicted: p.Values}
	rows := make([]int, p.Images)
	for k, digest := range m.Info.Split.Test {
		i, ok := at[digest]
		if !ok {
			return nil, fault.New(fault.Bug, "%s: test image %s is none of %s", dir, digest, b.Name)
		}
		rows[k] = i
		out.Photos = append(out.Photos, b.Photo[i])
	}
	out.Measured = make([]float32, 0, len(p.Values))
	for u := range m.Vertices {
		if !m.Vertices[u].Fitted {
			continue
		}
		for _, i := range rows {
			out.Measured = append(out.Measured, b.Responses[i*b.Units+u])
		}
	}
	return out, nil
}

// imageDifferences sets every mapping's scores beside those of the first mapping of its subject, where both were
// scored on the same images.
func imageDifferences(runs []report.Run, swept bool) (out []*analyze.Table) {
	first := map[string]report.Run{}
	for _, run := range runs {
		name := run.Mapping.Info.Subject
		base, seen := first[name]
		switch {
		case run.Results.Scores == nil:
		case !seen:
			first[name] = run
		case analyze.SameTest(run.Mapping, base.Mapping):
			t := analyze.ImageDifferenceTable(run.Mapping, base.Mapping, analyze.DifferImages(run.Results.Scores, base.Results.Scores))
			if swept {
				t.Insert("seed", analyze.Column{Name: "settings", Doc: "what the sweep set"}, run.Mapping.Info.Swept)
				t.Insert("from_seed", analyze.Column{Name: "from_settings", Doc: "what the sweep set for the first"}, base.Mapping.Info.Swept)
			}
			out = append(out, t)
		}
	}
	return out
}
