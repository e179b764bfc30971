package analyze

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"cortexmap/internal/store"
)

// planted are pictures on native grids and a mapping of two regions onto their tokens: V1 reads layer 0, most by
// channel 2, which is strong in one cell of picture 7; V2 reads layer 1, most by channel 1 with a negative weight, which
// is low in one cell of picture 3.
type planted struct {
	in     Input
	dir    string
	tokens [][]float64 // [layers][pictures · (cells + 1) · width]
	shown  []Shown
	grid   [2]int
}

const plantedWidth, plantedChannels = 6, 4

func plant(t *testing.T, pictures int) *planted {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	p := &planted{dir: t.TempDir(), grid: [2]int{3, 5}}
	m := sample(2, 3, map[string]float64{"V1": 0, "V2": 1}, "V1", "V2")
	p.in = Input{Mapping: m, Hierarchy: chain("V1", "V2")}
	w := store.Tensor{Name: "readout.weight", Shape: []int64{int64(len(m.Vertices)), plantedChannels}}
	for i := range m.Vertices {
		v := &m.Vertices[i]
		v.Scale = 0.25
		row := []float32{0.1, 0.1, 1, -0.1}
		first := float32(0.8)
		if In(v, "V2") {
			row, first = []float32{0.1, -1, 0.1, 0.1}, 0.2
		}
		for c := range row {
			w.Data = append(w.Data, row[c]+0.01*float32(i))
		}
		m.Selector = append(m.Selector, 0.5, 0.5)
		m.Share = append(m.Share, first, 1-first)
	}
	m.Weights = []store.Tensor{w}
	for l := range 2 {
		k := store.Tensor{Name: fmt.Sprintf("local.%d.weight", l), Shape: []int64{plantedChannels, plantedWidth}}
		for range plantedChannels * plantedWidth {
			k.Data = append(k.Data, float32(random.NormFloat64()))
		}
		centre := store.Tensor{Name: fmt.Sprintf("local.%d.centre", l), Shape: []int64{plantedWidth}, Data: []float32{1, 2, 3, 4, 5, 6}}
		m.Weights = append(m.Weights, k, centre)
		p.tokens = append(p.tokens, p.draw(random, pictures))
	}
	for i := range pictures { // pictures i and i + 8 are windows of one photograph
		p.shown = append(p.shown, Shown{Index: i, Photo: fmt.Sprint("photo", i%8), Name: fmt.Sprintf("photo%d.png", i)})
	}
	return p
}

func (p *planted) draw(random *rand.Rand, pictures int) (out []float64) {
	for range pictures * (p.grid[0]*p.grid[1] + 1) * plantedWidth {
		out = append(out, random.NormFloat64())
	}
	return out
}

// push moves a cell of a picture along a channel's direction of a layer.
func (p *planted) push(layer, picture, cell, channel int, by float64) {
	k := p.in.Mapping.Tensor(fmt.Sprintf("local.%d.weight", layer)).Data
	at := (picture*(p.grid[0]*p.grid[1]+1) + cell) * plantedWidth
	for d := range plantedWidth {
		p.tokens[layer][at+d] += by * float64(k[channel*plantedWidth+d])
	}
}

