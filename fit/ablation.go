package fit

import (
	"strconv"
	"strings"

	"cortexmap/internal/fault"
)

// Ablations of Settings.Ablation, besides "layer:K".
const (
	NoAblation  = "none"        // also ""
	NoTopology  = "no_topology" // every unit picks for itself, (24), though positions are known
	Centre      = "centre"      // every unit looks at the centre of the image
	Local       = "local"       // s = 0: no global tokens
	Global      = "global"      // s = 1: no local ones
	layerPrefix = "layer:"      // every unit reads layer K alone

	NoFactorisation = "no_factorisation" // one joint selector (27) of layer and token in place of three
)

// held are the picks that an ablation takes out of the fit: they have the same value in every unit, whatever the
// networks put out, and no gradient. The zero value would hold layer 0; free picks are free().
type held struct {
	layer  int     // -1: free
	centre bool    // of the image
	scale  float32 // NaN: free
}

func free() held { return held{layer: -1, scale: nan32()} }

// heldBy is what an ablation holds in a network of so many layers.
func heldBy(word string, layers int) (held, error) {
	h := free()
	switch word {
	case "", NoAblation, NoTopology, NoFactorisation:
	case Centre:
		h.centre = true
	case Local:
		h.scale = 0
	case Global:
		h.scale = 1
	default:
		number, ok := strings.CutPrefix(word, layerPrefix)
		k, err := strconv.Atoi(number)
		if !ok || err != nil || k < 0 {
			return h, fault.Inputf("%q is no ablation", word).
				Remedy("there are none, no_topology, no_factorisation, layer:K (K from 0), centre, local and global")
		}
		if k >= layers {
			return h, fault.Inputf("ablation %s: the network's layers are 0 to %d", word, layers-1)
		}
		h.layer = k
	}
	return h, nil
}

// CheckAblation refuses a word that is no ablation of a network of so many layers.
func CheckAblation(word string, layers int) error {
	_, err := heldBy(word, layers)
	return err
}

func (h held) holdsScale() bool { return h.scale == h.scale }

// put overwrites the held picks of vertex v.
func (h held) put(s *selection, v int) {
	if h.centre {
		s.look(v, 0, 0)
	}
	if h.layer >= 0 {
		p := s.layer[v*s.L : (v+1)*s.L]
		clear(p)
		p[h.layer] = 1
	}
	if h.holdsScale() {
		s.scale[v] = h.scale
	}
}

// still takes the gradient of the held picks' outputs away, goRow [heads].
func (h held) still(goRow []float32, layers int) {
	if h.centre {
		clear(goRow[:2])
	}
	if h.layer >= 0 {
		clear(goRow[2 : 2+layers])
	}
	if h.holdsScale() {
		goRow[2+layers] = 0
	}
}

// counts says whether a token of a score map can be read under what is held.
func (h held) counts(layer, cell, grid int) bool {
	if h.layer >= 0 && layer != h.layer {
		return false
	}
	if cell == grid*grid {
		return h.scale != 0
	}
	if h.centre && (abs(2*(cell%grid)-grid+1) > 1 || abs(2*(cell/grid)-grid+1) > 1) {
		return false // not one of the four in the middle
	}
	return h.scale != 1
}

func abs(x int) int { return max(x, -x) }

// parts are the names of the selectors' tensors that are not fitted.
func (h held) parts() []string {
	var out []string
	if h.centre {
		out = append(out, "space.")
	}
	if h.layer >= 0 {
		out = append(out, "layer.")
	}
	if h.holdsScale() {
		out = append(out, "scale.")
	}
	return out
}

func (h held) holds(name string) bool {
	for _, part := range h.parts() {
		if strings.HasPrefix(name, part) {
			return true
		}
	}
	return false
}
