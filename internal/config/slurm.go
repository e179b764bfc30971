package config

import (
	"slices"
	"strings"

	"cortexmap/internal/strictyaml"
)

// Slurm is what a sweep asks of a cluster: for every stage, unless the stage has a word of its own. Nothing of
// it changes a number.
type Slurm struct {
	Resources
	Extract Resources `yaml:"extract" json:"extract"`
	Fit     Resources `yaml:"fit" json:"fit"`
	Analyze Resources `yaml:"analyze" json:"analyze"`
}

// Resources are of one task. What is empty is left to the site.
type Resources struct {
	Partition string   `yaml:"partition" json:"partition,omitempty"`
	Account   string   `yaml:"account" json:"account,omitempty"`
	Time      string   `yaml:"time" json:"time,omitempty"`       // as sbatch has it: minutes, 2:00:00, 1-12
	CPUs      int      `yaml:"cpus" json:"cpus,omitempty"`       // 0: threads, or else this machine's cores, 8 at most
	Memory    string   `yaml:"memory" json:"memory,omitempty"`   // as sbatch has it: 8G; "": what the estimate says
	GRES      string   `yaml:"gres" json:"gres,omitempty"`       // gpu:1
	AtOnce    int      `yaml:"at_once" json:"at_once,omitempty"` // elements of an array that may run at a time; 0: as many as the site gives
	Extra     []string `yaml:"extra" json:"extra,omitempty"`     // further options of sbatch, each a whole word: --constraint=avx512
}

// taken are the options of sbatch that a submission stands on, or that have keys of their own: a second one among
// `extra` would win in silence.
var taken = []string{"--array", "--dependency", "--output", "--error", "--open-mode", "--job-name", "--parsable", "--wait", "--wrap", "--chdir",
	"--requeue", "--no-requeue", "--clusters", "--ntasks", "--nodes", "--cpus-per-task", "--mem", "--partition", "--account", "--time", "--gres"}

// check holds the ranges of what is asked of a cluster, for all stages and for each.
func (s Slurm) check(doc *strictyaml.Doc) (errs []error) {
	for _, r := range []struct {
		key string
		Resources
	}{{"slurm", s.Resources}, {"slurm.extract", s.Extract}, {"slurm.fit", s.Fit}, {"slurm.analyze", s.Analyze}} {
		if r.CPUs < 0 {
			errs = append(errs, doc.Fault(r.key+".cpus", "%d is less than 0", r.CPUs))
		}
		if r.AtOnce < 0 {
			errs = append(errs, doc.Fault(r.key+".at_once", "%d is less than 0", r.AtOnce))
		}
		for _, word := range r.Extra {
			name, _, _ := strings.Cut(word, "=")
			switch {
			case !strings.HasPrefix(word, "--"):
				errs = append(errs, doc.Fault(r.key+".extra", "%q is no long option of sbatch", word).
					Remedy("write each option as one word, as in [--constraint=avx512, --exclusive]"))
			case slices.Contains(taken, name):
				errs = append(errs, doc.Fault(r.key+".extra", "%s can't be given here", name).
					Remedy("cpus, memory, time, partition, account, gres and at_once are keys beside `extra`; the rest a submission sets itself"))
			}
		}
	}
	return errs
}
