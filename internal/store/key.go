package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Key names content: the first 12 hex digits of the SHA-256 of its parts as canonical JSON.
//
// The law: equal key, equal content. So the parts are everything that determines the numbers in a folder
// and nothing else: digests of the inputs' bytes, settings, the seed, the keys that it depends on, and the
// version number of the code that computes it, which is raised whenever our numbers change. Names, dates,
// paths, memory, threads, device and library stay out: they are recorded beside the content, but move it by
// rounding only.
//
// Canonical: one JSON array of the parts; objects have their names sorted, whatever the order of a struct's
// fields; numbers are written as encoding/json writes them, so 1 and 1.0 are the same; no spaces, no HTML
// escapes. Key panics on what JSON can't hold (NaN, a channel), since that is the caller's mistake.
func Key(parts ...any) string {
	sum := sha256.Sum256(canonical(parts))
	return hex.EncodeToString(sum[:])[:12]
}

func canonical(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("store: Key: " + err.Error())
	}
	// Through maps, which are written in the order of their keys.
	var tree any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		panic("store: Key: " + err.Error())
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(tree); err != nil {
		panic("store: Key: " + err.Error())
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
