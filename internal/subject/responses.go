package subject

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/parquet"
	"cortexmap/internal/stats"
	"cortexmap/internal/strictyaml"
)

// openResponses opens the file and holds its shape against the list of images.
func (b *builder) openResponses() error {
	t, err := b.openTable()
	if err != nil {
		return named("row-count", err)
	}
	b.opened = t
	b.s.Units, _ = t.size()
	return nil
}

func (b *builder) openTable() (recording, error) {
	name := b.d.Responses.File
	unitsFirst := b.d.Responses.Rows == "units"
	t, err := b.openRecording(name, unitsFirst)
	if err != nil {
		return nil, err
	}
	units, rows := t.size()
	if want := b.set.Len(); rows != want {
		defer t.close()
		e := fault.Inputf("%d images are listed, the responses have %d", want, rows).In("%s", b.folder.place(name))
		if units == want {
			other := map[bool]string{true: "images", false: "units"}[unitsFirst]
			return nil, e.Remedy("the other axis has %d: write `rows: %s` in %s", units, other, descriptionName)
		}
		return nil, e.Remedy("the file may be cut short, or another session's; images without a response are left out of the list")
	}
	if units == 0 {
		t.close()
		return nil, fault.Inputf("the responses have no units").In("%s", b.folder.place(name))
	}
	return t, nil
}

// openRecording opens a .npy or a .parquet.
func (b *builder) openRecording(name string, unitsFirst bool) (recording, error) {
	if hasForm(name, ".parquet") {
		file, err := b.open(name)
		if err != nil {
			return nil, err
		}
		t, err := parquet.OpenFile(file, b.folder.place(name))
		if err != nil {
			return nil, durable.Explain(err, b.folder.place(name))
		}
		if t.Other != nil {
			b.s.warn("columns-left-out", fmt.Sprintf("%s: columns of %s that hold no numbers are left out: %s", b.s.Name, name, strings.Join(t.Other, ", ")))
		}
		return columns{t, unitsFirst}, nil
	}
	a, err := b.npy(name)
	if err != nil {
		return nil, err
	}
	if len(a.Shape) != 2 {
		a.Close()
		return nil, fault.Inputf("the responses have %d dimensions, 2 are needed: images and units", len(a.Shape)).In("%s", b.folder.place(name)).
			Remedy("reshape them; one unit is an axis of length 1")
	}
	return newTable(a, unitsFirst, 1), nil
}

// responses fills s.Responses and, from repeats, NCSNR and Trials. The table is closed, or kept until the
// subject is closed where Responses are its pages.
func (b *builder) responses(ctx context.Context) error {
	s, t := b.s, b.opened
	b.opened = nil
	units, rows := t.size()
	sessions, err := b.sessions()
	if err == nil && sessions == nil && s.Images.Len() == rows {
		if s.Responses, err = t.pages(); err == nil && s.Responses != nil {
			s.close = append(s.close, t.close)
			return nil
		}
	}
	defer t.close()
	if err != nil {
		return durable.Explain(err, b.folder.place(b.d.Responses.File))
	}
	repeated := s.Images.Len() < rows
	if repeated {
		s.Trials = make([]int, s.Images.Len())
		for _, n := range b.place {
			s.Trials[n]++
		}
		s.NCSNR = make([]float32, units)
	}
	s.Responses = make([]float32, s.Images.Len()*units)
	mean := newMeans(b.place, s.Images.Len())
	err = t.each(ctx, func(unit int, cells []float64) error {
		for _, rows := range sessions {
			zscore(cells, rows)
		}
		if repeated {
			s.NCSNR[unit] = float32(stats.NCSNR(cells, b.place))
		}
		mean.of(cells)
		for n, x := range mean.value {
			s.Responses[n*units+unit] = float32(x)
		}
		return nil
	})
	return durable.Explain(fileFault(err, b.folder.place(b.d.Responses.File)), b.folder.place(b.d.Responses.File))
}

