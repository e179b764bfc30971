package neuroiotest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
)

// Python runs a script that needs some modules, with arguments, and decodes the JSON that it prints. The
// test is skipped where the modules aren't to be had. The interpreter is the one that CORTEXMAP_PYTHON
// names, else python3.
func Python(t *testing.T, modules, script string, into any, args ...string) {
	t.Helper()
	name := os.Getenv("CORTEXMAP_PYTHON")
	if name == "" {
		name = "python3"
	}
	if out, err := exec.Command(name, "-c", "import "+modules).CombinedOutput(); err != nil {
		lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
		t.Skipf("%s can't import %s (CORTEXMAP_PYTHON names another interpreter): %v, %s", name, modules, err, lines[len(lines)-1])
	}
	var stderr bytes.Buffer
	cmd := exec.Command(name, append([]string{"-c", script}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
}
