package subject

import "errors"

// trouble is a fault with the stable word by which subject check calls it.
type trouble struct {
	id  string
	err error
}

func (t trouble) Error() string { return t.err.Error() }
func (t trouble) Unwrap() error { return t.err }

// named gives a fault its word; nil stays nil, and a word that it has already stays.
func named(id string, err error) error {
	if err == nil || errors.As(err, new(trouble)) {
		return err
	}
	return trouble{id, err}
}

// troubles takes apart what a step returned, one fault or several joined; those without a word get id.
func troubles(id string, err error) []trouble {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []trouble
		for _, e := range joined.Unwrap() {
			all = append(all, troubles(id, e)...)
		}
		return all
	}
	var t trouble
	if errors.As(err, &t) {
		return []trouble{t}
	}
	return []trouble{{id, err}}
}
