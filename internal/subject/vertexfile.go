package subject

import (
	"fmt"
	"io"
	"math"
	"path"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/gifti"
	"cortexmap/internal/neuroio/mgh"
	"cortexmap/internal/neuroio/nifti"
)

// numberForms are the endings of files that hold one number a vertex, voxel or unit.
var numberForms = []string{".npy", ".mgh", ".mgz", ".mgh.gz", ".gii", ".gii.gz", ".nii", ".nii.gz"}

// hasForm says whether a name ends in one of some endings.
func hasForm(name string, forms ...string) bool {
	lower := strings.ToLower(path.Base(name))
	for _, form := range forms {
		if strings.HasSuffix(lower, form) {
			return true
		}
	}
	return false
}

// numbers reads one number a vertex, voxel or unit, whatever the format; shape is how they lie in the file.
func (f *folder) numbers(name string) (shape []int, values []float64, err error) {
	if hasForm(name, ".npy") {
		return f.npyNumbers(name)
	}
	values, err = read(f, name, func(r io.Reader) ([]float64, error) { return readNumbers(name, r) })
	return []int{len(values)}, values, err
}

// readNumbers reads the only map of a file of a brain format.
func readNumbers(name string, r io.Reader) ([]float64, error) {
	if hasForm(name, ".gii", ".gii.gz") {
		return giftiNumbers(r)
	}
	var maps [][]float32
	var err error
	if hasForm(name, ".nii", ".nii.gz") {
		_, maps, err = nifti.Read(r)
	} else {
		_, maps, err = mgh.Read(r)
	}
	if err != nil {
		return nil, err
	}
	if len(maps) != 1 {
		return nil, fault.Inputf("the file has %d maps, one is needed", len(maps))
	}
	return widened(maps[0]), nil
}

func giftiNumbers(r io.Reader) ([]float64, error) {
	g, err := gifti.Read(r)
	if err != nil {
		return nil, err
	}
	if len(g.Arrays) != 1 || len(g.Arrays[0].Dims) != 1 {
		return nil, fault.Inputf("one array of numbers is needed, the file has %d arrays", len(g.Arrays))
	}
	if a := g.Arrays[0]; a.Ints != nil {
		return widened(a.Ints), nil
	}
	return widened(g.Arrays[0].Floats), nil
}

func widened[T int32 | float32](x []T) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// whole reads whole numbers: masks and labels.
func (f *folder) whole(name string) (shape []int, values []int64, err error) {
	if hasForm(name, ".npy") {
		return f.npyWhole(name)
	}
	shape, floats, err := f.numbers(name)
	if err != nil {
		return nil, nil, err
	}
	values = make([]int64, len(floats))
	for i, x := range floats {
		if x != math.Trunc(x) || math.Abs(x) > 1<<53 { // NaN is no number equal to itself
			return nil, nil, fault.Inputf("number %d is %v, whole numbers are needed", i, x).In("%s", f.place(name))
		}
		values[i] = int64(x)
	}
	return shape, values, nil
}

// colourTable reads a .ctab of NSD: a line a label, its number and its name.
func colourTable(r io.Reader) (map[int64]string, error) {
	text, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return nil, err
	}
	names := map[int64]string{}
	for i, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		var number int64
		if _, err := fmt.Sscan(words[0], &number); err != nil || len(words) < 2 {
			return nil, fault.Inputf("%q is no number and a name", strings.TrimSpace(line)).In("line %d", i+1)
		}
		if _, twice := names[number]; twice {
			return nil, fault.Inputf("number %d stands twice", number).In("line %d", i+1)
		}
		names[number] = words[1]
	}
	return names, nil
}
