package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"cortexmap/internal/cli"
	"cortexmap/internal/ort"
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
	env := libraryEnv(t)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Cmds:                scriptCommands,
		Condition:           scriptCondition,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, env...)
			e.Setenv("ROOT", root)
			e.Setenv("NETS", filepath.Join(root, "testdata", "onnx"))
			return nil
		},
	})
}

// libraryEnv is the environment in which a command finds ONNX Runtime as the tests of packages do. It is
// fetched here if it must be: scripts have no home folder, without which pip and npm may not work. Where it
// can't be had the test is skipped with the reason.
func libraryEnv(t *testing.T) []string {
	t.Helper()
	lib, err := library()
	if err != nil {
		t.Skipf("ONNX Runtime can't be had here: %v", err)
	}
	return []string{"CORTEXMAP_ORT_LIB=" + lib.Path}
}

var library = sync.OnceValues(func() (ort.Library, error) {
	return ort.Find(context.Background(), ort.FromEnvironment())
})
