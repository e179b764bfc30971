package report

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"

	"cortexmap/internal/fault"
)

// Credit names a photograph's author, where it came from and its licence.
type Credit struct {
	File, Title, Author, Source, Licence, Changes string
}

// ReadCredits parses a credits.csv: UTF-8, a header, columns file, title, author, source, licence, changes
// in any order; other columns are ignored. name is for messages.
func ReadCredits(name string, data []byte) ([]Credit, error) {
	r := csv.NewReader(bytes.NewReader(data))
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, fault.Inputf("the credits of the photographs are empty").In("%s", name)
	}
	if err != nil {
		return nil, fault.Inputf("no CSV: %w", err).In("%s", name)
	}
	var out []Credit
	columns := []string{"file", "title", "author", "source", "licence", "changes"}
	place := make([]int, len(columns))
	for i, c := range columns {
		if place[i] = slices.Index(header, c); place[i] < 0 {
			return nil, fault.Inputf("the credits have no column %q", c).In("%s:1", name)
		}
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fault.Inputf("no CSV: %w", err).In("%s", name)
		}
		out = append(out, Credit{row[place[0]], row[place[1]], row[place[2]], row[place[3]], row[place[4]], row[place[5]]})
	}
}

// creditGroup are the photographs of one author under one licence.
type creditGroup struct {
	Author, Licence string
	Files           []Credit
}

// groupCredits puts photographs of one author and licence together, the largest group first.
func groupCredits(all []Credit) []creditGroup {
	place := map[[2]string]int{}
	var out []creditGroup
	for _, c := range all {
		key := [2]string{c.Author, c.Licence}
		k, ok := place[key]
		if !ok {
			k = len(out)
			place[key] = k
			out = append(out, creditGroup{Author: c.Author, Licence: c.Licence})
		}
		out[k].Files = append(out[k].Files, c)
	}
	slices.SortStableFunc(out, func(a, b creditGroup) int { return len(b.Files) - len(a.Files) })
	return out
}
