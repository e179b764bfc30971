package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTopChannels: with native grids a run has the channels of its regions, on its own pictures; without, its report says
// which key gives them, and the mapping is the same.
func TestTopChannels(t *testing.T) {
	d := newDesk(t)
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join("out", "results", name))
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	run := func() string {
		res, err := Run(t.Context(), d.options())
		if err != nil {
			t.Fatal(err)
		}
		return states(res)
	}
	run()
	if page := read("report.html"); !strings.Contains(page, "extract.native: [&#34;") {
		t.Error("the report doesn't say which key gives top channels")
	}
	if page, table := read("report.html"), read("tables/image_points.csv"); !strings.Contains(page, "Where regions look: the image points of their units.") || strings.Count(table, "\n") < 2 {
		t.Errorf("where regions look isn't shown, or not told: %s", table)
	}
	if _, err := os.Stat("out/results/tables/top_channels.csv"); !os.IsNotExist(err) {
		t.Errorf("a table without native grids: %v", err)
	}
	d.set("extract.native", "all")
	if got := run(); got != "features kept, native done, mapping kept, results done" {
		t.Errorf("with native grids: %s", got)
	}
	plates, err := filepath.Glob("out/results/plates/*_channels_*.png")
	if err != nil || len(plates) != 1 { // one region
		t.Errorf("plates %v, %v", plates, err)
	}
	table, page := read("tables/top_channels.csv"), read("report.html")
	if n := strings.Count(table, "\n"); n != 1+2*4 { // two channels of one region, four photographs each
		t.Errorf("%d lines:\n%s", n, table)
	}
	if !strings.Contains(page, "in the photographs that drive them most") || strings.Contains(page, "Not shown: it needs tokens") {
		t.Error("the report doesn't show them")
	}
}

// TestChannelsWithoutAPicture: where the first picture can't be decoded, regions look at the next, and native grids are
// made of the others, whatever extract.images calls the one that is left out.
func TestChannelsWithoutAPicture(t *testing.T) {
	d := newDesk(t)
	d.edit("brain/images/p000.png", func(string) string { return "no picture" })
	for i := range 24 {
		d.edit("all.txt", func(list string) string { return fmt.Sprintf("%sbrain/images/p%03d.png\n", list, i) })
	}
	d.set("extract.images", "all.txt")
	d.set("extract.native", "all")
	o := d.options()
	o.KeepGoing = true
	res, err := Run(t.Context(), o)
	d.check(err)
	if got := states(res); got != "features done, native done, mapping done, results done" {
		t.Error(got)
	}
	page, err := os.ReadFile("out/results/report.html")
	d.check(err)
	if !strings.Contains(string(page), "p001.png, once a region") {
		t.Error("where regions look isn't shown over the first picture that can be decoded")
	}
}
