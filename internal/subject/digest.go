package subject

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"math"
	"slices"
)

// digest is the identity of what the fit can see: the package comment. Every part is preceded by its
// length, so that no two contents run together to the same bytes.
func (s *Subject) digest() [32]byte {
	d := &digester{sha256.New()}
	d.text("cortexmap subject 1")
	d.number(int64(s.Images.Len()))
	for n := range s.Images.Stimuli {
		d.h.Write(s.Images.Stimuli[n].Digest[:])
	}
	d.number(int64(s.Units))
	d.floats(s.Responses)
	d.texts(s.Hemi)
	for _, v := range s.Vertex {
		d.number(int64(v))
	}
	d.text(s.Surface)
	d.number(int64(len(s.Positions)))
	for _, p := range s.Positions {
		d.floats(p[:])
	}
	for _, rois := range s.ROIs {
		d.texts(rois)
	}
	d.floats(s.Ceiling)
	d.floats(s.NCSNR)
	for _, n := range s.Trials {
		d.number(int64(n))
	}
	for _, l := range s.Hierarchy {
		d.text(l.Name)
		d.texts(l.ROIs)
	}
	d.texts(s.Split)
	d.texts(s.Photo)
	for _, column := range slices.Sorted(maps.Keys(s.Groups)) {
		d.text(column)
		d.texts(s.Groups[column])
	}
	d.floats([]float32{float32(s.StimulusDegrees)})
	for _, r := range s.RDMs {
		d.text(r.ROI)
		for _, pairs := range r.People {
			for _, x := range pairs {
				d.number(int64(math.Float64bits(x)))
			}
		}
	}
	return [32]byte(d.h.Sum(nil))
}

type digester struct{ h hash.Hash }

func (d *digester) number(x int64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(x))
	d.h.Write(b[:])
}

func (d *digester) text(s string) {
	d.number(int64(len(s)))
	d.h.Write([]byte(s))
}

func (d *digester) texts(all []string) {
	d.number(int64(len(all)))
	for _, s := range all {
		d.text(s)
	}
}

// floats writes little-endian bits; every NaN counts as the same.
func (d *digester) floats(all []float32) {
	d.number(int64(len(all)))
	nan := math.Float32bits(float32(math.NaN()))
	buf := make([]byte, 0, 1<<16)
	for len(all) > 0 {
		n := min(len(all), cap(buf)/4)
		buf = buf[:0]
		for _, x := range all[:n] {
			bits := math.Float32bits(x)
			if x != x {
				bits = nan
			}
			buf = binary.LittleEndian.AppendUint32(buf, bits)
		}
		d.h.Write(buf)
		all = all[n:]
	}
}
