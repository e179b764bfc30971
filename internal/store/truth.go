package store

import (
	"fmt"
	"strconv"
)

// Truth is what was planted in a simulated subject, a number a unit in the responses' order.
type Truth struct {
	Generator string    // the network whose tokens made the responses
	Layers    int       // L, of the generator
	Depth     []float64 // mean layer that the unit reads, in layer indices 0..L-1
	X, Y      []float64 // centre of its receptive field, −1..1 from edge to edge, x right, y down
	Global    []float64 // part of its signal that comes from global tokens, 0..1
	Sigma     []float64 // standard deviation of its receptive field, in half-widths of the image
	Ceiling   []float64 // explainable fraction of the test responses' variance, 0..1
}

type truthRow struct {
	Depth   float64 `parquet:"depth"`
	X       float64 `parquet:"x"`
	Y       float64 `parquet:"y"`
	Global  float64 `parquet:"global"`
	Sigma   float64 `parquet:"sigma"`
	Ceiling float64 `parquet:"ceiling"`
}

func (t *Truth) checkShapes() {
	n := len(t.Depth)
	for _, x := range [][]float64{t.X, t.Y, t.Global, t.Sigma, t.Ceiling} {
		if len(x) != n {
			panic(fmt.Sprintf("store: truth of %d and of %d units", n, len(x)))
		}
	}
}

// Write puts the truth under path (Parquet: columns depth, x, y, global, sigma, ceiling, a row a unit;
// metadata cortexmap.generator and .layers). It panics if the lengths differ.
func (t *Truth) Write(path string) error {
	t.checkShapes()
	rows := make([]truthRow, len(t.Depth))
	for i := range rows {
		rows[i] = truthRow{t.Depth[i], t.X[i], t.Y[i], t.Global[i], t.Sigma[i], t.Ceiling[i]}
	}
	return writeRows(path, rows, map[string]string{"cortexmap.generator": t.Generator, "cortexmap.layers": strconv.Itoa(t.Layers)})
}

// ReadTruth reads what Write wrote.
func ReadTruth(path string) (*Truth, error) {
	rows, lookup, err := readRows[truthRow](path)
	if err != nil {
		return nil, err
	}
	t := &Truth{Generator: lookup("cortexmap.generator")}
	if t.Layers, err = strconv.Atoi(lookup("cortexmap.layers")); err != nil || t.Layers < 1 {
		return nil, damaged(path, "its cortexmap.layers is %q", lookup("cortexmap.layers"))
	}
	for _, r := range rows {
		t.Depth, t.X, t.Y = append(t.Depth, r.Depth), append(t.X, r.X), append(t.Y, r.Y)
		t.Global, t.Sigma, t.Ceiling = append(t.Global, r.Global), append(t.Sigma, r.Sigma), append(t.Ceiling, r.Ceiling)
	}
	return t, nil
}
