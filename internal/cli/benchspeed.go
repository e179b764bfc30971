package cli

import (
	"cortexmap/analyze"
	"cortexmap/internal/bench"
)

type benchFitCmd struct {
	Data   string `required:"" placeholder:"DIR" help:"Where the data are or are to be made: network, pictures, tokens, responses (14 GB; 40 minutes on 2 cores)."`
	Images string `placeholder:"DIR" help:"About 1,000 photographs to cut windows out of, where DIR has none yet."`
}

func (c *benchFitCmd) Run(e *env) error {
	return e.compare(func(o bench.Options) ([]*analyze.Table, error) { return bench.Fit(e.ctx, o, c.Data, c.Images) })
}
