package encoder

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"cortexmap/fit"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
)

// Choice says which of a run's mappings is meant; empty and negative fields choose nothing.
type Choice struct {
	Model, Subject string
	Seed           int
}

// Mappings are the folders of a run's mappings, or the folder itself if it is one mapping's, sorted.
func Mappings(run string) ([]string, error) {
	if isFile(filepath.Join(run, store.FitName)) {
		return []string{run}, nil
	}
	found, err := filepath.Glob(filepath.Join(escape(run), "mappings", "*", "*", "*", store.FitName))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range found {
		if dir := filepath.Dir(f); !strings.HasSuffix(dir, ".partial") {
			out = append(out, dir)
		}
	}
	if len(out) == 0 {
		return nil, fault.Inputf("%s holds no mapping", run).Remedy("give the folder that a run wrote (`out:`), or one mapping's folder below its mappings/")
	}
	sort.Strings(out)
	return out, nil
}

// choose finds the one FactorTopy mapping that is meant.
func choose(run string, c Choice) (string, error) {
	all, err := Mappings(run)
	if err != nil {
		return "", err
	}
	var fits, names []string
	for _, dir := range all {
		info, err := store.ReadFitInfo(dir)
		if err != nil {
			return "", err
		}
		if !strings.HasPrefix(info.Method, "factortopy") || info.Refit != "" && dir != run {
			continue
		}
		method := info.Method
		if info.Ablation != "" && info.Ablation != fit.NoAblation {
			method += ", " + info.Ablation
		}
		names = append(names, fmt.Sprintf("%s onto %s, %s, seed %d (%s)", info.Model, info.Subject, method, info.Seed, dir))
		if (c.Model == "" || c.Model == info.Model) && (c.Subject == "" || c.Subject == info.Subject) && (c.Seed < 0 || c.Seed == info.Seed) {
			fits = append(fits, dir)
		}
	}
	switch {
	case len(fits) == 1:
		return fits[0], nil
	case len(names) == 0:
		return "", fault.Inputf("%s holds baselines only, which have no weights that predict", run)
	case len(fits) == 0:
		return "", fault.Inputf("none of the mappings is meant; there are: %s", strings.Join(names, "; ")).In("%s", run)
	}
	return "", fault.Inputf("%d mappings may be meant: %s", len(fits), strings.Join(names, "; ")).In("%s", run).
		Remedy("choose with --model, --subject and --seed, or give the mapping's folder itself")
}

// features finds the store that a mapping in dir was fitted to: below the same run.
func features(dir, key string) (string, error) {
	run := filepath.Join(dir, "..", "..", "..", "..")
	found, err := filepath.Glob(filepath.Join(escape(run), "features", "*-"+escape(key)))
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fault.Inputf("the tokens that the mapping was fitted to (features/…-%s) are not in its run's folder", key).In("%s", dir).
			Remedy("extract them again with the run's own file (`cortexmap extract`): an encoder is checked against them")
	}
	return found[0], nil
}

// escape makes a path a pattern that matches itself.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&fs.ModeType == 0
}
