package matlab

import (
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/hdf5"
)

// reader73 reads one value of version 7.3.
type reader73 struct {
	f      *hdf5.File
	budget budget
}

func (r *reader73) path(name string) (*Value, error) {
	o, err := r.f.Object(name)
	if err != nil {
		return nil, err
	}
	return r.object(o, 0)
}

// object reads a dataset, or a group as a struct.
func (r *reader73) object(o hdf5.Object, depth int) (*Value, error) {
	if err := r.budget.value(); err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, fault.Inputf("it has cells inside cells, %d deep", depth)
	}
	if o.Group != nil {
		return r.group(o.Group, depth)
	}
	return r.dataset(o.Dataset, depth)
}

// named finds an attribute.
func named(all []hdf5.Attribute, name string) *hdf5.Attribute {
	for i := range all {
		if all[i].Name == name {
			return &all[i]
		}
	}
	return nil
}

func class(all []hdf5.Attribute) string {
	if a := named(all, "MATLAB_class"); a != nil {
		return a.Text()
	}
	return ""
}

// group reads a struct: a member a field. Where all members are references without a class, they are those
// of an array of structs.
func (r *reader73) group(g *hdf5.Group, depth int) (*Value, error) {
	if c := class(g.Attributes); c != "struct" && c != "" || named(g.Attributes, "MATLAB_sparse") != nil {
		return nil, fault.Inputf("it is sparse or of class %q, which isn't read", c).Remedy("save plain numbers: full(x)")
	}
	names, err := g.Names()
	if err != nil {
		return nil, err
	}
	v := &Value{Class: "struct", Dims: []int{1, 1}}
	for i, n := range names {
		o, err := g.Object(n)
		if err != nil {
			return nil, err
		}
		f := Field{Name: n}
		if d := o.Dataset; d != nil && d.Type.Class == hdf5.References && class(d.Attributes) == "" {
			dims := turned(d.Shape)
			if i > 0 && count(v.Dims) != count(dims) {
				return nil, fault.Inputf("field %q has shape %v, other fields %v", n, dims, v.Dims)
			}
			v.Dims = dims
			f.Values, err = r.targets(d, depth)
		} else {
			if count(v.Dims) != 1 {
				return nil, fault.Inputf("field %q is one value, other fields have shape %v", n, v.Dims)
			}
			var one *Value
			one, err = r.object(o, depth+1)
			f.Values = []*Value{one}
		}
		if err != nil {
			return nil, err
		}
		v.Fields = append(v.Fields, f)
	}
	return v, nil
}

// turned are MATLAB's dimensions of an HDF5 shape: the numbers stay where they are.
func turned(shape []int) []int {
	out := make([]int, len(shape))
	for i, n := range shape {
		out[len(shape)-1-i] = n
	}
	return out
}

func (r *reader73) targets(d *hdf5.Dataset, depth int) ([]*Value, error) {
	refs, err := d.Targets()
	if err != nil {
		return nil, err
	}
	var out []*Value
	for _, ref := range refs {
		o, err := r.f.Target(ref)
		if err != nil {
			return nil, err
		}
		v, err := r.object(o, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (r *reader73) dataset(d *hdf5.Dataset, depth int) (*Value, error) {
	v := &Value{Class: class(d.Attributes), Dims: turned(d.Shape)}
	if a := named(d.Attributes, "MATLAB_empty"); a != nil && len(a.Numbers()) == 1 && a.Numbers()[0] != 0 {
		return r.empty(d, v)
	}
	switch {
	case v.Class == "cell" && d.Type.Class == hdf5.References:
		var err error
		v.Cells, err = r.targets(d, depth)
		return v, err
	case d.Type.Class != hdf5.Numbers:
		return nil, fault.Inputf("it is of class %q, which isn't read", v.Class).Remedy("save plain numbers or text: cellstr(x), table2struct(x)")
	}
	if err := r.budget.number(d.Len()); err != nil {
		return nil, err
	}
	x, err := d.Float64()
	if err != nil {
		return nil, err
	}
	switch v.Class {
	case "char":
		chars := make([]rune, len(x))
		for i, c := range x {
			chars[i] = rune(c)
		}
		v.Text = rows(pairs(chars), v.Dims)
	case "double", "single", "logical", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64":
		v.Numbers = x
	case "": // written by another program
		v.Class, v.Numbers = strings.NewReplacer("float64", "double", "float32", "single").Replace(d.Type.Number.String()), x
	default:
		return nil, fault.Inputf("it is of class %q, which isn't read", v.Class).Remedy("save plain numbers or text: cellstr(x), table2struct(x)")
	}
	return v, nil
}

// empty reads the dimensions of an array without elements.
func (r *reader73) empty(d *hdf5.Dataset, v *Value) (*Value, error) {
	if d.Len() > 32 {
		return nil, fault.Inputf("it has %d dimensions", d.Len())
	}
	dims, err := d.Int64()
	if err != nil {
		return nil, err
	}
	v.Dims = nil
	for _, n := range dims {
		v.Dims = append(v.Dims, int(n))
	}
	if n, err := product(v.Dims); err != nil || n != 0 {
		return nil, fault.Inputf("it is empty and has dimensions %v", v.Dims)
	}
	return v, nil
}
