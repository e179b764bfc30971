package report

import (
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
	"cortexmap/internal/store"
)

// channelScale is the pixels of a logical one: photographs at 2 would fill the page.
const channelScale = 1.5

const channelTitle = "What drives the channels that a region reads"

// NoChannels is the section in the place of ChannelSection, and why.
func NoChannels(reason string) Section {
	return Section{ID: "channels", Title: channelTitle, Text: []string{"Not shown: " + reason + "."}}
}

// ChannelSection shows each region's channels on the photographs that drive them most, a picture a region. picture is
// what the network saw of a picture of the image set; credits are those known of the photographs.
func ChannelSection(m *store.Mapping, all []analyze.TopChannel, pictures int, picture func(index int) (image.Image, error), credits []Credit) (Section, error) {
	s := Section{ID: "channels", Title: channelTitle, Simulated: m.Info.Simulated, Table: analyze.TopChannelTable(m, all, pictures),
		Text: []string{fmt.Sprintf("For each region: the layer with the largest share, the channels of it whose readout weighs most, and the photographs, of %d pictures stored on native grids, in which they are strongest. Squares are the layer’s own tokens; the frame is the peak.", pictures),
			"Channels are the fit’s own, and another seed has others: what they show can be compared, not their numbers."},
		Show: []Show{{Column: "roi", Head: "Region"}, {Column: "name", Head: "Layer"}, {Column: "channel", Head: "Channel"}, {Column: "weight", Head: "Weight (response for one SD)"},
			{Column: "place", Head: "Place"}, {Column: "picture", Head: "Picture"}, {Column: "peak", Head: "Peak (SD)"}, {Column: "x", Head: "x (−1..1, right)"}, {Column: "y", Head: "y (−1..1, down)"}},
		Methods: []string{fmt.Sprintf("Channels of a region are those of the layer with its largest mean share, ranked by the product of the mean readout of the region’s vertices and the channel’s standard deviation over all cells of %d pictures (cortexmap’s definition; the publication mixes channels and layers instead).", pictures)}}
	top := 1.0
	for _, c := range all {
		for _, p := range c.Peaks {
			top = math.Max(top, p.Value)
		}
	}
	for from := 0; from < len(all); {
		to := from
		for to < len(all) && all[to].ROI == all[from].ROI {
			to++
		}
		p, err := regionPicture(all[from:to], top, m.Info.Simulated, picture, credits)
		if err != nil {
			return s, err
		}
		s.Pictures = append(s.Pictures, p)
		from = to
	}
	return s, nil
}

// regionPicture draws one region's channels; top is the upper end of the colours.
func regionPicture(channels []analyze.TopChannel, top float64, simulated bool, picture func(int) (image.Image, error), credits []Credit) (Picture, error) {
	first := channels[0]
	t := draw.Tiles{Name: "channels_" + store.SafeName(first.ROI), Title: fmt.Sprintf("%s: channels of %s", first.ROI, first.Name), Unit: "heat, SDs of the channel",
		Lo: 0, Hi: top, Simulated: simulated, Note: fmt.Sprintf("Photographs in greys; squares: the layer’s %d × %d tokens. More heat, more response of the region.", first.Peaks[0].Grid[0], first.Peaks[0].Grid[1])}
	var files, said []string
	for _, c := range channels {
		row := draw.TileRow{Label: fmt.Sprintf("channel %d: weight %s", c.Channel, short(c.Weight))}
		for _, p := range c.Peaks {
			img, err := picture(p.Picture.Index)
			if err != nil {
				return Picture{}, err
			}
			row.Tiles = append(row.Tiles, draw.Tile{Picture: img, Grid: p.Grid, Heat: p.Heat, Cell: p.Cell, Label: p.Picture.File})
			if !slices.Contains(files, p.Picture.File) {
				files = append(files, p.Picture.File)
			}
		}
		best := c.Peaks[0]
		said = append(said, fmt.Sprintf("channel %d is strongest in %s, %s SDs at x %s, y %s", c.Channel, best.Picture.Name, short(best.Value), short(best.X), short(best.Y)))
		t.Rows = append(t.Rows, row)
	}
	t.Alt = fmt.Sprintf("Photographs that drive the channels of %s that %s reads most: %s.", first.Name, first.ROI, strings.Join(said, "; "))
	return Picture{Plate: t.Plot(channelScale), Caption: t.Title + ", in the photographs that drive them most." + credited(files, credits), Numbers: "tables/top_channels.csv"}, nil
}

// credited names the authors of the photographs of which they are known.
func credited(files []string, credits []Credit) string {
	var known []Credit
	for _, c := range credits {
		if slices.Contains(files, c.File) {
			known = append(known, c)
		}
	}
	var out []string
	for _, g := range groupCredits(known) {
		var names []string
		for _, c := range g.Files {
			names = append(names, c.File)
		}
		out = append(out, fmt.Sprintf("%s by %s, %s", strings.Join(names, ", "), g.Author, g.Licence))
	}
	if out == nil {
		return ""
	}
	return " Photographs (shown in greys): " + strings.TrimSuffix(strings.Join(out, "; "), ".") + "."
}