// open stores the tokens on native grids.
func (p *planted) open(t *testing.T) *store.Features {
	t.Helper()
	var layers []store.Layer
	for l := range p.tokens {
		layers = append(layers, store.Layer{Index: l, Name: fmt.Sprint("layer", l), Width: plantedWidth, Grid: p.grid})
	}
	row := (p.grid[0]*p.grid[1] + 1) * plantedWidth
	for l, tokens := range p.tokens {
		w, err := store.NewFeatureWriter(store.PartPath(p.dir, layers[l], 2, 0), store.FeatureMeta{Layer: layers[l], Grid: p.grid, Tokens: p.grid[0]*p.grid[1] + 1, ModelSHA256: strings.Repeat("ab", 32), Key: "0123456789ab"})
		if err != nil {
			t.Fatal(err)
		}
		for i := range len(p.shown) {
			var data []byte
			for _, x := range tokens[i*row : (i+1)*row] {
				h := store.Half(float32(x))
				data = append(data, byte(h), byte(h>>8))
			}
			if err := w.Append(store.Digest{byte(i)}, int64(i), data); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.WriteLayers(p.dir, layers); err != nil {
		t.Fatal(err)
	}
	if err := store.WriteManifest(p.dir, store.Manifest{Key: "0123456789ab", Model: store.ModelRef{SHA256: strings.Repeat("ab", 32)}, Images: len(p.shown)}); err != nil {
		t.Fatal(err)
	}
	f, err := store.OpenFeatures(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// plain is weight and heat [pictures][cells] of a channel by the formula, in plain loops.
func (p *planted) plain(layer, channel int, roi string) (weight float64, heat [][]float64) {
	m, cells := p.in.Mapping, p.grid[0]*p.grid[1]
	k, centre, w := m.Tensor(fmt.Sprintf("local.%d.weight", layer)).Data, m.Tensor(fmt.Sprintf("local.%d.centre", layer)).Data, m.Tensor("readout.weight").Data
	var sum, square, n float64
	for i := range p.shown {
		heat = append(heat, nil)
		for cell := range cells {
			z := 0.0
			for d := range plantedWidth {
				x := p.tokens[layer][(i*(cells+1)+cell)*plantedWidth+d]
				z += float64(k[channel*plantedWidth+d]) * (x - float64(centre[d]))
			}
			heat[i], sum, square, n = append(heat[i], z), sum+z, square+z*z, n+1
		}
	}
	mean := sum / n
	sd := math.Sqrt(square/n - mean*mean)
	units := fittedIn(m, roi)
	for _, v := range units {
		weight += float64(m.Selector[2*v+layer]) * (1 - float64(m.Vertices[v].Scale)) * float64(w[v*plantedChannels+channel]) / float64(len(units)) * sd
	}
	for i := range heat {
		for cell := range heat[i] {
			heat[i][cell] = math.Copysign(1, weight) * (heat[i][cell] - mean) / sd
		}
	}
	return weight, heat
}

// TestTopChannels: each region's channel is found in its layer, with picture and place, and numbers that plain loops
// give too.
func TestTopChannels(t *testing.T) {
	p := plant(t, 16)
	p.push(0, 7, 9, 2, 12)  // row 1, last column
	p.push(1, 3, 10, 1, -9) // row 2, first column
	all, reason, err := FindTopChannels(t.Context(), p.in, p.open(t), p.shown)
	if err != nil || reason != "" || len(all) != 2*topChannels {
		t.Fatalf("%d channels, %q, %v", len(all), reason, err)
	}
	for _, c := range []struct {
		roi                           string
		layer, channel, picture, cell int
		x, y                          float64
	}{
		{"areas/V1", 0, 2, 7, 9, 0.8, 0},
		{"areas/V2", 1, 1, 3, 10, -0.8, 2.0 / 3},
	} {
		got := all[0]
		if c.roi == "areas/V2" {
			got = all[topChannels]
		}
		if got.ROI != c.roi || got.Layer != c.layer || got.Channel != c.channel || got.Rank != 1 || got.NVertices != 6 || len(got.Peaks) != topPhotos {
			t.Fatalf("%s: %+v", c.roi, got)
		}
		near(t, c.roi+" share", got.Share, 0.8, 1e-6)
		weight, heat := p.plain(c.layer, c.channel, c.roi)
		near(t, c.roi+" weight", got.Weight, weight, 1e-3*math.Abs(weight)) // binary16 tokens: 5e-4 of each
		best := got.Peaks[0]
		if best.Picture.Index != c.picture || best.Cell != c.cell {
			t.Errorf("%s: picture %d, cell %d", c.roi, best.Picture.Index, best.Cell)
		}
		near(t, c.roi+" x", best.X, c.x, 1e-12)
		near(t, c.roi+" y", best.Y, c.y, 1e-12)
		seen := map[string]bool{}
		for k, peak := range got.Peaks {
			if k > 0 && peak.Value > got.Peaks[k-1].Value || seen[peak.Picture.Photo] {
				t.Errorf("%s: photograph %d is %+v", c.roi, k, peak.Picture)
			}
			seen[peak.Picture.Photo] = true
			for cell, x := range peak.Heat {
				near(t, fmt.Sprintf("%s heat of %s at %d", c.roi, peak.Picture.Name, cell), x, heat[peak.Picture.Index][cell], 0.01)
			}
			near(t, "peak", peak.Value, peak.Heat[peak.Cell], 1e-9)
		}
	}
	table := TopChannelTable(p.in.Mapping, all, len(p.shown))
	if len(table.Rows) != 2*topChannels*topPhotos {
		t.Errorf("%d rows", len(table.Rows))
	}
	// A channel made a thousand times larger and its readout smaller is the same.
	k, w := p.in.Mapping.Tensor("local.0.weight"), p.in.Mapping.Tensor("readout.weight")
	for d := range plantedWidth {
		k.Data[2*plantedWidth+d] *= 1000
	}
	for i := 2; i < len(w.Data); i += plantedChannels {
		w.Data[i] /= 1000
	}
	again, _, err := FindTopChannels(t.Context(), p.in, p.open(t), p.shown)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "rescaled", again[0].Weight, all[0].Weight, 1e-4)
}

// TestTopChannelRegions: every level has some, in the order of the table; of a region without fitted vertices nothing.
func TestTopChannelRegions(t *testing.T) {
	var names []string
	for k := range 12 {
		names = append(names, fmt.Sprintf("R%02d", k))
	}
	m := sample(2, 1, nil, names...)
	for i := range m.Vertices {
		if In(&m.Vertices[i], "R11") {
			m.Vertices[i].Fitted = false
		}
	}
	for _, c := range []struct {
		name string
		h    Hierarchy
		want string
	}{
		{"levels", Hierarchy{Levels: []Level{{"early", names[:9]}, {"late", []string{"R09", "R10", "R11"}}}}, "R00 R01 R02 R03 R04 R05 R09 R10"},
		{"none", Hierarchy{}, "R00 R01 R02 R03 R04 R05 R06 R07"},
	} {
		got := strings.Join(shownRegions(Input{Mapping: m, Hierarchy: c.h}), " ")
		if got = strings.ReplaceAll(got, "areas/", ""); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestNoTopChannels: what is missing is said.
func TestNoTopChannels(t *testing.T) {
	for _, c := range []struct {
		name, want string
		pictures   int
		change     func(p *planted)
	}{
		{"seven photographs", "7 photographs", 7, func(*planted) {}},
		{"a ridge", "no channels", 16, func(p *planted) { p.in.Mapping.Weights = nil }},
		{"components", "extract.components", 16, func(p *planted) {
			k := p.in.Mapping.Tensor("local.0.weight")
			k.Data = k.Data[:plantedChannels*3]
		}},
		{"global tokens alone", "local tokens", 16, func(p *planted) {
			for i := range p.in.Mapping.Vertices {
				p.in.Mapping.Vertices[i].Scale = 1
			}
		}},
	} {
		p := plant(t, c.pictures)
		c.change(p)
		all, reason, err := FindTopChannels(t.Context(), p.in, p.open(t), p.shown)
		if err != nil || all != nil || !strings.Contains(reason, c.want) {
			t.Errorf("%s: %d channels, %q, %v", c.name, len(all), reason, err)
		}
	}
}
