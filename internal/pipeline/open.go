package pipeline

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"

	"cortexmap/extract"
	"cortexmap/fit"
	"cortexmap/internal/config"
	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
	"cortexmap/internal/strictyaml"
	"cortexmap/internal/subject"
)

// demoPrefix marks what is embedded rather than a path.
const demoPrefix = "demo:"

// network is a model of the configuration.
type network struct {
	config.Model
	asked    config.Model // as the file has it
	layers   []string     // as extract.layers
	bytes    []byte       // of an embedded one; nil for a file
	weights  string       // digest of the file and of those that hold its weights
	file     *extract.Network
	original *network // whose weights this one's are drawn from; nil: its weights are its own
	products float64  // multiplications by weights that a picture takes; 0: not counted yet

	mu     sync.Mutex // of probing
	opened bool       // file has been probed by running it
}

// family is what the configuration says, or else the card.
func (n *network) family() string {
	if n.Family != "" {
		return n.Family
	}
	return n.file.Card.Family
}

// brain is a subject of the configuration.
type brain struct {
	*subject.Subject
	geometry  *cortex.Geometry // nil without positions on a surface
	sim       *simulation      // nil for real responses
	imagesKey string           // digest of the image set
	dataKey   string           // digest of responses and places
}

func (b *brain) close() {
	if b.sim == nil {
		b.Subject.Close()
	}
}

// open reads every network and subject that the configuration names, and checks what can be checked
// without ONNX Runtime. Nothing is written.
func (r *run) open() error {
	models, err := expand(r.Config.Models)
	if err != nil {
		return err
	}
	r.models = models
	for _, s := range r.settings {
		for _, m := range models {
			n, err := r.network(m, s.Config.Extract.Layers)
			if err != nil {
				return err
			}
			s.networks = append(s.networks, n)
		}
		if err := distinctNames(s.networks); err != nil {
			return err
		}
		if err := s.ablations(); err != nil {
			return err
		}
	}
	if err := r.openJudge(); err != nil {
		return err
	}
	if err := r.groups(); err != nil {
		return err
	}
	if err := knownBases(r.networks); err != nil {
		return err
	}
	if err := r.openPictures(); err != nil {
		return err
	}
	for _, s := range r.Config.Subjects {
		b, err := r.openSubject(s)
		if err != nil {
			return err
		}
		r.brains = append(r.brains, b)
	}
	if err := distinctSubjects(r.brains); err != nil {
		return err
	}
	if err := r.openSpaces(); err != nil {
		return err
	}
	if err := r.knownSplits(); err != nil {
		return err
	}
	return r.namePictures()
}

// knownSplits sees that every subject has the column that a setting splits it by, before minutes go into tokens.
func (r *run) knownSplits() error {
	for _, s := range r.settings {
		for _, b := range r.brains {
			if b.RDMs != nil {
				continue // nothing is fitted
			}
			if err := b.CanSplitBy(s.Config.Fit.Split.By); err != nil {
				return err
			}
		}
	}
	return nil
}

// openSpaces reads the surfaces that maps are written on as well, and sees that every subject's maps can be.
func (r *run) openSpaces() error {
	for _, name := range r.Config.Analyze.Spaces {
		to, err := cortex.LoadFsaverage(r.Demo, name)
		if err != nil {
			return err
		}
		for _, b := range r.brains {
			if b.geometry == nil {
				continue
			}
			if _, err := b.geometry.Onto(to); err != nil {
				return fmt.Errorf("analyze.spaces: %s: %w", b.Name, err)
			}
		}
		r.spaces = append(r.spaces, to)
	}
	return nil
}

// ablations checks that every network has the layers that fit.ablation names.
func (r *setting) ablations() error {
	for _, n := range r.networks {
		for _, word := range r.Config.Fit.Ablation {
			if err := fit.CheckAblation(word, len(n.file.Layers)); err != nil {
				return fault.Inputf("fit.ablation: %s: %w", n.Name, err).Remedy("`cortexmap inspect %s` lists its layers, counted from 0", n.Path)
			}
		}
	}
	return nil
}

