package strictyaml

import (
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
)

// Unmarshaler is a type that reads itself. Its method may look at the node's kind and use n.Decode for the
// forms it takes; to decode into itself it converts to a type without the method, else it would be called
// again:
//
//	func (m *Model) UnmarshalYAML(n *strictyaml.Node) error {
//		if n.Kind() == strictyaml.Scalar {
//			m.Path = n.Text()
//			return nil
//		}
//		type plain Model
//		return n.Decode((*plain)(m))
//	}
type Unmarshaler interface {
	UnmarshalYAML(n *Node) error
}

// Decode puts the document into a struct, given by a pointer.
func (d *Doc) Decode(into any) error {
	*d.root.budget = maxNodes // of each reading
	return d.root.Decode(into)
}

// Decode puts the node's value into what into points to, as the package comment says.
func (n *Node) Decode(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic("strictyaml: Decode into what is no pointer")
	}
	return n.decode(v.Elem())
}

func (n *Node) decode(v reflect.Value) error {
	if *n.budget--; *n.budget < 0 {
		return n.Fault("more than %d values: aliases multiply", maxNodes)
	}
	if n.kind == Null && v.Kind() != reflect.Interface {
		return nil // a key without a value: the default stands
	}
	if v.CanAddr() {
		if u, ok := v.Addr().Interface().(Unmarshaler); ok {
			return n.unmarshal(u)
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return n.decode(v.Elem())
	case reflect.Interface:
		if v.NumMethod() > 0 {
			break
		}
		value, err := n.plain()
		if err == nil && value != nil {
			v.Set(reflect.ValueOf(value))
		}
		return err
	case reflect.Struct:
		return n.decodeStruct(v)
	case reflect.Map:
		return n.decodeMap(v)
	case reflect.Slice:
		return n.decodeSlice(v)
	case reflect.Array:
		return n.decodeArray(v)
	default:
		return n.decodeScalar(v)
	}
	panic("strictyaml: Decode into " + v.Type().String())
}

// unmarshal lets a type read itself; an error without a place gets the node's.
func (n *Node) unmarshal(u Unmarshaler) error {
	err := u.UnmarshalYAML(n)
	var known *fault.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return n.Fault("%w", err)
}

func (n *Node) decodeStruct(v reflect.Value) error {
	if n.kind != Map {
		return n.wants("a mapping (key: value)")
	}
	fields := fieldsOf(v.Type())
	for _, e := range n.entries {
		index, ok := fields.index[e.key]
		if ok {
			if err := e.value.decode(v.FieldByIndex(index)); err != nil {
				return err
			}
			continue
		}
		if !strings.HasPrefix(e.key, "x-") {
			return n.unknown(e, fields.names)
		}
	}
	return nil
}

func (n *Node) unknown(e entry, valid []string) error {
	err := fault.Inputf("unknown key %q", e.key)
	if n.key != "" {
		err = fault.Inputf("unknown key %q in %s", e.key, n.key)
	}
	err = err.In("%s", e.at)
	if near := Nearest(e.key, valid); near != "" {
		return err.Remedy("did you mean %s?", near)
	}
	return err.Remedy("the keys here are %s", strings.Join(valid, ", "))
}

// fields are the keys of a struct.
type fields struct {
	names []string // in the order of the struct
	index map[string][]int
}

func fieldsOf(t reflect.Type) fields {
	f := fields{index: map[string][]int{}}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if !field.IsExported() || name == "-" || field.Anonymous && name == "" || behindPointer(t, field.Index) {
			continue
		}
		if name == "" {
			name = strings.ToLower(field.Name)
		}
		f.names = append(f.names, name)
		f.index[name] = field.Index
	}
	return f
}

// behindPointer says whether a field is promoted from a named embedded field, or through a pointer, which may
// be nil.
func behindPointer(t reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		field := t.Field(i)
		if field.Type.Kind() != reflect.Struct || field.Tag.Get("yaml") != "" {
			return true
		}
		t = field.Type
	}
	return false
}

