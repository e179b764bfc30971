package pipeline

import (
	"encoding/hex"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"cortexmap/extract"
	"cortexmap/internal/durable"
	"cortexmap/internal/store"
)

// Version numbers of what the stages compute: raised whenever our numbers change, so that folders with
// old numbers are not taken for new ones.
const (
	featuresVersion  = 1
	responsesVersion = 1
	mappingVersion   = 2
	resultsVersion   = 2
)

// extractProtocol is extraction's own protocol, or else the fit's.
func (r *run) extractProtocol() string {
	if p := r.Config.Extract.Protocol; p != "" {
		return p
	}
	return r.Config.Fit.Protocol
}

// featuresKey is the digest of everything that determines a network's tokens for an image set. The batch
// size is not in it: like threads it moves numbers by rounding only.
func (r *run) featuresKey(n *network, b *brain) string {
	e := r.Config.Extract
	card := n.file.Card
	if r.extractProtocol() == extract.Paper {
		card = extract.PaperCard(card)
	}
	// What the card does counts, not what it says about the network and where that is known from.
	card.Name, card.Family, card.Licence, card.Origin = "", "", "", ""
	card.Source, card.From, card.Warnings = "", nil, nil
	return store.Key("features", featuresVersion, n.weights, b.imagesKey,
		[]string(e.Layers), e.Grid, r.extractProtocol(), e.Compression, card)
}

// responsesKey is the digest of everything that determines a simulated subject's responses. No network
// that is fitted has a part in it.
func (b *brain) responsesKey() string {
	return store.Key("responses", responsesVersion, b.sim.weights, hex.EncodeToString(b.Subject.Digest[:]), b.sim.options)
}

// mappingKey is the digest of everything that determines a mapping.
func (r *run) mappingKey(n *network, b *brain, method string, seed int) string {
	c := r.Config.Fit
	return store.Key("mapping", mappingVersion, method, r.featuresKey(n, b), b.dataKey, c.Protocol, seed, c.Split, c.Images)
}

// resultsKey is the digest of everything that tables and report are made from; names, too, since they are
// shown.
func (r *run) resultsKey() string {
	parts := []any{"results", resultsVersion, r.Version, r.Config.Analyze.Hierarchy, r.Config.Analyze.Interval}
	for _, m := range r.mappings {
		i, c, b := &m.Info, m.Network.file.Card, m.Brain
		parts = append(parts, i.Key, i.Model, i.Family, i.Subject, c.Licence, c.Origin, b.Licence, b.Attribution)
	}
	return store.Key(parts...)
}

// folder is where the content with a key lies or is to lie, below out: rel, whose last word ends in the
// key; or a folder with that key that an earlier run made under other names, since names are for people.
func (r *run) folder(rel, key string) string {
	if durable.Exists(filepath.Join(r.out, rel)) {
		return rel
	}
	words := strings.Split(filepath.ToSlash(rel), "/")
	pattern := words[0] + strings.Repeat("/*", len(words)-2) + "/*-" + key
	found, err := fs.Glob(os.DirFS(r.out), pattern)
	if err != nil || len(found) == 0 { // out may not be there yet
		return rel
	}
	return filepath.FromSlash(path.Clean(found[0]))
}
