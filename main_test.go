package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"cortexmap/internal/cli"
)

// TestMain lets the scripts call this test's binary as `cortexmap`.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"cortexmap": func() { os.Exit(cli.Main(os.Args[1:], files, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs testdata/script: whole commands with their output, exit codes and the files they leave.
func TestScripts(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			// One cache for all scripts, so that ONNX Runtime is fetched at most once.
			e.Setenv("CORTEXMAP_CACHE", filepath.Join(cache, "cortexmap"))
			e.Setenv("CORTEXMAP_ORT_LIB", os.Getenv("CORTEXMAP_ORT_LIB"))
			e.Setenv("ROOT", root)
			return nil
		},
	})
}
