package neuroiotest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"cortexmap/internal/neuroio/hdf5"
	"cortexmap/internal/neuroio/matlab"
	"cortexmap/internal/neuroio/neuroiotest"
	"cortexmap/internal/neuroio/pickle"
)

// The mapping is numpy 1's own file, byte by byte.
func TestMapping(t *testing.T) {
	names := map[int]string{0: "Unknown", 1: "OFA", 2: "FFA-1", 3: "FFA-2", 4: "mTL-faces", 5: "aTL-faces"}
	b := neuroiotest.Mapping(names)
	if want := neuroiotest.File(t, "pickle/numpy1.npy"); !bytes.Equal(b, want) {
		t.Errorf("written\n%q\nnumpy's\n%q", b, want)
	}
	back, err := pickle.Mapping(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(back) != len(names) {
		t.Errorf("%v %v", back, err)
	}
}

var (
	betas = neuroiotest.Array{Name: "betas", Dims: []int{2, 3}, Data: []int16{0, 300, -300, 4, 5, 6}}
	brick = neuroiotest.Array{Name: "imgBrick", Dims: []int{2, 1, 2, 3}, Data: []uint8{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255}}
	real  = neuroiotest.Array{Name: "a", Dims: []int{2}, Data: []float64{0.5, -1}}
	order = neuroiotest.Array{Name: "masterordering", Dims: []int{1, 3}, Data: []float64{1, 2, 1}}
	ids   = neuroiotest.Array{Name: "subjectim", Dims: []int{2, 2}, Data: []float64{46003, 1, 2, 3}}
)

func TestOurReaders(t *testing.T) {
	b := neuroiotest.HDF5(betas, brick, real)
	f, err := hdf5.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if names, err := f.Names(""); err != nil || !slices.Equal(names, []string{"a", "betas", "imgBrick"}) {
		t.Fatal(names, err)
	}
	d, err := f.Dataset("betas")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := d.Int64(); err != nil || !slices.Equal(v, []int64{0, 300, -300, 4, 5, 6}) || !slices.Equal(d.Shape, betas.Dims) {
		t.Error(d.Shape, v, err)
	}
	b = neuroiotest.MAT(order, ids)
	m, err := matlab.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := m.Value("subjectim"); err != nil || !slices.Equal(v.Dims, ids.Dims) || !slices.Equal(v.Numbers, ids.Data.([]float64)) {
		t.Error(v, err)
	}
}

func TestPythonReadsThem(t *testing.T) {
	dir := t.TempDir()
	for name, b := range map[string][]byte{"x.hdf5": neuroiotest.HDF5(betas, brick, real), "x.mat": neuroiotest.MAT(order, ids)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var got map[string][]float64
	neuroiotest.Python(t, "h5py, scipy.io", `
import json, sys, h5py, scipy.io
out = {}
with h5py.File(sys.argv[1] + "/x.hdf5") as f:
    for n in f:
        out[n] = list(f[n].shape) + f[n][()].astype("f8").ravel().tolist()
for n, v in scipy.io.loadmat(sys.argv[1] + "/x.mat").items():
    if not n.startswith("__"):
        out[n] = list(v.shape) + v.ravel(order="F").tolist()
print(json.dumps(out))`, &got, dir)
	want := map[string][]float64{
		"betas":          {2, 3, 0, 300, -300, 4, 5, 6},
		"imgBrick":       {2, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255},
		"a":              {2, 0.5, -1},
		"masterordering": {1, 3, 1, 2, 1},
		"subjectim":      {2, 2, 46003, 1, 2, 3},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Python reads %v, want %v", got, want)
	}
}
