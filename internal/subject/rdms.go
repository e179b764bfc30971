package subject

import (
	"context"
	"math"
	"slices"
	"strconv"

	"cortexmap/internal/fault"
	"cortexmap/internal/strictyaml"
)

// RDMs are the representational dissimilarities of one region: what is left of a recording where responses
// themselves are not given.
type RDMs struct {
	ROI    string
	People [][]float64 // a list a person, of the pairs i < j of pictures, row by row: (0,1), (0,2), …; NaN: no data
}

// rdmForm is one entry of `rdms`.
type rdmForm struct{ File, ROI string }

// checkRDMs: a folder with RDMs has no responses, and nothing that belongs to units.
func (d *description) checkRDMs(doc *strictyaml.Doc) error {
	for _, key := range []string{"responses", "ceiling", "positions", "rois", "hierarchy", "retinotopy"} {
		if doc.Has(key) {
			return doc.Fault(key, "it belongs to responses of units, and this subject has RDMs").
				Remedy("write two subjects if there are both")
		}
	}
	if len(d.RDMs) == 0 {
		return doc.Fault("rdms", "it names no file").Remedy("write for instance `rdms: [{file: it.npy, roi: IT}]`")
	}
	for i, r := range d.RDMs {
		key := "rdms." + strconv.Itoa(i)
		switch {
		case r.File == "" || r.ROI == "":
			return doc.Fault(key, "a file and the region's name are needed").Remedy("write for instance `{file: it.npy, roi: IT}`")
		case slices.ContainsFunc(d.RDMs[:i], func(o rdmForm) bool { return o.ROI == r.ROI }):
			return doc.Fault(key+".roi", "the region %q stands twice", r.ROI)
		}
		if err := formIsRead(doc, key+".file", r.File, ".npy"); err != nil {
			return err
		}
	}
	return nil
}

// readRDMs reads the files of `rdms`.
func (b *builder) readRDMs(ctx context.Context) error {
	if b.d.RDMs == nil {
		return nil
	}
	if b.s.Images.Len() < b.set.Len() {
		return fault.Inputf("%d rows of pictures show %d different ones: an RDM has a row a picture", b.set.Len(), b.s.Images.Len()).
			In("%s", b.folder.path).Remedy("list every picture once")
	}
	for _, form := range b.d.RDMs {
		if err := ctx.Err(); err != nil {
			return err
		}
		people, err := b.rdms(form.File)
		if err != nil {
			return err
		}
		b.s.RDMs = append(b.s.RDMs, RDMs{ROI: form.ROI, People: people})
	}
	return nil
}

// rdms reads [n, n], [people, n, n] or [people, sessions, n, n]; sessions are averaged.
func (b *builder) rdms(name string) ([][]float64, error) {
	axes, values, err := b.numbers(name)
	if err != nil {
		return nil, err
	}
	where := b.folder.place(name)
	n, d := b.s.Images.Len(), len(axes)
	if d < 2 || d > 4 || axes[d-1] != axes[d-2] {
		return nil, fault.Inputf("its shape is %v; pictures × pictures is needed, with people, or people and sessions, in front", axes).In("%s", where)
	}
	if axes[d-1] != n {
		return nil, fault.Inputf("it has %d pictures, %d are listed", axes[d-1], n).In("%s", where).
			Remedy("rows and columns are the pictures in the list's order, without a list in byte order of their names")
	}
	shape := append(slices.Repeat([]int{1}, 4-d), axes...)
	people, sessions := shape[0], shape[1]
	if d == 3 {
		people, sessions = shape[1], 1
	}
	out := make([][]float64, people)
	for p := range people {
		sum, count := make([]float64, n*(n-1)/2), make([]float64, n*(n-1)/2)
		for s := range sessions {
			at := (p*sessions + s) * n * n
			if err := addPairs(sum, count, values[at:at+n*n], n); err != nil {
				return nil, fileFault(err, where)
			}
		}
		for k := range sum {
			sum[k] /= count[k] // 0/0 is NaN: no data
		}
		out[p] = sum
	}
	return out, nil
}

// addPairs adds the pairs of a symmetric matrix to sum, those without data left out.
func addPairs(sum, count, square []float64, n int) error {
	k := 0
	for i := range n {
		for j := i + 1; j < n; j++ {
			x, y := square[i*n+j], square[j*n+i]
			switch {
			case math.IsInf(x, 0) || math.IsInf(y, 0):
				return fault.Inputf("the dissimilarity of pictures %d and %d is infinite", i, j).Remedy("write NaN where there is no data")
			case math.IsNaN(x) != math.IsNaN(y) || math.Abs(x-y) > 1e-4*(math.Abs(x)+math.Abs(y)): // float32 and its sums
				return fault.Inputf("it is not symmetric: [%d, %d] is %v, [%d, %d] is %v", i, j, x, j, i, y).
					Remedy("check the order of the axes: people first, then pictures × pictures")
			case !math.IsNaN(x):
				sum[k] += x
				count[k]++
			}
			k++
		}
	}
	return nil
}
