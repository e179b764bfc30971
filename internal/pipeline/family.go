package pipeline

import (
	"context"
	"path/filepath"

	"cortexmap/analyze"
	"cortexmap/analyze/maps"
	"cortexmap/analyze/report"
	"cortexmap/internal/store"
)

// families adds what networks of one family, subjects of one kind, and fits to more and fewer images give together:
// scaling, groups and data curves.
func (j *joint) families(ctx context.Context, all []*fitted, bounds analyze.Bounds) error {
	var in []analyze.Fitted
	for _, f := range all {
		in = append(in, analyze.Fitted{Mapping: f.Mapping, Geometry: f.Geometry, Hierarchy: f.Hierarchy, Size: f.size, Bounds: bounds})
	}
	s, err := analyze.Scale(ctx, in)
	if err != nil {
		return err
	}
	if s != nil {
		j.sections = append(j.sections, report.ScalingSections(s)...)
	}
	curves, err := analyze.DataCurves(ctx, in)
	if err != nil {
		return err
	}
	if curves != nil {
		j.sections = append(j.sections, report.DataSection(curves))
	}
	j.groups, err = analyze.Groups(ctx, in)
	for _, g := range j.groups {
		j.sections = append(j.sections, report.GroupSections(g)...)
	}
	return err
}

// exportGroups writes the means over subjects as maps.
func (j *joint) exportGroups(ctx context.Context, dir, version string) error {
	for _, g := range j.groups {
		i := g.Info()
		i.Subject = "group"
		if err := maps.WriteMaps(ctx, filepath.Join(dir, store.SafeName(g.Model), store.SafeName("group-"+g.Protocol+"-"+g.Method)), maps.Derived{Info: i, Sources: g.Subjects, Maps: g.Maps, Version: version}); err != nil {
			return err
		}
	}
	return nil
}
