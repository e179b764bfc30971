package bench

import (
	"context"

	"cortexmap/analyze"
)

// Fit makes the data of the paper's scale where they are missing, and fits them.
func Fit(ctx context.Context, o Options, dir, photos string) ([]*analyze.Table, error) {
	rt, err := o.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer rt.Close()
	p := &paperScale{Options: o, dir: dir, rt: rt}
	if err := p.network(ctx); err != nil {
		return nil, err
	}
	if err := p.pictures(ctx, photos); err != nil {
		return nil, err
	}
	f, err := p.extract(ctx)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return nil, nil
}
