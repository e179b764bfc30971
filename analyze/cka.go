package analyze

import (
	"context"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"cortexmap/internal/fault"
	"cortexmap/internal/store"
)

// Similarity is the linear centred kernel alignment of two networks' layers over the images that both have seen
// (Kornblith, Norouzi, Lee and Hinton 2019):
//
//	CKA = ⟨K, L⟩ / √(⟨K, K⟩ ⟨L, L⟩),  K = X Xᵀ, L = Y Yᵀ, ⟨·,·⟩ the sum of products
//
// X [n, p] and Y [n, q] are all stored tokens of an image in a row (fit grid and global token), each column's mean
// over images subtracted. 1: the same up to rotation and scale. With few images it is high for unrelated layers
// too, the more the wider they are: compare it with that of two other networks over the same images.
type Similarity struct {
	Images int
	CKA    []float64 // [L] layer l of one with layer l of the other; NaN for a layer that is constant
}

// cka takes the arithmetic in Gram matrices [n, n] of centred rows.
func cka(k, l []float64) float64 {
	var kl, kk, ll float64
	for i, a := range k {
		kl, kk, ll = kl+a*l[i], kk+a*a, ll+l[i]*l[i]
	}
	return kl / math.Sqrt(kk*ll)
}

// CompareLayers measures the Similarity of networks with the same number of layers over at most so many images.
func CompareLayers(ctx context.Context, a, b *store.Features, most int) (*Similarity, error) {
	if len(a.Layers) != len(b.Layers) {
		return nil, fault.Inputf("%s has %d layers, %s %d: layers are compared one to one", a.Manifest.Model.Name, len(a.Layers), b.Manifest.Model.Name, len(b.Layers))
	}
	place := map[store.Digest]int{}
	for i, d := range b.Images {
		place[d] = i
	}
	var rows [2][]int
	for i, d := range a.Images {
		if j, ok := place[d]; ok && len(rows[0]) < most {
			rows[0], rows[1] = append(rows[0], i), append(rows[1], j)
		}
	}
	n := len(rows[0])
	if n < 3 {
		return nil, fault.Inputf("%s and %s share %d images, three are needed", a.Manifest.Model.Name, b.Manifest.Model.Name, n)
	}
	s := &Similarity{Images: n}
	for l := range a.Layers {
		k, err := gram(ctx, a, l, rows[0])
		if err != nil {
			return nil, err
		}
		g, err := gram(ctx, b, l, rows[1])
		if err != nil {
			return nil, err
		}
		s.CKA = append(s.CKA, cka(k, g))
	}
	return s, nil
}

// gram is X Xᵀ [n, n] of a layer's centred tokens.
func gram(ctx context.Context, f *store.Features, layer int, rows []int) ([]float64, error) {
	n, width := len(rows), f.RowLen(layer)
	tokens := make([]uint16, n*width)
	if err := f.Read(ctx, layer, rows, tokens); err != nil {
		return nil, err
	}
	out := make([]float64, n*n)
	const block = 512 // columns at a time: float64 of all of them would be four times the tokens
	x := make([]float64, n*block)
	for at := 0; at < width; at += block {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		cols := min(block, width-at)
		for c := range cols {
			mean := 0.0
			for i := range n {
				x[i*cols+c] = float64(store.Float(tokens[i*width+at+c]))
				mean += x[i*cols+c] / float64(n)
			}
			for i := range n {
				x[i*cols+c] -= mean
			}
		}
		m := blas64.General{Rows: n, Cols: cols, Stride: cols, Data: x}
		blas64.Gemm(blas.NoTrans, blas.Trans, 1, m, m, 1, blas64.General{Rows: n, Cols: n, Stride: n, Data: out})
	}
	return out, nil
}

// SimilarityTable is cka.csv.
func SimilarityTable(a, b *store.Features, s *Similarity) *Table {
	t := &Table{Name: "cka", Title: "Similarity of layers", Note: "Linear CKA of all stored tokens, images in rows; high for unrelated layers too where images are few.", Columns: []Column{
		{"model_a", "network"}, {"model_b", "network"}, {"layer", "index from 0"}, {"layer_a", ""}, {"layer_b", ""}, {"image_set", "of the first network"}, {"images", "that both have seen"}, {"cka", "0..1"},
	}}
	for l, x := range s.CKA {
		t.Add(a.Manifest.Model.Name, b.Manifest.Model.Name, l, a.Layers[l].Name, b.Layers[l].Name, a.Manifest.ImageSet, s.Images, x)
	}
	return t
}
