package subject

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/pickle"
)

// challengeFamilies are those whose maps the challenge gives, in the order of neuro.md 2.1.
var challengeFamilies = []string{"prf-visualrois", "floc-bodies", "floc-faces", "floc-places", "floc-words", "streams"}

// families fills s.ROIs from the maps that are there.
func (c *challenge) families() error {
	s := c.s
	r := newRegions(s.Units)
	err := s.eachFamily(challengeFamilies, maskFolder, func(name string) (bool, error) { return c.family(r, r.atlas.family(name)) })
	if err != nil {
		return err
	}
	c.finish(r)
	return nil
}

// eachFamily reads families of regions, one after the other whatever is wrong with one, and warns of those that
// aren't in place.
func (s *Subject) eachFamily(names []string, place string, read func(name string) (there bool, err error)) error {
	var all []error
	var absent []string
	for _, name := range names {
		there, err := read(name)
		all = append(all, err)
		if !there {
			absent = append(absent, name)
		}
	}
	if err := errors.Join(all...); err != nil {
		return err
	}
	if absent != nil {
		s.warn("roi-missing", fmt.Sprintf("%s: %d of %d families of regions are not in %s: %s", s.Name, len(absent), len(names), place, strings.Join(absent, ", ")))
	}
	return nil
}

// family reads the labels of both hemispheres; there is false if there are none.
func (c *challenge) family(r *regions, f *family) (there bool, err error) {
	var labels [2][]int64
	for i := range c.sides {
		if labels[i], err = c.labels(c.sides[i], f.Name); err != nil {
			return true, err
		}
		there = there || labels[i] != nil
	}
	if !there {
		return false, nil
	}
	names, err := c.mapping(f)
	if err != nil {
		return true, err
	}
	for _, label := range slices.Sorted(maps.Keys(names)) {
		if label != 0 && !isBackground(names[label]) {
			r.declare(f.Name, names[label])
		}
	}
	from := 0
	for i, h := range c.sides {
		for u, label := range labels[i] {
			name, known := names[label]
			if !known && label > 0 {
				return true, named("roi-label", fault.Inputf("label %d (vertex %d of %s) has no name in mapping_%s.npy", label, u, h.name, f.Name).
					In("%s", c.folder.place(labelFile(h.name, f.Name, "challenge"))).Remedy("take masks and mapping from one download"))
			}
			if label <= 0 || isBackground(name) {
				continue
			}
			r.add(from+u, f.Name, name)
		}
		from += h.columns
	}
	return true, nil
}

// labelFile is the map of a family on one of the two sets of vertices: challenge or fsaverage.
func labelFile(side, family, space string) string {
	return path.Join(maskFolder, side+"."+family+"_"+space+"_space.npy")
}

// labels are those of a hemisphere's vertices that take part: from the map in challenge space, or from the one
// of the whole surface. Where both are there they are held against each other.
func (c *challenge) labels(h hemisphere, family string) ([]int64, error) {
	var own, surface []int64
	var err error
	if name := labelFile(h.name, family, "challenge"); c.has(name) {
		if _, own, err = c.whole(name); err != nil {
			return nil, err
		}
		if len(own) != h.columns {
			return nil, named("roi-count", fault.Inputf("the labels are %d, the vertices of %s %d", len(own), h.name, h.columns).In("%s", c.folder.place(name)).
				Remedy("labels are each subject's own: take this subject's"))
		}
	}
	if name := labelFile(h.name, family, "fsaverage"); c.has(name) {
		_, whole, err := c.whole(name)
		if err != nil {
			return nil, err
		}
		if len(whole) != sizes[challengeSurface] {
			return nil, named("roi-count", fault.Inputf("the labels are %d, the surface of a hemisphere has %d vertices", len(whole), sizes[challengeSurface]).In("%s", c.folder.place(name)))
		}
		surface = make([]int64, len(h.mask))
		for i, v := range h.mask {
			surface[i] = whole[v]
		}
	}
	if own == nil {
		return surface, nil
	}
	differ := 0
	for i := range surface {
		if surface[i] != own[i] {
			differ++
		}
	}
	if differ > 0 {
		return nil, named("roi-disagree", fault.Inputf("%d of %d vertices of %s have another label here than in fsaverage space", differ, len(own), h.name).
			In("%s", c.folder.place(labelFile(h.name, family, "challenge"))).Remedy("one of the two is another subject's: unpack this subject's archive again"))
	}
	return own, nil
}

// mapping reads the names of a family's labels; without the file they are the published ones.
func (c *challenge) mapping(f *family) (map[int64]string, error) {
	published := f.numbers()
	name := path.Join(maskFolder, "mapping_"+f.Name+".npy")
	if !c.has(name) {
		c.s.warn("mapping-missing", fmt.Sprintf("%s: %s is missing; the labels are named as published", c.s.Name, name))
		return published, nil
	}
	file, err := c.open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, durable.Explain(err, c.folder.place(name))
	}
	names, err := pickle.Mapping(file, info.Size())
	if err != nil {
		return nil, named("mapping", durable.Explain(fileFault(err, c.folder.place(name)), c.folder.place(name)))
	}
	if !maps.Equal(names, published) {
		c.s.warn("mapping-differs", fmt.Sprintf("%s: %s doesn't name the labels as published; the file counts", c.s.Name, name))
	}
	return names, nil
}
