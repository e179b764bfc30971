package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"cortexmap/internal/cli"
)

// TestMain lets scripts and tests call this test's binary as `cortexmap`.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"cortexmap": func() { os.Exit(cli.Main(os.Args[1:], files, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs testdata/script: whole commands with their output, exit codes and the files they leave.
// The scripts' own commands are in script_test.go.
func TestScripts(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	library := libraryEnv(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Cmds:                scriptCommands,
		Condition:           scriptCondition,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, library...)
			e.Setenv("ROOT", root)
			e.Setenv("NETS", filepath.Join(root, "testdata", "onnx"))
			return nil
		},
	})
}

// libraryEnv is the environment in which a command finds ONNX Runtime as the tests of packages do: one
// cache for all, so that it is fetched at most once.
func libraryEnv(t *testing.T) []string {
	t.Helper()
	cache := os.Getenv("CORTEXMAP_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(dir, "cortexmap")
	}
	return []string{"CORTEXMAP_CACHE=" + cache, "CORTEXMAP_ORT_LIB=" + os.Getenv("CORTEXMAP_ORT_LIB")}
}
