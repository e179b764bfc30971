package fit

import (
	"fmt"
	"strings"

	"cortexmap/internal/store"
)

// flatNamed is how many units a warning names; fit.json names all.
const flatNamed = 12

// unitName is what people call a unit: its hemisphere and vertex, or its row.
func (p *problem) unitName(u int) string {
	s := p.Subject
	if s.Hemi == nil || s.Hemi[u] == "" || s.Vertex == nil {
		return fmt.Sprintf("unit %d", u)
	}
	return fmt.Sprintf("%s %d", s.Hemi[u], s.Vertex[u])
}

// firstNames is the first names of a list.
func firstNames(names []string) string {
	if len(names) <= flatNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more (all in %s)", strings.Join(names[:flatNamed], ", "), len(names)-flatNamed, store.FitName)
}

// lookAtFlat names the units that don't vary over the images of a side, in the mapping and in warnings.
func (p *problem) lookAtFlat(m *store.Mapping) {
	var f store.Flat
	for u, v := range m.Vertices {
		if !v.Fitted {
			f.Train = append(f.Train, p.unitName(u))
			continue
		}
		if len(p.Val) > 1 && v.R2Val != v.R2Val {
			f.Val = append(f.Val, p.unitName(u))
		}
		if v.R2 != v.R2 {
			f.Test = append(f.Test, p.unitName(u))
		}
	}
	if f.Train != nil || f.Val != nil || f.Test != nil {
		m.Info.Flat = &f
	}
	if n := len(f.Val); n > 0 {
		p.warn("flat-val-responses", "%d fitted units don't vary over the validation images, and have no say in what those choose: %s", n, firstNames(f.Val))
	}
	if n := len(f.Test); n > 0 {
		p.warn("flat-test-responses", "%d fitted units don't vary over the test images, and have no score: %s", n, firstNames(f.Test))
	}
}
