package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"cortexmap/analyze"
	"cortexmap/analyze/maps"
	"cortexmap/analyze/report"
	"cortexmap/internal/store"
)

// fitted is a mapping with its results and what is said of its network.
type fitted struct {
	report.Run
	size     string // of the network, as the file says it
	base     string // name of the network that it was tuned from
	features string // folder of its tokens; "" where they are not there
}

// arm are the fits of one network to one subject by one method, a seed each.
type arm struct {
	key  armKey
	fits []*fitted
}

type armKey struct{ model, subject, protocol, method, settings string }

// arms groups fits in the order of their first.
func arms(all []*fitted) (out []*arm) {
	place := map[armKey]*arm{}
	for _, f := range all {
		i := &f.Mapping.Info
		key := armKey{i.Model, i.Subject, i.Protocol, analyze.MethodOf(i), i.Swept}
		if place[key] == nil {
			place[key] = &arm{key: key}
			out = append(out, place[key])
		}
		place[key].fits = append(place[key].fits, f)
	}
	return out
}

// side is an arm as package analyze takes it.
func (a *arm) side() (out analyze.Arm) {
	for _, f := range a.fits {
		out.Fits, out.Clusters = append(out.Fits, f.Mapping), append(out.Clusters, f.Results.Clusters)
	}
	return out
}

// couple are two arms to be compared.
type couple struct{ before, after *arm }

// tuned are the couples of a network and the one that it was tuned from, by the same protocol and method.
func tuned(all []*arm) (out []couple) {
	for _, after := range all {
		base := after.fits[0].base
		for _, before := range all {
			key := after.key
			key.model = base
			if base != "" && before.key == key {
				out = append(out, couple{before, after})
			}
		}
	}
	return out
}

// joint is what several mappings give together.
type joint struct {
	comparisons []report.Comparison
	tables      []*analyze.Table
	sections    []report.Section
	groups      []*analyze.Group
	spreads     []*analyze.Spread
}

// mostImages is how many pictures the layers of two networks are compared over: Gram matrices of more cost minutes.
const mostImages = 400

// compare measures all couples; CKA of two networks once for each image set.
func compare(ctx context.Context, couples []couple, progress func(done, total int)) (*joint, error) {
	j := &joint{}
	similar := map[[2]string]*analyze.Similarity{}
	for k, c := range couples {
		progress(k, len(couples))
		first := c.before.fits[0]
		one, err := analyze.CompareArms(ctx, c.before.side(), c.after.side(), first.Geometry, first.Hierarchy)
		if err != nil {
			return nil, err
		}
		out := report.Comparison{Comparison: one, Outlines: first.Outlines}
		folders := [2]string{first.features, c.after.fits[0].features}
		known, done := similar[folders]
		switch {
		case done:
			out.Similarity = known
		case folders[0] == "" || folders[1] == "":
			out.NoLayers = "the tokens of both networks are needed, and a run folder without its features has none"
		case len(one.Before.Info.Layers) != len(one.After.Info.Layers):
			out.NoLayers = fmt.Sprintf("one has %d, the other %d", len(one.Before.Info.Layers), len(one.After.Info.Layers))
		default:
			s, t, err := similarity(ctx, folders)
			if err != nil {
				return nil, err
			}
			similar[folders], out.Similarity = s, s
			j.tables = append(j.tables, t)
		}
		j.comparisons, j.tables = append(j.comparisons, out), append(j.tables, analyze.ComparisonTable(one))
	}
	progress(len(couples), len(couples))
	return j, nil
}

// similarity compares the layers of two feature stores.
func similarity(ctx context.Context, folders [2]string) (s *analyze.Similarity, t *analyze.Table, err error) {
	a, err := store.OpenFeatures(folders[0])
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	b, err := store.OpenFeatures(folders[1])
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if s, err = analyze.CompareLayers(ctx, a, b, mostImages); err != nil {
		return nil, nil, err
	}
	return s, analyze.SimilarityTable(a, b, s), nil
}

// export writes difference maps, spreads and groups' means beside the mappings' own.
func (j *joint) export(ctx context.Context, dir, version string) error {
	for _, c := range j.comparisons {
		name := c.After.Info.Model + "-minus-" + c.Before.Info.Model
		i := c.Before.Info
		i.Simulated = i.Simulated || c.After.Info.Simulated
		if err := maps.WriteMaps(ctx, filepath.Join(dir, store.SafeName(name), store.SafeName(i.Protocol+"-"+analyze.MethodOf(&i))), maps.Derived{Info: i, Sources: []string{c.After.Info.Key, c.Before.Info.Key}, Maps: c.Maps, Version: version}); err != nil {
			return err
		}
	}
	if err := j.exportSpreads(ctx, dir, version); err != nil {
		return err
	}
	return j.exportGroups(ctx, dir, version)
}
