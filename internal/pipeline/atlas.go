package pipeline

import (
	"math"

	"cortexmap/analyze"
	"cortexmap/internal/store"
)

// atlas is the visual field of a subject's units as its folder tells it; nil for none.
func (b *brain) atlas() *analyze.Atlas {
	if b.Retinotopy == nil {
		return nil
	}
	return &analyze.Atlas{Name: "retinotopy of " + b.Name, Ecc: b.Retinotopy.Ecc, Angle: b.Retinotopy.Angle}
}

// surfaceKey is a digest of a surface of the subject's own; fsaverage's are the same for everybody.
func (b *brain) surfaceKey() string {
	if b.geometry == nil || b.geometry.Standard() {
		return ""
	}
	return b.geometry.Digest()
}

// atlasKey is a digest of it; "" for none.
func (b *brain) atlasKey() string {
	if b.Retinotopy == nil {
		return ""
	}
	bits := func(x []float64) []uint64 {
		out := make([]uint64, len(x))
		for i, v := range x {
			out[i] = math.Float64bits(v) // JSON has no word for NaN
		}
		return out
	}
	return store.Key("retinotopy", bits(b.Retinotopy.Ecc), bits(b.Retinotopy.Angle))
}
