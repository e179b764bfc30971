package store

import (
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"strconv"

	"cortexmap/internal/durable"
)

// Predictions are what a mapping predicts for its test images, in the responses' own unit. With the responses,
// which stay where the subject is (they may be under a licence that a mapping is not), they give the scores'
// intervals over images, and scores over other parts of the test images.
type Predictions struct {
	Images int       // N, in the order of Info.Split.Test
	Values []float32 // [fitted vertices in mapping.parquet's order, N]
}

// predictionRow is a row of predictions.parquet.
type predictionRow struct {
	Hemi      string  `parquet:"hemi,dict"`
	Vertex    int32   `parquet:"vertex"`
	Offset    float32 `parquet:"offset"`
	Scale     float32 `parquet:"scale"`
	Predicted []byte  `parquet:"predicted,plain"`
}

// Of is what is predicted for the k-th fitted vertex [N].
func (p *Predictions) Of(k int) []float32 { return p.Values[k*p.Images : (k+1)*p.Images] }

// writePredictions writes predictions.parquet. float16 keeps three digits of a number: of its distance from the unit’s
// mean in standard deviations here, so that R² moves by about 1e-5 at most, whatever the responses’ unit is.
func (m *Mapping) writePredictions(path string) error {
	var rows []predictionRow
	for _, v := range m.Vertices {
		if !v.Fitted {
			continue
		}
		x := m.Predicted.Of(len(rows))
		r := predictionRow{Hemi: v.Hemi, Vertex: v.Vertex}
		r.Offset, r.Scale = spread(x)
		for _, y := range x {
			r.Predicted = binary.LittleEndian.AppendUint16(r.Predicted, Half((y-r.Offset)/r.Scale))
		}
		rows = append(rows, r)
	}
	return writeRows(path, rows, map[string]string{"cortexmap.images": strconv.Itoa(m.Predicted.Images)})
}

// spread is the mean and the standard deviation of x; 1 in place of no deviation.
func spread(x []float32) (mean, sd float32) {
	var sum, squares float64
	for _, v := range x {
		sum += float64(v)
	}
	at := sum / float64(len(x))
	for _, v := range x {
		squares += (float64(v) - at) * (float64(v) - at)
	}
	if sd = float32(math.Sqrt(squares / float64(len(x)))); !(sd > 0) {
		sd = 1
	}
	return float32(at), sd
}

// ReadPredictions reads the predictions of the mapping in dir, which m is; nil where it has none (weights published
// for the paper, mappings of older versions). A file that is cut or disagrees with the mapping is a fault naming it.
func ReadPredictions(dir string, m *Mapping) (*Predictions, error) {
	path := filepath.Join(dir, PredictionsName)
	if !durable.Exists(path) {
		return nil, nil
	}
	rows, lookup, err := readRows[predictionRow](path)
	if err != nil {
		return nil, err
	}
	p := &Predictions{Images: len(m.Info.Split.Test)}
	if got := lookup("cortexmap.images"); got != strconv.Itoa(p.Images) {
		return nil, damaged(path, "of %q test images, fit.json has %d", got, p.Images)
	}
	k := 0
	for _, v := range m.Vertices {
		if !v.Fitted {
			continue
		}
		if k == len(rows) || rows[k].Hemi != v.Hemi || rows[k].Vertex != v.Vertex || len(rows[k].Predicted) != 2*p.Images {
			return nil, damaged(path, "row %d is not %s %d with %d images", k, v.Hemi, v.Vertex, p.Images)
		}
		for i := range p.Images {
			h := binary.LittleEndian.Uint16(rows[k].Predicted[2*i:])
			p.Values = append(p.Values, rows[k].Offset+rows[k].Scale*Float(h))
		}
		k++
	}
	if k != len(rows) {
		return nil, damaged(path, "%d rows, the mapping has %d fitted vertices", len(rows), k)
	}
	return p, nil
}

func (m *Mapping) checkPredictions() {
	fitted := 0
	for i := range m.Vertices {
		if m.Vertices[i].Fitted {
			fitted++
		}
	}
	if p := m.Predicted; p.Images != len(m.Info.Split.Test) || len(p.Values) != fitted*p.Images {
		panic(fmt.Sprintf("store: %d predictions of %d images for %d fitted vertices and %d test images", len(p.Values), p.Images, fitted, len(m.Info.Split.Test)))
	}
}
