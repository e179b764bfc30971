package report

import (
	"strings"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
	"cortexmap/internal/cortex"
	"cortexmap/internal/store"
)

// Outlines are the regions of the hierarchy as the mapping's vertices name them (all regions, if there is no
// hierarchy), the largest first. A mapping of every second vertex has no outlines worth drawing: then give
// those of the parcellation itself.
func Outlines(g *cortex.Geometry, m *store.Mapping, h analyze.Hierarchy) []draw.Outline {
	var out []draw.Outline
	for _, full := range regions(m, h) {
		o := draw.Outline{Name: full[strings.LastIndex(full, "/")+1:]}
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
