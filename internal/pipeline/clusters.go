package pipeline

import (
	"context"
	"path/filepath"

	"cortexmap/internal/config"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
	"cortexmap/internal/tasks"
)

// byCluster is the fit.split.by that keeps pictures of one kind on one side.
const byCluster = "cluster"

// judge says which pictures look alike: the embedded network by its default settings, whichever networks are fitted,
// so that all of them are tested on the same pictures.
type judge struct {
	*network
	by *setting
}

// openJudge opens it, where some setting splits by cluster.
func (r *run) openJudge() error {
	for _, s := range r.settings {
		if s.Config.Fit.Split.By != byCluster || r.judge != nil {
			continue
		}
		n, err := r.openNetwork(config.Model{Path: demoPrefix + demoGenerator}, nil)
		if err != nil {
			return err
		}
		defaults := config.Defaults()
		r.judge = &judge{n, &setting{run: r, Config: &defaults}}
	}
	return nil
}

// judged plans the tokens that a split by cluster needs; nil for other splits.
func (r *setting) judged(b *brain) *tasks.Task {
	if r.Config.Fit.Split.By != byCluster {
		return nil
	}
	t := r.judge.by.features(r.judge.network, b)
	if _, known := r.whose[t]; !known {
		r.whose[t] = whose{r.judge.network, b}
	}
	return t
}

// needs are the tasks that a mapping from these tokens follows.
func (r *setting) needs(tokens *tasks.Task, b *brain) []*tasks.Task {
	out := []*tasks.Task{tokens}
	if b.sim != nil {
		out = append(out, b.sim.task)
	}
	if t := r.judged(b); t != nil && t != tokens {
		out = append(out, t)
	}
	return out
}

// clusters says of every picture in which cluster it is: by the global tokens of the judge's last layer. nil for other
// splits.
func (r *setting) clusters(ctx context.Context, b *brain) ([]int, error) {
	t := r.judged(b)
	if t == nil {
		return nil, nil
	}
	f, err := store.OpenFeatures(filepath.Join(r.out, filepath.FromSlash(t.Folder)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	at := make(map[store.Digest]int, f.Len())
	for row, d := range f.Images {
		at[d] = row
	}
	last := len(f.Layers) - 1
	width, half := f.Layers[last].Width, make([]uint16, f.RowLen(last))
	vectors := make([][]float32, b.Images.Len())
	for i := range vectors {
		row, ok := at[b.Images.Stimuli[i].Digest]
		if !ok {
			continue // could not be decoded
		}
		if err := f.Read(ctx, last, []int{row}, half); err != nil {
			return nil, err
		}
		vectors[i] = make([]float32, width)
		store.FloatSlice(vectors[i], half[len(half)-width:])
	}
	return subject.Clusters(ctx, b.Subject, vectors, r.Config.Fit.Split.Seed)
}
