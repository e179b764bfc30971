package pipeline

import (
	"maps"
	"math"
	"slices"

	"cortexmap/analyze"
	"cortexmap/analyze/report"
)

// groupTable is a mapping's rows of the table groups: one for each group of the sweep that names its network,
// with the network's place in the group, so that a family can be read in the order of its sizes. nil where no
// group does.
func (r *run) groupTable(m *mapped, run report.Run) *analyze.Table {
	t := &analyze.Table{Name: "groups", Title: "Groups of networks", Columns: []analyze.Column{
		{Name: "group", Doc: "of sweep.groups"}, {Name: "position", Doc: "in the group, from 0"}, {Name: "model", Doc: "network"},
		{Name: "subject"}, {Name: "seed", Doc: "of the fit"}, {Name: "protocol"}, {Name: "method"},
		{Name: "r2_mean", Doc: "mean R² on test images, all fitted units"}, {Name: "r2_norm_mean", Doc: "mean R² / noise ceiling"},
		{Name: "slope", Doc: "of shares over regions, b1 − b0; empty without a hierarchy"},
		{Name: "params", Doc: "of the network"}, {Name: "simulated", Doc: "the responses are simulated"},
	}}
	slope := math.NaN()
	for _, a := range run.Results.Alignment {
		if a.Quantity == "share" && a.Over == "rois" {
			slope = a.Slope.Estimate
		}
	}
	i, sum := &m.Info, analyze.Summarise(m.Mapping)
	for _, name := range slices.Sorted(maps.Keys(r.Config.Sweep.Groups)) {
		if at := slices.Index(r.Config.Sweep.Groups[name], i.Model); at >= 0 {
			t.Add(name, at, i.Model, i.Subject, i.Seed, i.Protocol, i.Method, sum.R2, sum.R2Norm, slope, i.Network.Parameters, i.Simulated)
		}
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return t
}