// groups checks that the groups of a sweep name networks that are there.
func (r *run) groups() error {
	var names []string
	for _, n := range r.networks {
		names = append(names, n.Name)
	}
	for group, members := range r.Config.Sweep.Groups {
		for _, m := range members {
			if slices.Contains(names, m) {
				continue
			}
			f := fault.Inputf("sweep.groups.%s: no network is called %q", group, m)
			if near := strictyaml.Nearest(m, names); near != "" {
				return f.Remedy("did you mean %s?", near)
			}
			return f.Remedy("the networks are called %s", strings.Join(names, ", "))
		}
	}
	return nil
}

// network opens a model once for each way in which a sweep's settings choose its layers.
func (r *run) network(m config.Model, layers []string) (*network, error) {
	for _, n := range r.networks {
		if n.asked == m && slices.Equal(n.layers, layers) {
			return n, nil
		}
	}
	n, err := r.openNetwork(m, layers)
	if err != nil {
		return nil, err
	}
	n.asked = m
	r.networks = append(r.networks, n)
	return n, nil
}

// expand replaces globs by the files they match, in byte order.
func expand(models []config.Model) ([]config.Model, error) {
	var out []config.Model
	for _, m := range models {
		if strings.HasPrefix(m.Path, demoPrefix) || !strings.ContainsAny(m.Path, "*?[") || durable.Exists(m.Path) {
			out = append(out, m)
			continue
		}
		paths, err := filepath.Glob(m.Path)
		if err != nil {
			return nil, fault.Inputf("models: %q is not a valid pattern: %w", m.Path, err).In("%s", m.At)
		}
		if len(paths) == 0 {
			return nil, fault.Inputf("models: no file matches %s", m.Path).In("%s", m.At).Remedy("check the path; a pattern takes *, ? and [abc]")
		}
		if len(paths) > 1 && m.Name != "" {
			return nil, fault.Inputf("models: %s matches %d files, which can't all be named %s", m.Path, len(paths), m.Name).
				In("%s", m.At).Remedy("leave `name` out: each file's own is taken")
		}
		sort.Strings(paths)
		for _, p := range paths {
			one := m
			one.Path = p
			out = append(out, one)
		}
	}
	return out, nil
}

// openNetwork reads a model's structure and digests its weights.
func (r *run) openNetwork(m config.Model, layers []string) (*network, error) {
	n := &network{Model: m, layers: layers}
	if name, ok := strings.CutPrefix(m.Path, demoPrefix); ok {
		data, err := fs.ReadFile(r.Demo, name+".onnx")
		if err != nil {
			return nil, fault.Inputf("models: no network is embedded under the name %q", name).In("%s", m.At).
				Remedy("demo:lite0 is; anything else is given by its path")
		}
		n.bytes = data
		if n.Name == "" {
			n.Name = name
		}
	}
	for _, path := range []string{m.Path, m.Card} {
		if _, err := os.Stat(path); path != "" && errors.Is(err, fs.ErrNotExist) && !strings.HasPrefix(path, demoPrefix) {
			return nil, fault.Inputf("models: %s does not exist", path).In("%s", m.At).Remedy("check the path")
		}
	}
	if n.Name == "" {
		n.Name = strings.TrimSuffix(filepath.Base(m.Path), filepath.Ext(m.Path))
	}
	file, err := extract.OpenNetwork(r.ctx, nil, m.Path, r.networkOptions(n, true))
	if err != nil {
		return nil, err
	}
	n.file = file
	n.weights, err = file.Weights()
	return n, err
}

func (r *run) networkOptions(n *network, noRun bool) extract.NetworkOptions {
	return extract.NetworkOptions{
		Bytes: n.bytes, Layers: n.layers, Card: n.Card, Threads: r.threads, Device: r.device, NoRun: noRun,
	}
}

