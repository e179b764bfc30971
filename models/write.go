package models

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// YAML is the card as a card file that says all of it, so that nothing has to be found anywhere else. heading
// is a comment for its first line. What Find makes of the file is the card again, but for where its fields
// come from.
func (c Card) YAML(heading string) []byte {
	var b strings.Builder
	line := func(key, value string) { fmt.Fprintf(&b, "%s: %s\n", key, value) }
	text := func(key, value string) {
		if value != "" {
			line(key, strconv.Quote(value))
		}
	}
	fmt.Fprintf(&b, "# %s\n", strings.Join(strings.Fields(heading), " "))
	text("name", c.Name)
	text("family", c.Family)
	text("licence", c.Licence)
	text("origin", c.Origin)
	line("size", strconv.Itoa(c.Size))
	if c.Width > 0 {
		line("width", strconv.Itoa(c.Width))
	}
	line("resize", c.Resize)
	line("crop", number(c.CropRatio))
	line("kernel", c.Kernel)
	line("scale", number(c.Scale))
	line("mean", numbers(c.Mean[:]))
	line("std", numbers(c.Std[:]))
	line("order", c.Order)
	line("layout", c.Layout)
	if len(c.Inputs) > 0 {
		b.WriteString("inputs:\n")
		for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
			fmt.Fprintf(&b, "  %s: %s\n", strconv.Quote(name), numbers(c.Inputs[name]))
		}
	}
	return []byte(b.String())
}

// number is a float64 in as few digits as give it back.
func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

func numbers(x []float64) string {
	words := make([]string, len(x))
	for i, v := range x {
		words[i] = number(v)
	}
	return "[" + strings.Join(words, ", ") + "]"
}
