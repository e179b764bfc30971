package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"cortexmap/analyze"
)

// none is what people see where a number is undefined.
const none = "–"

// short writes a number with three significant digits, or two decimals for the usual 0.1..10, and a true
// minus sign.
func short(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return none
	}
	var s string
	switch a := math.Abs(x); {
	case a == 0:
		return "0"
	case a < 0.0995:
		s = strconv.FormatFloat(a, 'f', 3, 64)
	case a < 9.995:
		s = strconv.FormatFloat(a, 'f', 2, 64)
	case a < 99.95:
		s = strconv.FormatFloat(a, 'f', 1, 64)
	default:
		s = count(int(math.Round(a)))
	}
	if strings.Trim(s, "0.") == "" {
		return "0"
	}
	if x < 0 {
		return "−" + s
	}
	return s
}

// interval writes "0.41 [0.35, 0.47]", without brackets where the bounds are not known.
func interval(x analyze.Interval) string {
	if b := bounds(x); b != "" {
		return short(x.Estimate) + " " + b
	}
	return short(x.Estimate)
}

// bounds writes "[0.35, 0.47]", or nothing.
func bounds(x analyze.Interval) string {
	if math.IsNaN(x.Lo) || math.IsNaN(x.Hi) {
		return ""
	}
	return "[" + short(x.Lo) + ", " + short(x.Hi) + "]"
}

// count writes 2790 as 2,790.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// seconds writes a duration for people.
func seconds(s float64) string {
	switch {
	case math.IsNaN(s) || s < 0:
		return none
	case s < 9.95:
		return fmt.Sprintf("%.1f s", s)
	case s < 120:
		return fmt.Sprintf("%.0f s", s)
	case s < 7200:
		return fmt.Sprintf("%.0f min %02.0f s", math.Floor(s/60), math.Floor(math.Mod(s, 60)))
	}
	return fmt.Sprintf("%.1f h", s/3600)
}

// plural writes "1 vertex", "2,790 vertices".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// capital writes a word with a capital.
func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }
