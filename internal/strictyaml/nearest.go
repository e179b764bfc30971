package strictyaml

// Nearest is the valid name that is fewest edits from a wrong one (a letter inserted, removed, changed, or two
// neighbours exchanged; case doesn't count), the first of equals. "" if none is near: more edits than a third
// of the longer name's letters, or than one in names of two and three, are another word.
func Nearest(name string, valid []string) string {
	best, least := "", 1<<30
	for _, v := range valid {
		a, b := fold(name), fold(v)
		d := distance(a, b)
		if limit := max(1, max(len(a), len(b))/3); d <= limit && d < least {
			best, least = v, d
		}
	}
	return best
}

// fold makes letters small and '-' a '_': the usual slips.
func fold(s string) []rune {
	out := []rune(s)
	for i, r := range out {
		switch {
		case 'A' <= r && r <= 'Z':
			out[i] = r - 'A' + 'a'
		case r == '-' || r == ' ':
			out[i] = '_'
		}
	}
	return out
}

// distance is Damerau and Levenshtein's, of neighbours exchanged at most once (optimal string alignment).
func distance(a, b []rune) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	before, last, row := rows[0], rows[1], rows[2]
	for j := range row {
		last[j] = j
	}
	for i := range a {
		row[0] = i + 1
		for j := range b {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			row[j+1] = min(last[j]+change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
