package config

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
	Time      string   `yaml:"time" json:"time,omitempty"`     // as sbatch has it: minutes, 2:00:00, 1-12
	CPUs      int      `yaml:"cpus" json:"cpus,omitempty"`     // 0: threads, or else what the estimate says
	Memory    string   `yaml:"memory" json:"memory,omitempty"` // as sbatch has it: 8G; "": what the estimate says
	GRES      string   `yaml:"gres" json:"gres,omitempty"`     // gpu:1
	Extra     []string `yaml:"extra" json:"extra,omitempty"`   // further options of sbatch, each a whole word: --constraint=avx512
}
