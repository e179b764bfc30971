package store

import (
	"math"
	"strings"
	"testing"
)

func TestKey(t *testing.T) {
	type ab struct {
		A int     `json:"a"`
		B float64 `json:"b"`
	}
	type ba struct {
		B float64 `json:"b"`
		A int     `json:"a"`
	}
	equal := [][2]string{
		{Key(ab{1, 2}), Key(ba{2, 1})},
		{Key(ab{1, 2}), Key(map[string]any{"b": 2.0, "a": int64(1)})},
		{Key("<&>"), Key("<&>")},
		{Key(), Key()},
	}
	for i, pair := range equal {
		if pair[0] != pair[1] || len(pair[0]) != 12 {
			t.Errorf("pair %d: %q, %q", i, pair[0], pair[1])
		}
	}
	seen := map[string]int{}
	for i, k := range []string{Key(), Key(""), Key("ab"), Key("a", "b"), Key([]string{"a", "b"}), Key(1), Key("1"), Key(1, nil), Key(ab{1, 3}), Key(ab{3, 1})} {
		if j, ok := seen[k]; ok {
			t.Errorf("%d and %d are both %s", i, j, k)
		}
		seen[k] = i
	}
	// A key is a promise: finished folders of earlier versions are found by it. SHA-256 of
	// ["extract",{"a":1,"b":0.1,"c":"<é>"},[1,2]], taken with sha256sum.
	if got := Key("extract", map[string]any{"c": "<é>", "b": 0.1, "a": 1}, []int{1, 2}); got != "042d64e041fa" {
		t.Errorf("the key of known parts is %s", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("NaN made a key")
		}
	}()
	Key(math.NaN())
}

func TestNames(t *testing.T) {
	for s, want := range map[string]string{
		"blocks.3": "blocks.3", "/features/0/Conv": "_features_0_Conv", "": "_", "..": "_.", ".hidden": "_hidden", "é!": "__",
		strings.Repeat("ab", 40): strings.Repeat("ab", 30),
	} {
		if got := SafeName(s); got != want {
			t.Errorf("SafeName(%q) is %q, want %q", s, got, want)
		}
	}
	for _, c := range []struct {
		index, total int
		want         string
	}{{3, 12, "layer=03-a_b"}, {3, 1, "layer=03-a_b"}, {99, 100, "layer=99-a_b"}, {3, 101, "layer=003-a_b"}, {1000, 1001, "layer=1000-a_b"}} {
		if got := LayerDir(Layer{Index: c.index, Name: "a/b"}, c.total); got != c.want {
			t.Errorf("layer %d of %d: %q, want %q", c.index, c.total, got, c.want)
		}
	}
}
