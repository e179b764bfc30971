package pipeline

import (
	"context"
	"os"

	"cortexmap/internal/config"
	"cortexmap/internal/durable"
	"cortexmap/internal/subject"
	"cortexmap/internal/tasks"
)

// Simulated is the embedded subject with its responses, which its generator is run for: what demo:simulated stands
// for. Options.Config says device, threads and library; its networks, subjects and folder are not looked at.
func Simulated(ctx context.Context, o Options) (*subject.Subject, error) {
	dir, err := os.MkdirTemp("", "cortexmap-simulated-")
	if err != nil {
		return nil, durable.Explain(err, os.TempDir())
	}
	defer os.RemoveAll(dir)
	c := *o.Config
	c.Out, c.Models, c.Subjects = dir, []config.Model{{Path: demoPrefix + demoGenerator}}, []config.Subject{{Path: demoPrefix + "simulated"}}
	o.Config = &c
	r := newRun(ctx, o)
	defer r.close()
	b, err := r.openSimulated()
	if err != nil {
		return nil, err
	}
	r.graph, r.threads = tasks.NewGraph(dir), r.threadsOf()
	r.responses(b)
	if err := tasks.Eval(ctx, r.graph, r.local(), false); err != nil {
		return nil, err
	}
	return b.Subject, r.load(b)
}
