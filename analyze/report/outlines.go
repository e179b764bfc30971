package report

import (
	"io/fs"
	"strings"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
	"cortexmap/internal/cortex"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
)

// Outlines are the regions of the hierarchy as the mapping's vertices name them (all regions, if there is no
// hierarchy), the largest first. A mapping of every second vertex has no outlines worth drawing: then give
// those of the parcellation itself.
func Outlines(g *cortex.Geometry, m *store.Mapping, h analyze.Hierarchy) []draw.Outline {
	var out []draw.Outline
	for _, full := range regions(m, h) {
		o := draw.Outline{Name: last(full)}
		for side, hemi := range g.Hemis {
			o.In[side] = make([]bool, hemi.N())
		}
		for i := range m.Vertices {
			v := &m.Vertices[i]
			if side := cortex.Side(v.Hemi); side >= 0 && int(v.Vertex) < len(o.In[side]) && analyze.In(v, full) {
				o.In[side][v.Vertex] = true
			}
		}
		out = append(out, o)
	}
	return out
}

// Parcellation are the regions of the hierarchy as two label files draw them (.annot, lh then rh), the largest
// first: for a mapping that left vertices out, whose own outlines would have holes.
func Parcellation(g *cortex.Geometry, h analyze.Hierarchy, fsys fs.FS, lh, rh string) ([]draw.Outline, error) {
	place, count := map[string]int{}, map[string]int{}
	var all []draw.Outline
	for _, roi := range h.ROIs() {
		name := last(roi)
		if _, twice := place[name]; !twice {
			place[name] = len(all)
			all = append(all, draw.Outline{Name: name})
		}
	}
	for side, file := range []string{lh, rh} {
		labels, err := cortex.LoadLabels(fsys, file)
		if err != nil {
			return nil, err
		}
		if n := g.Hemis[side].N(); len(labels.Vertex) != n {
			return nil, fault.Inputf("%s labels %d vertices, the surface %s has %d", file, len(labels.Vertex), g.Name, n)
		}
		for i := range all {
			all[i].In[side] = make([]bool, len(labels.Vertex))
		}
		for v, k := range labels.Vertex {
			if k < 0 {
				continue
			}
			if i, ok := place[labels.Names[k]]; ok {
				all[i].In[side][v] = true
				count[all[i].Name]++
			}
		}
	}
	var out []draw.Outline
	for _, name := range byCount(count) {
		out = append(out, all[place[name]])
	}
	return out, nil
}

// regions lists the full names of what is outlined, the one with most vertices first.
func regions(m *store.Mapping, h analyze.Hierarchy) []string {
	count := map[string]int{}
	for i := range m.Vertices {
		for _, roi := range m.Vertices[i].ROIs {
			count[roi]++
		}
	}
	wanted := h.ROIs()
	var out []string
	for _, roi := range byCount(count) {
		named := len(wanted) == 0
		for _, w := range wanted {
			named = named || roi == w || strings.HasSuffix(roi, "/"+w)
		}
		if named {
			out = append(out, roi)
		}
	}
	return out
}
