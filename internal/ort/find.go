package ort

import (
	"context"
	"log/slog"
	"os"

	"cortexmap/internal/fault"
)

// Search says where to look for the library.
type Search struct {
	Flag, Env, YAML string // paths that the user named: --ort-lib, CORTEXMAP_ORT_LIB, ort_lib; the first given counts
	Cache           string // folder in which fetched libraries lie; "": CORTEXMAP_CACHE, else the user's cache folder
	Offline         bool   // never fetch
	Log             *slog.Logger
}

// FromEnvironment is a Search with what the environment names.
func FromEnvironment() Search {
	return Search{Env: os.Getenv("CORTEXMAP_ORT_LIB"), Cache: os.Getenv("CORTEXMAP_CACHE")}
}

// Find finds the library.
func Find(ctx context.Context, s Search) (Library, error) {
	for _, p := range []string{s.Flag, s.Env, s.YAML} {
		if p != "" {
			return Library{Path: p}, nil
		}
	}
	return Library{}, fault.Machinef("no ONNX Runtime found")
}
