package subject

import (
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/freesurfer"
	"cortexmap/internal/neuroio/gifti"
)

// rois fills s.ROIs.
func (b *builder) rois() error {
	r := newRegions(b.s.Units)
	if err := b.collect(r); err != nil {
		return err
	}
	b.finish(r)
	return nil
}

// collect reads the entries of rois.
func (b *builder) collect(r *regions) error {
	for i, form := range b.d.ROIs {
		r.source = form.Source
		if form.File == "" {
			for u := range b.s.Units {
				r.add(u, form.Family, form.Name)
			}
			continue
		}
		if err := b.roiFile(r, "rois."+strconv.Itoa(i), form); err != nil {
			return named("roi-file", err)
		}
	}
	return nil
}

// background are names by which parcellations mark vertices of no region.
var background = []string{"", "???", "unknown", "background", "medialwall", "medial_wall", "medial wall"}

func isBackground(name string) bool { return slices.Contains(background, strings.ToLower(name)) }

// roiFile reads one entry of rois with a file.
func (b *builder) roiFile(r *regions, key string, form roiForm) error {
	perVertex := !strings.HasSuffix(strings.ToLower(form.File), ".csv")
	if perVertex && form.Hemi != "" && b.s.Geometry == nil {
		return b.doc.Fault(key, "%s is of a surface, and this subject's units have no places on one", form.File).
			Remedy("give `positions: {surface: …, mask: …}`, or the regions as a .csv with the columns unit and roi")
	}
	switch lower := strings.ToLower(form.File); {
	case strings.HasSuffix(lower, ".annot"):
		return b.annot(r, form)
	case strings.HasSuffix(lower, ".gii"):
		return b.labelGIFTI(r, form)
	case strings.HasSuffix(lower, ".label"):
		return b.label(r, form)
	case hasForm(lower, ".nii", ".nii.gz"):
		return b.labelVolume(r, form)
	case hasForm(lower, ".npy", ".mgz", ".mgh", ".mgh.gz"):
		return b.numbered(r, form)
	}
	return b.table(r, form)
}

// onto gives each unit of a hemisphere the name of its vertex; name says it for a vertex number below n.
// An atlas of a finer fsaverage than the subject's fits: the surfaces are nested.
func (b *builder) onto(r *regions, form roiForm, n int, name func(v int32) string) error {
	h := b.s.Geometry.Hemi(form.Hemi)
	if h == nil {
		return fault.Inputf("the subject has no hemisphere %s", form.Hemi)
	}
	if have := h.N(); n != have && (n < have || !nested(b.s.Surface, n)) {
		return fault.Inputf("the file has %d vertices, the subject's surface (%s) %d", n, b.s.Surface, have).
			Remedy("give the regions of this surface, or of a finer fsaverage")
	}
	unit := make([]int32, h.N()) // of each vertex, counted from 1
	for u, side := range b.s.Hemi {
		if side == form.Hemi {
			unit[b.s.Vertex[u]] = int32(u + 1)
		}
	}
	for v, u := range unit {
		switch roi := name(int32(v)); {
		case isBackground(roi):
		case u == 0:
			r.outside(form.Family, roi)
		default:
			r.add(int(u-1), form.Family, roi)
		}
	}
	return nil
}

// nested says whether n is the number of vertices of a finer fsaverage than the one named.
func nested(surface string, n int) bool {
	own, ok := sizes[surface]
	if !ok {
		return false
	}
	for _, size := range sizes {
		if size == n && size > own {
			return true
		}
	}
	return false
}

func (b *builder) annot(r *regions, form roiForm) error {
	a, err := read(b.folder, form.File, freesurfer.ReadAnnot)
	if err != nil {
		return err
	}
	if a.Unknown > 0 {
		b.s.warn("annot-values", fmt.Sprintf("%s: %d vertices of %s have a value that no region has; they belong to none", b.s.Name, a.Unknown, form.File))
	}
	for _, region := range a.Regions {
		if !isBackground(region.Name) {
			r.declare(form.Family, region.Name)
		}
	}
	err = b.onto(r, form, len(a.Label), func(v int32) string {
		if l := a.Label[v]; l >= 0 {
			return a.Regions[l].Name
		}
		return ""
	})
	return fileFault(err, b.folder.place(form.File))
}

func (b *builder) labelGIFTI(r *regions, form roiForm) error {
	f, err := read(b.folder, form.File, gifti.Read)
	if err != nil {
		return err
	}
	names := map[int32]string{}
	for _, l := range f.Labels {
		if names[l.Key] = l.Name; !isBackground(l.Name) {
			r.declare(form.Family, l.Name)
		}
	}
	if len(f.Arrays) != 1 || f.Arrays[0].Ints == nil || len(f.Arrays[0].Dims) != 1 {
		return fault.Inputf("one array of labels is needed, the file has %d arrays", len(f.Arrays)).In("%s", b.folder.place(form.File))
	}
	keys := f.Arrays[0].Ints
	for v, k := range keys {
		if _, ok := names[k]; !ok && k != 0 {
			return fault.Inputf("vertex %d has the label %d, which the label table doesn't name", v, k).In("%s", b.folder.place(form.File))
		}
	}
	err = b.onto(r, form, len(keys), func(v int32) string { return names[keys[v]] })
	return fileFault(err, b.folder.place(form.File))
}