// sessions are the rows of each value of the z-score column, nil without one.
func (b *builder) sessions() ([][]int, error) {
	column := b.d.Responses.ZScore
	if column == "none" {
		return nil, nil
	}
	if _, ok := b.s.rows[0].columns[column]; !ok {
		valid := slices.Sorted(maps.Keys(b.s.rows[0].columns))
		e := b.doc.Fault("responses.zscore", "%s has no column %q; it has %s", b.d.Images.List, column, strings.Join(valid, ", "))
		if near := strictyaml.Nearest(column, valid); near != "" {
			return nil, e.Remedy("did you mean %s?", near)
		}
		return nil, e
	}
	rows := map[string][]int{}
	for i, r := range b.s.rows {
		value := r.columns[column]
		if value == "" {
			return nil, fault.Inputf("row %d has no %s, which responses.zscore needs", i+1, column).In("%s", b.folder.place(b.d.Images.List))
		}
		rows[value] = append(rows[value], i)
	}
	var out [][]int
	for _, value := range slices.Sorted(maps.Keys(rows)) {
		if len(rows[value]) < 2 {
			return nil, fault.Inputf("%s %q has one row only, nothing can be z-scored within it", column, value).In("%s", b.folder.place(b.d.Images.List))
		}
		out = append(out, rows[value])
	}
	return out, nil
}

// zscore gives the cells of some rows mean 0 and standard deviation 1 (population, as the Algonauts recipe);
// all 0 where they are constant. NaN stays and doesn't count.
func zscore(cells []float64, rows []int) {
	sum, n, first, constant := 0.0, 0.0, 0.0, true
	for _, r := range rows {
		if x := cells[r]; !math.IsNaN(x) {
			if n == 0 {
				first = x
			}
			sum, n, constant = sum+x, n+1, constant && x == first
		}
	}
	mean, squares := sum/n, 0.0
	for _, r := range rows {
		if x := cells[r]; !math.IsNaN(x) {
			squares += (x - mean) * (x - mean)
		}
	}
	sd := math.Sqrt(squares / n)
	for _, r := range rows {
		switch {
		case math.IsNaN(cells[r]):
		case sd == 0 || constant: // the mean of many 0.1 is not quite 0.1
			cells[r] = 0
		default:
			cells[r] = (cells[r] - mean) / sd
		}
	}
}

// means averages the rows of each image.
type means struct {
	place []int // of each row
	value []float64
	count []int
}

func newMeans(place []int, images int) *means {
	return &means{place: place, value: make([]float64, images), count: make([]int, images)}
}

// of leaves NaN rows out; an image of which there is nothing else is NaN.
func (m *means) of(cells []float64) {
	clear(m.value)
	clear(m.count)
	for i, n := range m.place {
		if x := cells[i]; !math.IsNaN(x) {
			m.value[n] += x
			m.count[n]++
		}
	}
	for n, c := range m.count {
		m.value[n] /= float64(c) // 0/0 is NaN
	}
}

// survey refuses infinities and counts units that can't be fitted.
func (b *builder) survey() error {
	s := b.s
	first := make([]float32, s.Units)
	state := make([]uint8, s.Units) // 0 no data, 1 constant so far, 2 varies
	for n := range s.Images.Len() {
		for u, x := range s.Responses[n*s.Units : (n+1)*s.Units] {
			switch {
			case x != x:
			case math.IsInf(float64(x), 0):
				return named("infinite", fault.Inputf("the response of unit %d to %s is infinite", u, s.Images.Stimuli[n].Label()).In("%s", b.folder.place(b.d.Responses.File)).
					Remedy("write NaN where there is no data"))
			case state[u] == 0:
				first[u], state[u] = x, 1
			case state[u] == 1 && x != first[u]:
				state[u] = 2
			}
		}
	}
	var none, constant int
	for _, st := range state {
		switch st {
		case 0:
			none++
		case 1:
			constant++
		}
	}
	if none+constant == s.Units {
		return named("dead-units", fault.Inputf("no unit has responses that vary: %d have no data, %d are constant", none, constant).In("%s", b.folder.place(b.d.Responses.File)).
			Remedy("check that the file is the one that was recorded"))
	}
	if none+constant > 0 {
		s.warn("dead-units", fmt.Sprintf("%s: %d of %d units have no data and %d are constant; they stay in the tables, not fitted", s.Name, none, s.Units, constant))
	}
	return nil
}
