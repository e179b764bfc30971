package pipeline

import (
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"path/filepath"
	"slices"

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
	credits, _, err := r.credits()
	if err != nil {
		return err
	}
	if all := analyze.Looks(in); len(all) > 0 {
		first := m.first()
		picture, err := m.seen(first)
		if err != nil {
			return err
		}
		run.Sections = append(run.Sections, report.LookSection(m.Mapping, all, picture, m.Brain.Images.Stimuli[first].Name, credits))
	}
	s, err := r.channels(w, m, in, credits)
	if err == nil {
		run.Sections = append(run.Sections, s)
	}
	return err
}

// first is the place of the subject's first picture that the mapping was fitted to or scored on: of those that could not
// be decoded none was.
func (m *mapped) first() int {
	used := map[string]bool{}
	for _, side := range [][]string{m.Info.Split.Train, m.Info.Split.Val, m.Info.Split.Test} {
		for _, digest := range side {
			used[digest] = true
		}
	}
	return slices.IndexFunc(m.Brain.Images.Stimuli, func(s stimuli.Stimulus) bool { return used[hex.EncodeToString(s.Digest[:])] })
}

// channels is the section of the channels that regions read most.
func (r *run) channels(w work, m *mapped, in analyze.Input, credits []report.Credit) (s report.Section, err error) {
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
	return report.ChannelSection(m.Mapping, all, f.Len(), m.seen, credits)
}

// seen is a picture of the subject as the network saw it.
func (m *mapped) seen(index int) (image.Image, error) {
	pixels, err := m.Brain.Images.Pixels(index)
	if err != nil {
		return nil, err
	}
	card := m.Network.file.Card
	if m.Setting.extractProtocol() == extract.Paper {
		card = extract.PaperCard(card)
	}
	p := extract.Seen(pixels, card)
	out := image.NewRGBA(image.Rect(0, 0, p.W, p.H))
	for i := range p.W * p.H {
		copy(out.Pix[4*i:4*i+3], p.Pix[3*i:3*i+3])
		out.Pix[4*i+3] = 255
	}
	return out, nil
}
