package subject

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// pair finds the files lh.* and rh.* that a key names by a folder or by a stem: DIR holds one of each, or
// DIR/STEM stands for DIR/lh.STEM.* and DIR/rh.STEM.*. A hemisphere without a file is "".
func pair(key, where string) (dir *folder, files [2]string, err error) {
	at, stem := where, ""
	if info, err := os.Stat(where); err != nil || !info.IsDir() {
		at, stem = filepath.Dir(where), filepath.Base(where)
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		return nil, files, durable.Explain(err, at)
	}
	dir = &folder{path: at, root: root}
	names, err := dir.list(".")
	if err != nil {
		root.Close()
		return nil, files, err
	}
	for i, side := range cortex.Sides {
		var found []string
		for _, name := range names {
			rest, ok := strings.CutPrefix(name, side+".")
			if ok && (stem == "" || rest == stem || strings.HasPrefix(rest, stem+".")) && hasForm(name, numberForms...) {
				found = append(found, name)
			}
		}
		switch {
		case len(found) == 1:
			files[i] = found[0]
		case len(found) > 1:
			root.Close()
			return nil, files, fault.Inputf("%s: %s has several files of %s: %s", key, where, side, strings.Join(found, ", ")).
				Remedy("name one by its stem: %s", filepath.Join(at, strings.TrimPrefix(found[0], side+".")))
		}
	}
	if files == [2]string{} {
		root.Close()
		return nil, files, fault.Inputf("%s: %s names no file lh.* or rh.* that ends in %s", key, where, strings.Join(numberForms, " ")).
			Remedy("name the folder, or the folder and the files' stem: data/nsdgeneral for data/lh.nsdgeneral.mgz and data/rh.nsdgeneral.mgz")
	}
	return dir, files, nil
}

// givenMask reads the mask that was asked for: for each vertex of a hemisphere of size vertices whether it is inside.
// nil: none was asked for.
func (b *builder) givenMask(sizes ...int) (inside [][]bool, err error) {
	where := b.options.Mask
	if where == "" {
		return nil, nil
	}
	dir, files, err := pair("mask", where)
	if err != nil {
		return nil, err
	}
	defer dir.root.Close()
	for i, name := range files {
		size := sizes[min(i, len(sizes)-1)]
		if name == "" {
			inside = append(inside, make([]bool, size))
			continue
		}
		_, values, err := dir.whole(name)
		if err != nil {
			return nil, err
		}
		one, err := maskOf(values, size)
		if err != nil {
			return nil, named("mask-codes", fileFault(err, dir.place(name)))
		}
		inside = append(inside, one)
	}
	return inside, nil
}

// maskOf understands a mask of NSD's codes, -1 not cortex, 0 outside, 1 inside, and sums of masks (2).
func maskOf(values []int64, size int) ([]bool, error) {
	if len(values) != size && !slices.Contains([]int{10242, 40962, 163842}, len(values)) || len(values) < size {
		return nil, fault.Inputf("the mask has %d values, the surface of a hemisphere %d", len(values), size)
	}
	inside := make([]bool, size)
	n := 0
	for v, x := range values[:size] {
		if x < -1 || x > 2 {
			return nil, fault.Inputf("the mask holds %d (at vertex %d); -1 and 0 (outside), 1 and 2 (inside) are known", x, v).Remedy("a map of labels is no mask: save labels > 0")
		}
		if x > 0 {
			inside[v], n = true, n+1
		}
	}
	return inside, nil
}
