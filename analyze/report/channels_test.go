package report

import (
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/analyze"
)

// TestChannels: a region's channels are a picture on the page with its file, its photographs' names and authors, and a
// table; a store without enough pictures is said.
func TestChannels(t *testing.T) {
	run := sampleRun(t, 40)
	peak := func(file string, value float64) analyze.Peak {
		return analyze.Peak{Picture: analyze.Shown{File: file, Name: file}, Value: value, Cell: 3, X: 0.5, Y: -0.5, Grid: [2]int{2, 2}, Heat: []float64{0, 1, 2, value}}
	}
	all := []analyze.TopChannel{
		{ROI: "areas/V1", NVertices: 9, Layer: 2, Name: "blockC", Share: 0.5, Rank: 1, Channel: 17, Weight: -0.25, Peaks: []analyze.Peak{peak("cid22_000.jpg", 8), peak("kodak_04.jpg", 7)}},
		{ROI: "areas/V1", NVertices: 9, Layer: 2, Name: "blockC", Share: 0.5, Rank: 2, Channel: 3, Weight: 0.125, Peaks: []analyze.Peak{peak("cid22_001.jpg", 6)}},
		{ROI: "areas/V4", NVertices: 4, Layer: 5, Name: "blockF", Share: 0.4, Rank: 1, Channel: 3, Weight: 0.5, Peaks: []analyze.Peak{peak("mine.png", 5)}},
	}
	run.Geometry, run.Outlines = nil, nil // no plates of maps, which take long
	in := sampleInput(t, run)
	s, err := ChannelSection(run.Mapping, all, 12, func(int) (image.Image, error) { return image.NewRGBA(image.Rect(0, 0, 8, 8)), nil }, in.Credits)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Pictures) != 2 {
		t.Fatalf("%d pictures of two regions", len(s.Pictures))
	}
	in.Runs[0].Sections = append(in.Runs[0].Sections, s)
	dir := t.TempDir()
	out, err := Write(t.Context(), dir, in)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(out.HTML)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"areas/V1: channels of blockC", "cid22_000.jpg, cid22_001.jpg by Cloudinary", "kodak_04.jpg by ", "areas/V4: channels of blockF, in the photographs that drive them most.", "tables/top_channels.csv"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(string(page), "mine.png by") {
		t.Error("somebody is named for a photograph of which nobody is known")
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "plates", "*_channels_areas_V*.png")); len(files) != 2 {
		t.Errorf("files %v", files)
	}
	table, err := os.ReadFile(out.Tables["top_channels"])
	if err != nil || strings.Count(string(table), "\n") != 5 {
		t.Errorf("%v:\n%s", err, table)
	}
	if s := NoChannels("of a reason"); len(s.Text) != 1 || !strings.Contains(s.Text[0], "of a reason") || s.Pictures != nil {
		t.Errorf("%+v", s)
	}
}
