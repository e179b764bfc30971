package subject

import (
	"io"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/nifti"
)

// grid is a volume in which the units are some of the voxels.
type grid struct {
	dims [3]int64
	at   []int64 // [V] of each unit, counted with the first dimension fastest
}

// voxels places the units on the voxels of a NIfTI mask that are above 0, first dimension fastest, at the mm of its affine.
func (b *builder) voxels() error {
	name := b.d.Positions.NIfTI
	type mask struct {
		header *nifti.Header
		values []int32
	}
	m, err := read(b.folder, name, func(r io.Reader) (mask, error) {
		h, values, err := nifti.Labels(r)
		return mask{h, values}, err
	})
	if err != nil {
		return err
	}
	at := b.folder.place(name)
	if m.header.Affine == nil {
		return fault.Inputf("the file doesn't say where its voxels are: both its affines are missing").In("%s", at).
			Remedy("write it again with an affine, or give the places as a CSV (x,y,z, a row a unit)")
	}
	g := &grid{dims: m.header.Volume()}
	s := b.s
	for i, x := range m.values {
		if x <= 0 { // NSD's -1: not cortex
			continue
		}
		mm := m.header.Affine.At(m.header.Voxel(int64(i)))
		g.at = append(g.at, int64(i))
		s.Positions = append(s.Positions, [3]float32{float32(mm[0]), float32(mm[1]), float32(mm[2])})
	}
	if len(g.at) != s.Units {
		n := len(g.at)
		s.Positions = nil
		return named("mask-count", fault.Inputf("%d voxels are above 0, the responses have %d units", n, s.Units).In("%s", at).
			Remedy("the mask holds 1 where a voxel has responses; units are in its order, first dimension fastest"))
	}
	b.grid = g
	return nil
}

// labelVolume reads labels of the voxels of the units' volume.
func (b *builder) labelVolume(r *regions, form roiForm) error {
	at := b.folder.place(form.File)
	type volume struct {
		header *nifti.Header
		values []int32
	}
	v, err := read(b.folder, form.File, func(r io.Reader) (volume, error) {
		h, values, err := nifti.Labels(r)
		return volume{h, values}, err
	})
	if err != nil {
		return err
	}
	if b.grid == nil {
		return b.doc.Fault("rois", "%s is of a volume, and this subject's units have no voxels", form.File).Remedy("give `positions: {nifti: mask.nii.gz}`")
	}
	if dims := v.header.Volume(); dims != b.grid.dims {
		return fault.Inputf("the labels have the shape %v, the mask of the units %v", dims, b.grid.dims).In("%s", at).Remedy("take labels of the same space")
	}
	names, err := b.labelNames(r, &form)
	if err != nil {
		return err
	}
	unit := map[int64]int{}
	for u, voxel := range b.grid.at {
		unit[voxel] = u
	}
	for i, x := range v.values {
		if x <= 0 {
			continue
		}
		name, known := names[int64(x)]
		if !known {
			return b.unnamed(form, int64(x), i)
		}
		if isBackground(name) {
			continue
		}
		if u, ok := unit[int64(i)]; ok {
			r.add(u, form.Family, name)
		} else {
			r.outside(form.Family, name)
		}
	}
	return nil
}
