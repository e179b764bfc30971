package subject

import (
	"math"

	"cortexmap/internal/fault"
	"cortexmap/internal/strictyaml"
)

// Retinotopy is the units' visual field as it is known from elsewhere; NaN where it is not.
type Retinotopy struct {
	Ecc   []float64 // [V] degrees of visual angle
	Angle []float64 // [V] degrees counter-clockwise from the right horizontal meridian
}

// retinotopyForm is `retinotopy`. Convention right: angles as above. upper: 0 at the upper vertical meridian to 180 at the
// lower one, in the half of the field opposite to the unit's hemisphere, as templates after Benson et al. 2014 have them.
type retinotopyForm struct{ Eccentricity, Angle, Convention string }

func (d *description) checkRetinotopy(doc *strictyaml.Doc) error {
	if !doc.Has("retinotopy") {
		return nil
	}
	r := &d.Retinotopy
	if r.Eccentricity == "" || r.Angle == "" {
		return doc.Fault("retinotopy", "files of eccentricity and angle are needed").Remedy("write for instance `retinotopy: {eccentricity: ecc.npy, angle: angle.npy, convention: upper}`")
	}
	if r.Convention != "right" && r.Convention != "upper" {
		return doc.Fault("retinotopy.convention", "it is %q, right or upper is needed", r.Convention).
			Remedy("right: counter-clockwise from the right horizontal meridian; upper: 0 at the upper to 180 at the lower vertical meridian")
	}
	for key, name := range map[string]string{"retinotopy.eccentricity": r.Eccentricity, "retinotopy.angle": r.Angle} {
		if err := formIsRead(doc, key, name, ".npy"); err != nil {
			return err
		}
	}
	return nil
}

// retinotopy reads both files and brings the angles to one convention.
func (b *builder) retinotopy() error {
	form := b.d.Retinotopy
	if form.Eccentricity == "" {
		return nil
	}
	ecc, err := b.perUnit(form.Eccentricity)
	if err != nil {
		return err
	}
	angle, err := b.perUnit(form.Angle)
	if err != nil {
		return err
	}
	for u := range ecc {
		if ecc[u] < 0 {
			return fault.Inputf("the eccentricity of unit %d is %v, degrees from 0 are needed", u, ecc[u]).In("%s", b.folder.place(form.Eccentricity)).Remedy("write NaN where there is none")
		}
		if math.Abs(angle[u]) > 360 {
			return fault.Inputf("the angle of unit %d is %v, degrees are needed", u, angle[u]).In("%s", b.folder.place(form.Angle))
		}
		if form.Convention == "upper" {
			switch b.s.Hemi[u] {
			case "lh":
				angle[u] = 90 - angle[u]
			case "rh":
				angle[u] = 90 + angle[u]
			default:
				angle[u] = math.NaN() // the side decides
			}
		}
	}
	b.s.Retinotopy = &Retinotopy{Ecc: ecc, Angle: angle}
	return nil
}

// perUnit reads a number a unit.
func (b *builder) perUnit(name string) ([]float64, error) {
	shape, values, err := b.numbers(name)
	if err != nil {
		return nil, err
	}
	if len(values) != b.s.Units {
		return nil, fault.Inputf("its shape is %v, there are %d units", shape, b.s.Units).In("%s", b.folder.place(name))
	}
	return values, nil
}
