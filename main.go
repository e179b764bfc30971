// Command cortexmap maps vision networks (.onnx) onto visual cortex: drop in a network, get its brain map.
//
// The three stages are the folders extract, fit and analyze; internal/pipeline puts them in sequence.
package main

import (
	"embed"
	"os"

	"cortexmap/internal/cli"
)

//go:embed pipeline.yaml configs testdata/demo
var files embed.FS

func main() { os.Exit(cli.Main(os.Args[1:], files, os.Stdout, os.Stderr)) }
