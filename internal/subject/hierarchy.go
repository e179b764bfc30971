package subject

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// paper takes the publication's hierarchy, where at least two of its levels have units, unless a file of regions
// brought another.
func (b *builder) paper() error {
	if b.d.Hierarchy != nil {
		return b.hierarchy()
	}
	all, levels := Hierarchy("paper"), 0
	for _, l := range all {
		if slices.ContainsFunc(b.s.ROIs, func(rois []string) bool {
			return slices.ContainsFunc(rois, func(roi string) bool { return slices.Contains(l.ROIs, base(roi)) })
		}) {
			levels++
		}
	}
	if levels < 2 {
		return nil
	}
	b.d.Hierarchy = all
	return b.hierarchy()
}

// hierarchy turns the names of subject.yaml into those of s.ROIs: V1 finds FAMILY/V1 where one family has it.
func (b *builder) hierarchy() error {
	families := map[string][]string{}
	for _, rois := range b.s.ROIs {
		for _, roi := range rois {
			short := base(roi)
			if !slices.Contains(families[short], roi) {
				families[short] = append(families[short], roi)
			}
			if short != roi && families[roi] == nil {
				families[roi] = []string{roi}
			}
		}
	}
	var missing []string
	for i, level := range b.d.Hierarchy {
		out := Level{Name: level.Name}
		for _, name := range level.ROIs {
			found := families[name]
			if slices.Contains(found, name) {
				found = []string{name}
			}
			switch len(found) {
			case 0:
				missing = append(missing, name)
				out.ROIs = append(out.ROIs, name)
			case 1:
				out.ROIs = append(out.ROIs, found[0])
			default:
				slices.Sort(found)
				return b.doc.Fault("hierarchy."+strconv.Itoa(i), "%s is in several families: %s", name, strings.Join(found, ", ")).
					Remedy("write FAMILY/NAME")
			}
		}
		b.s.Hierarchy = append(b.s.Hierarchy, out)
	}
	if len(missing) > 0 {
		b.s.warn("hierarchy-missing", fmt.Sprintf("%s: no unit lies in %s, which the hierarchy names; a level without units is left out and keeps its place", b.s.Name, strings.Join(missing, ", ")))
	}
	return nil
}
