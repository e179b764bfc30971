package ort

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// fromPip fetches the wheel. pip must check the hash itself, and take the wheel of this platform whatever
// Python runs it.
func (f *finder) fromPip(ctx context.Context) (Library, error) {
	return f.fetch(ctx, client{
		name: "pip", size: "13-19 MB", pattern: "onnxruntime-*.whl",
		sum: f.pins.wheel, member: f.pins.wheelLib, memberSum: f.pins.wheelSum, open: openZip,
		download: f.pipDownload,
	})
}

// pips are the ways to call pip, on all systems.
var pips = [][]string{{"python3", "-m", "pip"}, {"python", "-m", "pip"}, {"py", "-3", "-m", "pip"}, {"pip3"}, {"pip"}}

func (f *finder) pipDownload(ctx context.Context, dir string) error {
	list := filepath.Join(dir, "requirements.txt")
	line := fmt.Sprintf("onnxruntime==%s --hash=sha256:%s\n", Pinned, f.pins.wheel)
	if err := os.WriteFile(list, []byte(line), 0o666); err != nil {
		return durable.Explain(err, list)
	}
	args := []string{"download", "-q", "--no-deps", "--only-binary=:all:", "--require-hashes", "-r", list, "-d", dir,
		"--python-version", "3.12", "--implementation", "cp", "--abi", "cp312"}
	for _, tag := range f.pins.wheelTags {
		args = append(args, "--platform", tag)
	}
	answer := absentf("not found")
	for _, pip := range pips {
		if _, err := exec.LookPath(pip[0]); err != nil {
			continue
		}
		said, err := runIn(ctx, dir, pipSettings, append(pip[:len(pip):len(pip)], args...)...)
		if err == nil {
			return nil
		}
		answer = explainPip(pip[0], said, err)
		if !errors.Is(answer, errNoPip) {
			return answer
		}
	}
	return answer
}

var errNoPip = absent{"python is there, its module pip is not"}

// explainPip turns what pip printed into an answer. When it reaches nothing it says that there are no
// versions, which would send people looking for versions.
func explainPip(name, said string, err error) error {
	switch {
	case strings.Contains(said, "DO NOT MATCH THE HASHES"):
		return fault.Machinef("the onnxruntime %s that pip was given is not the file that cortexmap knows (its hash differs)", Pinned).
			Remedy("ask whoever runs your package mirror; or give a library that you trust with --ort-lib")
	case strings.Contains(said, "No module named pip"), strings.Contains(said, "Python was not found"):
		return errNoPip
	case strings.Contains(said, "from versions: none"):
		return absentf("could not reach its package index")
	case strings.Contains(said, "from versions:"):
		return absentf("its package index has no onnxruntime %s for this platform", Pinned)
	case strings.Contains(said, "No space left on device"):
		return absentf("no space left in %s", os.TempDir())
	}
	return absentf("%s failed: %s", name, lastLine(said, "ERROR:", err))
}

// fromNpm fetches the Node package, which holds the libraries of all systems.
func (f *finder) fromNpm(ctx context.Context) (Library, error) {
	return f.fetch(ctx, client{
		name: "npm", size: "101 MB", pattern: "onnxruntime-node-*.tgz",
		sum: f.pins.tarball, member: f.pins.npmLib, memberSum: f.pins.npmSum, open: openTar,
		download: npmDownload,
	})
}

func npmDownload(ctx context.Context, dir string) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return absentf("not found")
	}
	said, err := runIn(ctx, dir, npmSettings,
		"npm", "pack", "onnxruntime-node@"+Pinned, "--pack-destination", dir, "--ignore-scripts", "--json")
	if err != nil {
		return explainNpm(said, err)
	}
	return nil
}

func explainNpm(said string, err error) error {
	switch {
	case strings.Contains(said, "EINTEGRITY"):
		return fault.Machinef("the onnxruntime-node %s that npm was given is not the file that its registry names (its hash differs)", Pinned).
			Remedy("ask whoever runs your package mirror; or give a library that you trust with --ort-lib")
	case containsAny(said, "ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ECONNRESET", "ENETUNREACH"):
		return absentf("could not reach its registry")
	case strings.Contains(said, "E404"), strings.Contains(said, "ETARGET"):
		return absentf("its registry has no onnxruntime-node %s", Pinned)
	case strings.Contains(said, "ENOSPC"):
		return absentf("no space left in %s", os.TempDir())
	case strings.Contains(said, "node: not found"), strings.Contains(said, "node: No such file"):
		return absentf("npm is there, node is not")
	}
	var answer struct {
		Error struct{ Summary string }
	}
	if i := strings.Index(said, "\n{"); i >= 0 {
		json.NewDecoder(strings.NewReader(said[i:])).Decode(&answer)
	}
	if answer.Error.Summary != "" {
		return absentf("npm failed: %s", answer.Error.Summary)
	}
	return absentf("npm failed: %s", lastLine(said, "npm ", err))
}
