package pipeline

import (
	"encoding/hex"
	"fmt"
	"slices"

	"cortexmap/analyze"
	"cortexmap/extract"
	"cortexmap/fit"
	"cortexmap/internal/store"
	"cortexmap/internal/tasks"
)

// Version numbers of what the stages compute: raised whenever our numbers change, so that folders with
// old numbers are not taken for new ones.
const (
	featuresVersion  = 4
	responsesVersion = 1
	mappingVersion   = 7
	resultsVersion   = 14
)

// key is a digest and what it was made of, by name, so that --explain can say what changed.
type key struct {
	digest string
	parts  []tasks.Part
}

// newKey makes the key of a kind of folder from pairs of name and value. The names are part of it.
func newKey(kind string, version int, pairs ...any) key {
	k := key{parts: []tasks.Part{{Name: "version of " + kind, Value: version}}}
	for i := 0; i < len(pairs); i += 2 {
		k.parts = append(k.parts, tasks.Part{Name: pairs[i].(string), Value: pairs[i+1]})
	}
	k.digest = store.Key(kind, k.parts)
	return k
}

// extractProtocol is extraction's own protocol, or else the fit's.
func (r *setting) extractProtocol() string {
	if p := r.Config.Extract.Protocol; p != "" {
		return p
	}
	return r.Config.Fit.Protocol
}

// featuresKey is the digest of everything that determines a network's tokens for an image set. The batch
// size is not in it: like threads it moves numbers by rounding only. Components are fitted on training images, so
// with them the split decides, too.
func (r *setting) featuresKey(n *network, b *brain) key {
	at := whose{n, b}
	if k, ok := r.stored[at]; ok { // every mapping of the pair asks
		return k
	}
	k := r.newFeaturesKey(n, b)
	if r.stored == nil {
		r.stored = map[whose]key{}
	}
	r.stored[at] = k
	return k
}

func (r *setting) newFeaturesKey(n *network, b *brain) key {
	pairs := append([]any{"network", n.weights, "pictures", r.shown(b).key}, r.tokenSettings(n)...)
	if k := r.Config.Extract.Components; k > 0 {
		c := r.Config.Fit
		pairs = append(pairs, "extract.components", k, "fitted on", b.imagesKey, "fit.split", c.Split, "fit.images", c.Images)
	}
	return newKey("features", featuresVersion, pairs...)
}

// rowsKey is the digest of what determines one picture's tokens: stores that share it may copy rows. "" where a row
// depends on other pictures.
func (r *setting) rowsKey(n *network) string {
	if r.Config.Extract.Components > 0 {
		return ""
	}
	return newKey("rows", featuresVersion, append([]any{"network", n.weights}, r.tokenSettings(n)...)...).digest
}

// tokenSettings are what, beside the network's weights, determines a picture's tokens, as pairs of name and value.
func (r *setting) tokenSettings(n *network) []any {
	e := r.Config.Extract
	card := n.file.Card
	if r.extractProtocol() == extract.Paper {
		card = extract.PaperCard(card)
	}
	// What the card does counts, not what it says about the network and where that is known from.
	card.Name, card.Family, card.Licence, card.Origin = "", "", "", ""
	card.Source, card.From, card.Warnings = "", nil, nil
	return []any{"extract.layers", []string(e.Layers), "extract.grid", e.Grid, "extract.protocol", r.extractProtocol(),
		"extract.compression", e.Compression, "card", card}
}

// responsesKey is the digest of everything that determines a simulated subject's responses. No network
// that is fitted has a part in it.
func (b *brain) responsesKey() key {
	return newKey("responses", responsesVersion, "generator", b.sim.weights, "subject", hex.EncodeToString(b.Subject.Digest[:]), "simulation", b.sim.options)
}

// mappingKey is the digest of everything that determines a mapping.
func (r *setting) mappingKey(n *network, b *brain, how way, seed int) key {
	c := r.Config.Fit
	parts := []any{"method", how.method, "features", r.featuresKey(n, b).digest, "responses", b.dataKey,
		"fit.protocol", c.Protocol, "seed", seed, "fit.split", c.Split, "fit.images", c.Images}
	if how.ablation != fit.NoAblation && how.ablation != fit.NoTopology && !how.baseline() { // the method says those
		parts = append(parts, "fit.ablation", how.ablation)
	}
	if t := r.judged(b); t != nil {
		parts = append(parts, "clusters of", t.Key)
	}
	if c := r.changed(); len(c) > 0 && !how.baseline() {
		parts = append(parts, "fit.settings", c)
	}
	return newKey("mapping", mappingVersion, parts...)
}

// resultsKey is the digest of everything that tables and report are made from; names, too, since they are
// shown.
func (r *run) resultsKey(mappings []*mapped) key {
	parts := []any{"cortexmap", r.Version, "analyze.hierarchy", r.Config.Analyze.Hierarchy, "analyze.interval", r.Config.Analyze.Interval, "analyze.colours", r.Config.Analyze.Colours, "analyze.bootstrap", r.Config.Analyze.Bootstrap, "analyze.spaces", r.Config.Analyze.Spaces, "sweep.groups", r.Config.Sweep.Groups}
	for _, m := range mappings {
		c, b := m.Network.file.Card, m.Brain
		parts = append(parts, m.task.Name, []string{m.task.Key, m.Network.Name, m.Network.family(), b.Name, m.Setting.Label, m.Network.Size, m.Network.FinetunedFrom,
			c.Licence, c.Origin, b.Licence, b.Attribution, fmt.Sprint(b.Regions), b.atlasKey(), b.surfaceKey()})
		if m.native != nil {
			parts = append(parts, "native grids for "+m.task.Name, m.native.Key)
		}
	}
	for _, c := range r.controlled {
		parts = append(parts, c.task.Name, c.task.Key)
	}
	for _, h := range r.halved {
		for _, one := range h.each {
			parts = append(parts, one.task.Name, one.task.Key)
		}
	}
	for _, s := range r.settings {
		if slices.Contains(s.controls(), analyze.Spun) {
			parts = append(parts, "spin", s.Label)
		}
	}
	for _, l := range r.alike {
		parts = append(parts, l.stored.Name, []string{l.stored.Key, l.nativeKey(), l.Network.Name, l.Brain.Name, l.Brain.dataKey, l.Setting.Label})
	}
	return newKey("results", resultsVersion, parts...)
}
