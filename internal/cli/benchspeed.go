package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"cortexmap/analyze"
	"cortexmap/internal/bench"
)

type benchStepCmd struct {
	NoPlain bool `help:"Leave the plain form out (it needs a Python with torch: CORTEXMAP_PYTHON, else python3)."`
}

func (c *benchStepCmd) Run(e *env) error {
	plain := plainStep
	if c.NoPlain {
		plain = nil
	}
	return e.compare(func(o bench.Options) ([]*analyze.Table, error) { return bench.Step(e.ctx, o, plain) })
}

// plainStep runs the plain form in Python.
func plainStep(ctx context.Context, numbers ...int) (float64, error) {
	args := []string{"-c", bench.PlainStep}
	for _, n := range numbers {
		args = append(args, strconv.Itoa(n))
	}
	out, err := exec.CommandContext(ctx, cmp.Or(os.Getenv("CORTEXMAP_PYTHON"), "python3"), args...).Output()
	if err != nil {
		why := err.Error()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			lines := strings.Split(strings.TrimSpace(string(exit.Stderr)), "\n")
			why = lines[len(lines)-1]
		}
		return 0, fmt.Errorf("not measured: %s", why)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

type benchFitCmd struct {
	Data   string `required:"" placeholder:"DIR" help:"Where the data are or are to be made: network, pictures, tokens, responses (14 GB; 40 minutes on 2 cores)."`
	Images string `placeholder:"DIR" help:"About 1,000 photographs to cut windows out of, where DIR has none yet."`
}

func (c *benchFitCmd) Run(e *env) error {
	return e.compare(func(o bench.Options) ([]*analyze.Table, error) { return bench.Fit(e.ctx, o, c.Data, c.Images) })
}
