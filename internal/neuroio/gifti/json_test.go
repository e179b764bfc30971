package gifti

import "encoding/json"

// jsonArrays is golden.json's entry of a demo file: a list for surfaces and maps, something else (which is
// passed over) for parcellations.
type jsonArrays struct {
	list []struct {
		Shape         []int
		Sum, Weighted float64
		First, Last   []float64
	}
}

func (a *jsonArrays) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '[' {
		return nil
	}
	return json.Unmarshal(b, &a.list)
}