func (n *Node) decodeMap(v reflect.Value) error {
	if n.kind != Map {
		return n.wants("a mapping (key: value)")
	}
	t := v.Type()
	out := reflect.MakeMapWithSize(t, len(n.entries))
	for _, e := range n.entries {
		key := reflect.New(t.Key()).Elem()
		if err := (&Node{kind: Scalar, value: e.key, text: e.key, key: n.key, at: e.at, budget: n.budget}).decodeKey(key); err != nil {
			return err
		}
		value := reflect.New(t.Elem()).Elem()
		if err := e.value.decode(value); err != nil {
			return err
		}
		out.SetMapIndex(key, value)
	}
	v.Set(out)
	return nil
}

// decodeKey takes a map's key: a text, or a whole number.
func (n *Node) decodeKey(v reflect.Value) error {
	switch {
	case v.Kind() == reflect.String:
		v.SetString(n.text)
	case v.CanInt():
		i, err := strconv.ParseInt(n.text, 10, v.Type().Bits())
		if err != nil {
			return n.Fault("the key %q must be a whole number", n.text)
		}
		v.SetInt(i)
	default:
		panic("strictyaml: Decode into a map with keys of " + v.Type().String())
	}
	return nil
}

func (n *Node) decodeSlice(v reflect.Value) error {
	if n.kind != List {
		return n.wants("a list")
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		if err := item.decode(out.Index(i)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

func (n *Node) decodeArray(v reflect.Value) error {
	if n.kind != List {
		return n.wants("a list of " + strconv.Itoa(v.Len()))
	}
	if len(n.items) != v.Len() {
		return n.Fault("it must be a list of %d, not of %d", v.Len(), len(n.items))
	}
	for i, item := range n.items {
		if err := item.decode(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) decodeScalar(v reflect.Value) error {
	switch {
	case v.Kind() == reflect.String:
		if _, truth := n.value.(bool); truth || n.kind != Scalar {
			return n.wants("a text")
		}
		v.SetString(n.text)
	case v.Kind() == reflect.Bool:
		b, ok := n.value.(bool)
		if !ok {
			return n.wants("true or false")
		}
		v.SetBool(b)
	case v.CanInt() || v.CanUint():
		return n.decodeInteger(v)
	case v.CanFloat():
		x, ok := n.float()
		if !ok || math.IsNaN(x) || math.IsInf(x, 0) || v.OverflowFloat(x) {
			return n.wants("a number")
		}
		v.SetFloat(x)
	default:
		panic("strictyaml: Decode into " + v.Type().String())
	}
	return nil
}

// decodeInteger takes whole numbers that fit; 1.0 is not written as one, and 1.5 is none.
func (n *Node) decodeInteger(v reflect.Value) error {
	var x reflect.Value
	switch n.value.(type) {
	case int64, uint64:
		x = reflect.ValueOf(n.value)
	default:
		return n.wants("a whole number")
	}
	to := v.Type()
	converted := x.Convert(to)
	back := converted.Convert(x.Type())
	negative := func(v reflect.Value) bool { return v.CanInt() && v.Int() < 0 }
	switch {
	case !back.Equal(x), negative(x) != negative(converted):
		low, high := integerRange(v)
		return n.Fault("%s is out of range: %s to %s", n.text, low, high)
	}
	v.Set(converted)
	return nil
}

func integerRange(v reflect.Value) (low, high string) {
	bits := v.Type().Bits()
	if v.CanUint() {
		return "0", strconv.FormatUint(math.MaxUint64>>(64-bits), 10)
	}
	return strconv.FormatInt(math.MinInt64>>(64-bits), 10), strconv.FormatInt(math.MaxInt64>>(64-bits), 10)
}

func (n *Node) float() (float64, bool) {
	switch x := n.value.(type) {
	case float64:
		return x, true
	case int64:
		return float64(x), true
	case uint64:
		return float64(x), true
	}
	return 0, false
}

// plain is the node as Go's own values.
func (n *Node) plain() (any, error) {
	switch n.kind {
	case List:
		out := make([]any, len(n.items))
		for i := range out {
			if err := n.items[i].decode(reflect.ValueOf(&out[i]).Elem()); err != nil {
				return nil, err
			}
		}
		return out, nil
	case Map:
		out := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			var value any
			if err := e.value.decode(reflect.ValueOf(&value).Elem()); err != nil {
				return nil, err
			}
			out[e.key] = value
		}
		return out, nil
	}
	return n.value, nil
}