// probe runs an opened network to learn its layers' shapes and tokens; once a run.
func (r *run) probe(w work, n *network) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.opened {
		return nil
	}
	rt, err := r.start(w)
	if err != nil {
		return err
	}
	if err := n.draw(); err != nil {
		return err
	}
	file, err := extract.OpenNetwork(w.ctx, rt, n.Path, r.networkOptions(n, false))
	if err != nil {
		return err
	}
	n.file, n.opened = file, true
	for _, w := range file.Warnings {
		r.warn(w)
	}
	return nil
}

func distinctNames(networks []*network) error {
	seen := map[string]string{}
	for _, n := range networks {
		if first, ok := seen[n.Name]; ok {
			return fault.Inputf("models: %s and %s are both named %s", first, n.Path, n.Name).In("%s", n.At).
				Remedy("give one of them another name with `name:`")
		}
		seen[n.Name] = n.Path
	}
	return nil
}

// knownBases refuses a network that was tuned from one that isn't there.
func knownBases(networks []*network) error {
	for _, n := range networks {
		if n.FinetunedFrom == "" || slices.ContainsFunc(networks, func(o *network) bool { return o != n && o.Name == n.FinetunedFrom }) {
			continue
		}
		var names []string
		for _, o := range networks {
			if o != n {
				names = append(names, o.Name)
			}
		}
		return fault.Inputf("models: %s says finetuned_from: %s, and no other network of the file has that name", n.Name, n.FinetunedFrom).In("%s", n.At).
			Remedy("name one of %s, or add the network that it was tuned from", strings.Join(names, ", "))
	}
	return nil
}

// distinctSubjects refuses two subjects of one name, which no table could tell apart.
func distinctSubjects(brains []*brain) error {
	seen := map[string]bool{}
	for _, b := range brains {
		if seen[b.Name] {
			return fault.Inputf("subjects: two are named %s", b.Name).Remedy("give one of them another `name:` in its subject.yaml")
		}
		seen[b.Name] = true
	}
	return nil
}

// openSubject reads a subject's folder, or lays out the simulated one.
func (r *run) openSubject(s config.Subject) (*brain, error) {
	name, embedded := strings.CutPrefix(s.Path, demoPrefix)
	if embedded {
		if name != "simulated" {
			return nil, fault.Inputf("subjects: no subject is embedded under the name %q", name).In("%s", s.At).
				Remedy("demo:simulated is; anything else is given by its folder")
		}
		if s.Subject != "" || s.Sessions != "" || s.Mask != "" || s.Ceiling != "" || s.ROIs != "" {
			return nil, fault.Inputf("subjects: the simulated subject has mask, ceilings and regions of its own").In("%s", s.At).Remedy("leave the keys out")
		}
		return r.openSimulated()
	}
	info, err := os.Stat(s.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Inputf("subjects: %s does not exist", s.Path).In("%s", s.At).
			Remedy("name the subject's folder, e.g. with --set subjects=[PATH]; `cortexmap init DIR` writes a template")
	case err != nil:
		return nil, durable.Explain(err, s.Path)
	case !info.IsDir():
		return nil, fault.Inputf("subjects: %s is a file; a subject is a folder with a subject.yaml", s.Path).In("%s", s.At).Remedy("name the folder")
	}
	if within(r.out, s.Path) {
		return nil, fault.Inputf("out: %s lies inside the subject's folder %s", r.out, s.Path).Remedy("choose another --out")
	}
	sub, err := subject.Open(r.ctx, s.Path, subject.Options{Demo: r.Demo,
		Subject: s.Subject, Sessions: string(s.Sessions), Mask: s.Mask, Ceiling: s.Ceiling, ROIs: s.ROIs})
	if err != nil {
		return nil, err
	}
	for _, w := range sub.Warnings {
		r.warn(store.Warning(w))
	}
	images := sub.Images.Digest()
	return &brain{Subject: sub, geometry: sub.Geometry, imagesKey: hex.EncodeToString(images[:]), dataKey: hex.EncodeToString(sub.Digest[:])}, nil
}

// within says whether path is dir or lies below it.
func within(path, dir string) bool {
	p, err1 := filepath.Abs(path)
	d, err2 := filepath.Abs(dir)
	if err1 != nil || err2 != nil {
		return false
	}
	rel, err := filepath.Rel(d, p)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
