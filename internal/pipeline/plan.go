package pipeline

import (
	"context"
	"path"

	"cortexmap/internal/config"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
	"cortexmap/internal/tasks"
)

// setting is one setting of a sweep: a configuration without anything left to multiply but networks, subjects
// and seeds. A file that is no sweep has one, without a label.
type setting struct {
	*run
	Config   *config.Config // of this setting; the run's is the file's
	Label    string         // what is swept: "fit.images=500 fit.protocol=paper"
	networks []*network
	stored   map[whose]key    // featuresKey's, while planning
	hyper    map[string]any   // changed's, while planning
	named    map[*brain][]int // pictures that extract.native names
}

// work is what a task's function gets: the task's own log, progress and context.
type work struct {
	*tasks.Work
	ctx context.Context
}

// plan lists everything that must exist as a graph of tasks: tokens once a (network, image set), responses
// once a simulated subject, mappings, and the results of all of them.
func (r *run) plan() {
	r.graph = tasks.NewGraph(r.out)
	r.threads = r.threadsOf()
	for _, s := range r.settings {
		for _, b := range r.brains {
			for _, n := range s.networks {
				r.whose[s.features(n, b)] = whose{n, b}
				if t := s.native(n, b); t != nil {
					r.whose[t] = whose{n, b}
				}
			}
		}
	}
	if r.Until == Extract {
		return
	}
	for _, s := range r.settings {
		for _, b := range r.brains {
			if b.RDMs != nil {
				continue // nothing can be fitted to dissimilarities
			}
			r.responses(b)
			for _, n := range s.networks {
				s.maps(n, b)
			}
		}
	}
	if r.Until == Fit {
		return
	}
	for _, s := range r.settings {
		s.likenesses()
	}
	r.results()
}

// sweepThreads is how many threads one of many tasks gets where the file doesn't say: beyond it a fit gains
// less from more threads than from a neighbour.
const sweepThreads = 8

// threadsOf is the number of threads of each task. It depends on the file and the machine, not on what is left
// to do: numbers move with it by rounding.
func (r *run) threadsOf() int {
	n := ort.Threads(r.Config.Threads)
	if r.Config.Threads == 0 && len(r.settings)*len(r.networks)*len(r.brains)*len(r.Config.Fit.Seeds) > 1 {
		n = min(n, sweepThreads)
	}
	return n
}

// add puts a task into the graph. folder is below out and ends in the key, unless fixed.
func (r *run) add(kind, name string, k key, folder string, needs []*tasks.Task, do func(w work) error) *tasks.Task {
	return r.graph.Add(&tasks.Task{
		Kind: kind, Name: name, Key: k.digest, Parts: k.parts, Folder: folder, Needs: needs, Cost: tasks.Cost{Threads: r.threads},
		Run: func(ctx context.Context, w *tasks.Work) error { return do(work{w, ctx}) },
	})
}

// mappingFolder is where a mapping lies: mappings/MODEL/SUBJECT/WORD-seedS-KEY.
func mappingFolder(n *network, b *brain, word, key string) string {
	return path.Join("mappings", store.SafeName(n.Name), store.SafeName(b.Name), word+"-"+key)
}
