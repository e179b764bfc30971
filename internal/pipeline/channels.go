package pipeline

import (
	"errors"
	"fmt"
	"image"
	"path/filepath"

	"cortexmap/analyze"
	"cortexmap/analyze/report"
	"cortexmap/extract"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
)

// leads says whether a mapping is the first FactorTopy of its setting, network and subject: top channels are shown of it,
// since other seeds and ablations would show much the same.
func (r *run) leads(m *mapped) bool {
	for _, o := range r.mappings {
		if o.Setting == m.Setting && o.Network == m.Network && o.Brain == m.Brain && !o.how.baseline() {
			return o == m
		}
	}
	return false
}

// addChannels puts where regions look and the channels that they read most into a mapping's part of the report, or says
// which key does.
func (r *run) addChannels(w work, run *report.Run, m *mapped, in analyze.Input) error {
	if !r.leads(m) {
		return nil
	}
	looks, err := r.looks(m, in)
	if err != nil {
		return err
	}
	s, err := r.channels(w, m, in)
	if err == nil {
		run.Sections = append(append(run.Sections, looks...), s)
	}
	return err
}

// looks shows where regions look on the subject's first picture; nothing where no unit has an image point.
func (r *run) looks(m *mapped, in analyze.Input) ([]report.Section, error) {
	all := analyze.Looks(in)
	if len(all) == 0 {
		return nil, nil
	}
	credits, _, err := r.credits()
	if err != nil {
		return nil, err
	}
	set := m.Brain.Images
	pixels, err := set.Pixels(0)
	if err != nil {
		return nil, err
	}
	card := m.Network.file.Card
	if m.Setting.extractProtocol() == extract.Paper {
		card = extract.PaperCard(card)
	}
	return []report.Section{report.LookSection(m.Mapping, all, picture(extract.Seen(pixels, card)), set.Stimuli[0].Name, credits)}, nil
}

// channels is that section.
func (r *run) channels(w work, m *mapped, in analyze.Input) (s report.Section, err error) {
	set := m.Brain.Images
	switch {
	case m.native == nil:
		return report.NoChannels(fmt.Sprintf("it needs tokens on the layers’ own grids of some pictures, which extract.native names (extract.native: [%q] or a pattern such as [\"*\"], with at least eight photographs)", set.Stimuli[0].Name)), nil
	case !m.native.State.Finished():
		return report.NoChannels(m.native.Name + " is not there, because it failed"), nil
	}
	f, err := store.OpenFeatures(filepath.Join(r.out, filepath.FromSlash(m.native.Folder)))
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var shown []analyze.Shown
	for _, index := range f.Index {
		x := &set.Stimuli[index]
		shown = append(shown, analyze.Shown{Index: int(index), Photo: x.Photo, File: x.Name, Name: x.Label()})
	}
	all, reason, err := analyze.FindTopChannels(w.ctx, in, f, shown)
	if err != nil {
		return s, err
	}
	if reason != "" {
		return report.NoChannels(reason), nil
	}
	credits, _, err := r.credits()
	if err != nil {
		return s, err
	}
	card := m.Network.file.Card
	if f.Manifest.Protocol == extract.Paper {
		card = extract.PaperCard(card)
	}
	return report.ChannelSection(m.Mapping, all, f.Len(), func(index int) (image.Image, error) {
		pixels, err := set.Pixels(index)
		if err != nil {
			return nil, err
		}
		return picture(extract.Seen(pixels, card)), nil
	}, credits)
}

// picture is the standard library's form of pixels.
func picture(p *stimuli.RGB) image.Image {
	out := image.NewRGBA(image.Rect(0, 0, p.W, p.H))
	for i := range p.W * p.H {
		copy(out.Pix[4*i:4*i+3], p.Pix[3*i:3*i+3])
		out.Pix[4*i+3] = 255
	}
	return out
}
