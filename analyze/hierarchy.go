package analyze

import (
	"slices"
	"strings"

	"cortexmap/internal/store"
)

// Hierarchy is an ordered list of levels along the visual stream.
type Hierarchy struct {
	Name   string  `json:"name"` // glasser, paper, streams, or "own" for one that the user wrote
	Levels []Level `json:"levels"`
}

// Level is one step: an ROI, or several of which the unweighted mean of their means is taken.
type Level struct {
	Name string   `json:"name"`
	ROIs []string `json:"rois"`
}

// Place is where level k stands on the axis: k/(levels−1). Levels that have no data keep their place.
func (h Hierarchy) Place(k int) float64 { return float64(k) / float64(len(h.Levels)-1) }

// ROIs are all regions of the hierarchy, in its order.
func (h Hierarchy) ROIs() []string {
	var all []string
	for _, l := range h.Levels {
		all = append(all, l.ROIs...)
	}
	return all
}

// In says whether a vertex lies in a region. The region may be written in full (FAMILY/NAME) or by its
// name alone, which then stands for every family that has it.
func In(v *store.Vertex, roi string) bool {
	return slices.ContainsFunc(v.ROIs, func(full string) bool { return named(full, roi) })
}

// named says whether a region of this full name is meant by roi, which is written as In takes it.
func named(full, roi string) bool { return full == roi || strings.HasSuffix(full, "/"+roi) }
