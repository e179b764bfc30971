package pipeline

import (
	"context"
	"fmt"
	"path/filepath"

	"cortexmap/analyze"
	"cortexmap/analyze/maps"
	"cortexmap/analyze/report"
	"cortexmap/internal/store"
)

// halved are the refits of one mapping to random halves of its training photographs, in sequence.
type halved struct {
	Of   *mapped
	each []*mapped
}

// halves plans the refits that fit.half_samples asks for.
func (r *setting) halves(m *mapped, seed int) {
	n := r.Config.Fit.HalfSamples
	if n == 0 {
		return
	}
	h := &halved{Of: m}
	for i := 1; i <= n; i++ {
		one := &mapped{Setting: r, Network: m.Network, Brain: m.Brain, how: m.how, tokens: m.tokens, half: i}
		k := newKey("half-sample mapping", mappingVersion, "mapping", m.task.Key, "half", i)
		word := fmt.Sprintf("%s-half%d-seed%d", store.SafeName(m.how.word(r.Config.Fit.Protocol)), i, seed)
		one.task = r.add("mapping", fmt.Sprintf("half-sample %d of %s", i, m.task.Name), k, mappingFolder(m.Network, m.Brain, word, k.digest), r.needs(m.tokens, m.Brain),
			func(w work) error { return r.fitInto(one, seed, w) })
		r.whose[one.task] = whose{m.Network, m.Brain}
		h.each = append(h.each, one)
	}
	r.run.halved = append(r.run.halved, h)
}

// spreads measures how far numbers move between seeds, and between half-samples; all are the mappings that are there.
func (r *run) spreads(all []*fitted, mappings []*mapped) (out []*analyze.Spread, err error) {
	for _, a := range arms(all) {
		if len(a.fits) > 1 {
			s := analyze.NewSpread(analyze.OverSeeds, a.side().Fits, a.fits[0].Geometry)
			a.fits[0].show(s)
			out = append(out, s)
		}
	}
	for i, m := range mappings {
		for _, h := range r.halved {
			if h.Of != m {
				continue
			}
			var fits []*store.Mapping
			for _, one := range h.each {
				if !one.task.State.Finished() {
					continue // it failed, and is listed so
				}
				if err := one.read(r.out); err != nil {
					return nil, err
				}
				fits = append(fits, one.Mapping)
			}
			if len(fits) > 1 {
				s := analyze.NewSpread(analyze.OverHalves, fits, all[i].Geometry)
				all[i].show(s)
				out = append(out, s)
			}
		}
	}
	return out, nil
}

// show puts maps of a spread behind a mapping's own.
func (f *fitted) show(s *analyze.Spread) {
	if len(f.Results.Maps) > 0 {
		f.Results.Maps = append(f.Results.Maps, s.Shown()...)
	}
}

// spread adds the spreads' sections, and keeps them for export.
func (j *joint) spread(all []*analyze.Spread) {
	j.spreads = all
	for i, s := range all {
		j.sections = append(j.sections, report.SpreadSection(s, i+1))
	}
}

// exportSpreads writes means and spreads as maps.
func (j *joint) exportSpreads(ctx context.Context, dir, version string) error {
	for _, s := range j.spreads {
		i := &s.Info
		name := store.SafeName(s.Over + "-" + i.Protocol + "-" + analyze.MethodOf(i))
		if i.Swept != "" {
			name = store.SafeName(name + "-" + i.Swept)
		}
		if err := maps.WriteMaps(ctx, filepath.Join(dir, store.SafeName(i.Model), name), maps.Derived{Info: s.Info, Sources: s.Sources, Maps: s.Maps, Version: version}); err != nil {
			return err
		}
	}
	return nil
}