func (b *builder) label(r *regions, form roiForm) error {
	l, err := read(b.folder, form.File, freesurfer.ReadLabel)
	if err != nil {
		return err
	}
	name := form.Name
	if name == "" { // lh.V1.label is V1
		name = strings.TrimSuffix(path.Base(form.File), ".label")
		name = strings.TrimPrefix(name, form.Hemi+".")
	}
	inside := map[int32]bool{}
	n := 0
	if h := b.s.Geometry.Hemi(form.Hemi); h != nil {
		n = h.N()
	}
	for _, v := range l.Vertex {
		// On a coarser fsaverage the label of a finer one is cut down exactly.
		if int(v) >= n && (sizes[b.s.Surface] == 0 || int(v) >= sizes["fsaverage7"]) {
			return fault.Inputf("vertex %d is named, the subject's surface (%s) has %d", v, b.s.Surface, n).In("%s", b.folder.place(form.File))
		}
		inside[v] = true
	}
	r.declare(form.Family, name)
	err = b.onto(r, form, n, func(v int32) string {
		if inside[v] {
			return name
		}
		return ""
	})
	return fileFault(err, b.folder.place(form.File))
}

// numbered reads a number a vertex (with hemi) or a unit, and its names.
func (b *builder) numbered(r *regions, form roiForm) error {
	shape, values, err := b.whole(form.File)
	if err != nil {
		return err
	}
	at := b.folder.place(form.File)
	if len(shape) != 1 {
		return fault.Inputf("the labels have shape %v, one number a vertex or unit is needed", shape).In("%s", at)
	}
	names, err := b.labelNames(r, &form)
	if err != nil {
		return err
	}
	for i, x := range values {
		if _, ok := names[x]; !ok && x > 0 {
			return b.unnamed(form, x, i)
		}
	}
	name := func(x int64) string { return names[x] }
	of, counts := b.unitsOf(form.Hemi)
	switch {
	case len(values) == len(of):
		for i, u := range of {
			if roi := name(values[i]); !isBackground(roi) {
				r.add(u, form.Family, roi)
			}
		}
		return nil
	case form.Hemi != "":
		return fileFault(b.onto(r, form, len(values), func(v int32) string { return name(values[v]) }), at)
	}
	return fault.Inputf("the file has %d labels, the subject has %s", len(values), counts).In("%s", at).
		Remedy("labels of a hemisphere's vertices need `hemi: lh` or `hemi: rh`")
}

// unnamed is the fault of a label without a name.
func (b *builder) unnamed(form roiForm, label int64, at int) error {
	return fault.Inputf("number %d stands for a region (at place %d), and nothing names it", label, at).In("%s", b.folder.place(form.File)).
		Remedy("add it to names; 0 and -1 mean no region")
}

// labelNames are the names of a file of numbers: those given, else those of the .ctab beside it, else those
// of a known family. All of them are declared.
func (b *builder) labelNames(r *regions, form *roiForm) (map[int64]string, error) {
	names := map[int64]string{}
	table := form.File + ".ctab"
	if side := form.Hemi + "."; form.Hemi != "" && !b.has(table) { // NSD has one for both hemispheres
		dir, file := path.Split(form.File)
		table = dir + strings.TrimPrefix(file, side) + ".ctab"
	}
	f := r.atlas.family(form.Family)
	switch {
	case form.Names != nil:
		for x, name := range form.Names {
			names[int64(x)] = name
		}
	case b.has(table):
		var err error
		if names, err = read(b.folder, table, colourTable); err != nil {
			return nil, err
		}
	case f != nil:
		names = f.numbers()
	default:
		return nil, fault.Inputf("nothing names the numbers of %s", form.File).In("%s", b.folder.place(form.File)).
			Remedy("write for instance `names: {1: V1, 2: V2}`, put %s beside it, or give a `family` whose numbers are known (README)", path.Base(form.File)+".ctab")
	}
	for _, x := range slices.Sorted(maps.Keys(names)) {
		if x > 0 && !isBackground(names[x]) {
			r.declare(form.Family, names[x])
		}
	}
	return names, nil
}

// unitsOf lists the units of a hemisphere, all of them for "".
func (b *builder) unitsOf(hemi string) (units []int, counts string) {
	for u, side := range b.s.Hemi {
		if hemi == "" || side == hemi {
			units = append(units, u)
		}
	}
	return units, strings.TrimSpace(fmt.Sprintf("%d units %s", len(units), hemi))
}

// table reads unit, roi: a row a membership, units counted from 0.
func (b *builder) table(r *regions, form roiForm) error {
	_, err := read(b.folder, form.File, func(in io.Reader) (struct{}, error) {
		return struct{}{}, b.readTable(in, r, form)
	})
	return err
}

func (b *builder) readTable(in io.Reader, r *regions, form roiForm) error {
	rows, header, err := readCSV(in)
	if err != nil {
		return err
	}
	unit, ok1 := header["unit"]
	roi, ok2 := header["roi"]
	if !ok1 || !ok2 || len(header) != 2 {
		return fault.Inputf("the columns unit and roi are needed, and no others")
	}
	of, counts := b.unitsOf(form.Hemi)
	for i, row := range rows {
		u, err := strconv.Atoi(row[unit])
		if err != nil || u < 0 || u >= len(of) {
			return fault.Inputf("row %d: unit is %q, the subject has %s, counted from 0", i+1, row[unit], counts)
		}
		if !isBackground(row[roi]) {
			r.add(of[u], form.Family, row[roi])
		}
	}
	return nil
}
