package subject

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"cortexmap/internal/fault"
)

// masks: every vertex of fsaverage, or those of the mask that was asked for.
func (n *nsd) masks() error {
	size := sizes[challengeSurface]
	given, err := n.givenMask(size)
	if err != nil {
		return err
	}
	for i := range n.sides {
		h := &n.sides[i]
		for v := range size {
			if given == nil || given[i][v] {
				h.mask = append(h.mask, int32(v))
			}
		}
		h.columns = len(h.mask)
	}
	if given == nil {
		n.s.warn("no-mask", fmt.Sprintf("%s: no mask is given, so that all %d vertices of fsaverage are taken; nsdgeneral has 37,984 of them (`mask:` of the subject)", n.s.Name, 2*size))
	}
	return nil
}

// regions reads the challenge's six families, each from the subject's own surface by way of NSD's transform, as
// the challenge did, or from a map of fsaverage.
func (n *nsd) regions() error {
	s := n.s
	r := newRegions(s.Units)
	own, err := n.transforms()
	if err != nil {
		return err
	}
	families := challengeFamilies
	if other := n.options.ROIs; other != "" && n.has(path.Join(nsdLabels, "fsaverage/label", "lh."+other+".mgz")) && !slices.Contains(families, other) {
		families = append(slices.Clone(families), other) // an atlas on fsaverage: Kastner2015, HCP_MMP1
	}
	if err := s.eachFamily(families, nsdLabels, func(name string) (bool, error) { return n.family(r, name, own) }); err != nil {
		return err
	}
	n.finish(r)
	return nil
}

// transforms are, for every vertex of fsaverage, the vertex of the subject's own surface, counted from 1; nil
// where the file is missing.
func (n *nsd) transforms() (out [2][]int64, err error) {
	for i, h := range n.sides {
		name := path.Join("nsddata/ppdata", n.id, "transforms", h.name+".white-to-fsaverage.mgz")
		if !n.has(name) {
			continue
		}
		if _, out[i], err = n.whole(name); err != nil {
			return out, err
		}
		if len(out[i]) != sizes[challengeSurface] {
			return out, named("roi-count", fault.Inputf("the transform has %d numbers, fsaverage %d vertices", len(out[i]), sizes[challengeSurface]).In("%s", n.folder.place(name)))
		}
		if slices.Min(out[i]) < 1 {
			return out, named("id-base", fault.Inputf("the transform names vertex %d, it counts from 1", slices.Min(out[i])).In("%s", n.folder.place(name)).Remedy("download it again"))
		}
	}
	return out, nil
}

// family reads one family's maps of both hemispheres.
func (n *nsd) family(r *regions, name string, own [2][]int64) (there bool, err error) {
	native, shared := path.Join(nsdLabels, n.id, "label"), path.Join(nsdLabels, "fsaverage/label")
	from := 0
	var files []string
	var labels [2][]int64
	for i, h := range n.sides {
		switch file := path.Join(native, h.name+"."+name+".mgz"); {
		case own[i] != nil && n.has(file):
			files = append(files, file)
			labels[i], err = n.ontoFsaverage(file, own[i])
		case n.has(path.Join(shared, h.name+"."+name+".mgz")):
			file = path.Join(shared, h.name+"."+name+".mgz")
			files = append(files, file)
			_, labels[i], err = n.whole(file)
			if err == nil && len(labels[i]) != sizes[challengeSurface] {
				err = named("roi-count", fault.Inputf("the labels are %d, the surface of a hemisphere has %d vertices", len(labels[i]), sizes[challengeSurface]).In("%s", n.folder.place(file)))
			}
		}
		if err != nil {
			return true, err
		}
	}
	if files == nil {
		return false, nil
	}
	names, err := n.colours(r, name, files[0])
	if err != nil {
		return true, err
	}
	for _, label := range slices.Sorted(maps.Keys(names)) {
		if label > 0 && !isBackground(names[label]) {
			r.declare(name, names[label])
		}
	}
	for i, h := range n.sides {
		unit := map[int32]int{}
		for u, v := range h.mask {
			unit[v] = from + u
		}
		from += len(h.mask)
		for v, label := range labels[i] {
			roi, known := names[label]
			if !known && label > 0 {
				return true, named("roi-label", fault.Inputf("label %d (vertex %d of %s) has no name", label, v, h.name).In("%s", n.folder.place(files[0])).
					Remedy("take map and .ctab from one download"))
			}
			if label <= 0 || isBackground(roi) {
				continue
			}
			if u, ok := unit[int32(v)]; ok {
				r.add(u, name, roi)
			} else {
				r.outside(name, roi)
			}
		}
	}
	return true, nil
}

// ontoFsaverage takes labels of the subject's own surface to fsaverage: each vertex gets that of its nearest own one.
func (n *nsd) ontoFsaverage(file string, own []int64) ([]int64, error) {
	_, labels, err := n.whole(file)
	if err != nil {
		return nil, err
	}
	if last := slices.Max(own); last > int64(len(labels)) {
		return nil, named("roi-count", fault.Inputf("the map has %d vertices, the transform to fsaverage names vertex %d", len(labels), last).In("%s", n.folder.place(file)).
			Remedy("one of the two is another subject's"))
	}
	out := make([]int64, len(own))
	for v, o := range own {
		out[v] = labels[o-1]
	}
	return out, nil
}

// colours are the names of a family's labels: those of the .ctab beside the map, else the published ones.
func (n *nsd) colours(r *regions, name, file string) (map[int64]string, error) {
	f := r.atlas.family(name)
	table := path.Join(path.Dir(file), name+".mgz.ctab")
	if f == nil {
		names, err := read(n.folder, table, colourTable)
		return names, named("mapping", err)
	}
	published := f.numbers()
	if !n.has(table) {
		n.s.warn("mapping-missing", fmt.Sprintf("%s: %s is missing; the labels are named as published", n.s.Name, table))
		return published, nil
	}
	names, err := read(n.folder, table, colourTable)
	if err != nil {
		return nil, named("mapping", err)
	}
	if !maps.Equal(names, published) {
		n.s.warn("mapping-differs", fmt.Sprintf("%s: %s doesn't name the labels as published; the file counts", n.s.Name, table))
	}
	return names, nil
}
