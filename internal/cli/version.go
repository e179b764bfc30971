package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"cortexmap/internal/ort"
)

type versionCmd struct{}

// versionInfo is `version --json`.
type versionInfo struct {
	Version     string            `json:"version"`
	Go          string            `json:"go"`
	Platform    string            `json:"platform"`
	Onnxruntime string            `json:"onnxruntime"` // the version that is fetched when none is given
	Modules     map[string]string `json:"modules"`
}

func (versionCmd) Run(e *env) error {
	v := versionInfo{Version: version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Onnxruntime: ort.Pinned, Modules: map[string]string{}}
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, m := range info.Deps {
			v.Modules[m.Path] = m.Version
		}
	}
	if e.flags.JSON {
		return printJSON(e.stdout, v)
	}
	fmt.Fprintf(e.stdout, "cortexmap %s\n%s on %s, ONNX Runtime %s unless another is given\n", v.Version, v.Go, v.Platform, v.Onnxruntime)
	if info != nil {
		for _, m := range info.Deps {
			fmt.Fprintf(e.stdout, "  %s %s\n", m.Path, m.Version)
		}
	}
	return nil
}
