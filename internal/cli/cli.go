// Package cli is the command line: flags, help, progress, printing and exit codes. One file a
// sub-command; what a command does lies in pipeline and the stages.
//
// The terminal's rules: results go to stdout, progress, warnings and logs to stderr; messages are lower
// case without a full stop; an error says what failed, then `at:` and `fix:` where there is something to
// say; nothing depends on colour.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"cortexmap/internal/config"
	"cortexmap/internal/fault"
)

// env is what every command gets.
type env struct {
	ctx            context.Context
	stdout, stderr io.Writer
	files          fs.FS // pipeline.yaml, configs/ and testdata/demo as embedded by main
	log            *slog.Logger
	flags          *flags
}

// flags are common to the commands that read a pipeline file.
type flags struct {
	Out     string   `placeholder:"DIR" help:"Put everything below this folder (YAML key out)."`
	Set     []string `placeholder:"KEY=VALUE" sep:"none" help:"Lay one YAML key over the file, as in --set fit.seeds=[0,1]. May be given again."`
	Device  string   `placeholder:"cpu|cuda|auto" help:"Where networks and fits run (YAML key device)."`
	Threads int      `placeholder:"N" help:"Threads; default: the cores this process may use (YAML key threads)."`
	OrtLib  string   `name:"ort-lib" placeholder:"PATH" help:"ONNX Runtime's library, 1.24 or newer (else CORTEXMAP_ORT_LIB, YAML key ort_lib, the cache, pip, npm)."`
	Offline bool     `help:"Never fetch anything."`
	Quiet   bool     `short:"q" help:"No progress and no notes, only results, warnings and errors."`
	JSON    bool     `name:"json" help:"Print the result as JSON on stdout."`
}

// commands is the whole command line.
type commands struct {
	flags   `group:"Common flags"`
	Run     runCmd     `cmd:"" help:"Extract, fit and analyze what a file asks for. Continues what is unfinished, skips what is done."`
	Extract extractCmd `cmd:"" help:"The same file, up to and including the extraction of tokens."`
	Fit     fitCmd     `cmd:"" help:"The same file, up to and including the fit."`
	Analyze analyzeCmd `cmd:"" help:"The same file, all stages (what is done is skipped)."`
	Inspect inspectCmd `cmd:"" help:"Show a network's inputs, layers, preprocessing and cost."`
	Compare compareCmd `cmd:"" help:"Tables, difference maps and a report of what mappings that exist differ in."`
	Subject subjectCmd `cmd:"" help:"Check a subject's folder, or begin one."`
	Status  statusCmd  `cmd:"" help:"Show how far a run or sweep is: done, running, queued, failed, lost."`
	Verify  verifyCmd  `cmd:"" help:"Compute all digests again and say whether results follow from inputs, settings and version."`
	Clean   cleanCmd   `cmd:"" help:"Show, and with --yes remove, what nothing refers to in an output folder."`
	Init    initCmd    `cmd:"" help:"Write a commented pipeline.yaml and subject template for your own data."`
	Export  exportCmd  `cmd:"" help:"Write a network and what was fitted to it as one .onnx that predicts responses."`
	Import  importCmd  `cmd:"" help:"Read weights published for the paper as a mapping, to compare with one's own."`
	Predict predictCmd `cmd:"" help:"Predict the responses to new pictures with an exported encoder."`
	Bench   benchCmd   `cmd:"" help:"The project's own comparisons, measured here, as tables."`
	Doctor  doctorCmd  `cmd:"" help:"Check this machine: library, provider, memory, disk, tools."`
	Version versionCmd `cmd:"" help:"Print version, commit, ONNX Runtime and modules."`
}

const description = `Drop in a vision model (.onnx), get its brain map.

  cortexmap run                      map the embedded network onto the embedded subject
  cortexmap run net.onnx             map your network onto the same subject
  cortexmap run mine.yaml            map what a file describes (cortexmap init writes one)
  cortexmap inspect net.onnx         see which layers would be read, and how`

// Main runs one command and returns the exit code: 0 done, 1 a bug, 2 the user's input, 3 the machine,
// 4 some tasks failed, 130 interrupted. files holds what main embeds.
func Main(args []string, files fs.FS, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { // a second signal ends the process at once
		<-ctx.Done()
		stop()
	}()
	err := run(ctx, args, files, stdout, stderr)
	return report(err, stderr)
}

func run(ctx context.Context, args []string, files fs.FS, stdout, stderr io.Writer) error {
	var c commands
	exited := false
	parser, err := kong.New(&c,
		kong.Name("cortexmap"),
		kong.Description(description),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { exited = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.ExplicitGroups([]kong.Group{{Key: "Common flags", Title: "Common flags"}}),
	)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exited { // help was printed
		return nil
	}
	if err != nil {
		return usage(err)
	}
	e := &env{ctx: ctx, stdout: stdout, stderr: stderr, files: files, flags: &c.flags}
	e.log = slog.New(newHandler(stderr, c.Quiet))
	return k.Run(e)
}

// usage makes kong's complaint a fault with the way to the help text.
func usage(err error) error {
	command := "cortexmap"
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil && p.Context.Selected() != nil {
		command += " " + strings.TrimPrefix(p.Context.Selected().FullPath(), "cortexmap ")
	}
	return fault.Inputf("%w", err).Remedy("see `%s --help`", command)
}

// overrides are the flags that stand for YAML keys, then every --set.
func (f *flags) overrides() ([]config.Override, error) {
	var list []config.Override
	add := func(key, value string) {
		if value != "" {
			list = append(list, config.Override{Key: key, Value: value, Flag: "--" + key})
		}
	}
	add("out", quote(f.Out))
	add("device", f.Device)
	if f.Threads != 0 {
		add("threads", fmt.Sprint(f.Threads))
	}
	for _, s := range f.Set {
		key, value, ok := strings.Cut(s, "=")
		if !ok || key == "" {
			return nil, fault.Inputf("--set %q is not KEY=VALUE", s).Remedy("write for example --set fit.seeds=[0,1]")
		}
		list = append(list, config.Override{Key: key, Value: value})
	}
	return list, nil
}

// quote makes a path one YAML string, whatever characters it has.
func quote(s string) string {
	if s == "" {
		return ""
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
