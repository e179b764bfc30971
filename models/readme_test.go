package models

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// presetTable is the README's table, made from the cards.
func presetTable(t *testing.T) string {
	t.Helper()
	all, err := readPresets()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| preset | size | resize, part kept | kernel | mean | std | of | order |\n|---|---|---|---|---|---|---|---|\n")
	cards, err := Presets()
	if err != nil {
		t.Fatal(err)
	}
	triple := func(v [3]float64) string {
		if v[0] == v[1] && v[1] == v[2] {
			return fmt.Sprintf("%.4g", v[0])
		}
		return fmt.Sprintf("%.4g %.4g %.4g", v[0], v[1], v[2])
	}
	for i, c := range cards {
		fmt.Fprintf(&b, "| %s | %d | %s %.3g | %s | %s | %s | %g | %s |\n", all[i].name, c.Size, c.Resize, c.CropRatio, c.Kernel, triple(c.Mean), triple(c.Std), c.Scale, c.Order)
	}
	return b.String()
}

// The README's table of presets must be what the cards say; UPDATE_GOLDEN=1 writes it.
func TestReadmeListsPresets(t *testing.T) {
	const path, head = "../README.md", "| preset | size |"
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, want := string(raw), presetTable(t)
	from := strings.Index(text, head)
	if from < 0 {
		t.Fatalf("the README has no table that begins with %q", head)
	}
	to := from + strings.Index(text[from:], "\n\n") + 1
	if text[from:to] == want {
		return
	}
	if os.Getenv("UPDATE_GOLDEN") == "" {
		t.Errorf("the README says\n%s\nthe cards say\n%s", text[from:to], want)
		return
	}
	if err := os.WriteFile(path, []byte(text[:from]+want+text[to:]), 0o666); err != nil {
		t.Fatal(err)
	}
}
