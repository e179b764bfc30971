package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// run runs the command and gives its stdout; anything but success ends the test.
func run(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "cortexmap", args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cortexmap %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// TestDemo runs the README's first command once, and looks at all that it leaves.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole demo takes over a minute on two cores")
	}
	out := filepath.Join(t.TempDir(), "demo")
	begun := time.Now()
	text := run(t, libraryEnv(t), "run", "--out", out, "--quiet")
	t.Logf("%.0f s\n%s", time.Since(begun).Seconds(), text)
	t.Run("recovery", func(t *testing.T) { demoRecovery(t, out) })
	t.Run("alignment", func(t *testing.T) { demoAlignment(t, out) })
	t.Run("report", func(t *testing.T) { demoReport(t, out, text) })
	t.Run("python", func(t *testing.T) { demoPython(t, out) })
	t.Run("again", func(t *testing.T) { demoAgain(t, out) })
}

// demoPython runs the README's own lines on the demo's files.
func demoPython(t *testing.T, out string) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := ""
	for _, m := range regexp.MustCompile("(?s)```python\n(.*?)```").FindAllSubmatch(readme, -1) {
		if bytes.Contains(m[1], []byte("mapping.parquet")) {
			lines = string(m[1])
		}
	}
	if lines == "" {
		t.Fatal("the README has no lines of Python that read a mapping")
	}
	script := strings.ReplaceAll(lines, "runs/demo", filepath.ToSlash(out)) +
		"import json\nprint('\\n' + json.dumps({'vertices': len(vertices), 'rois': len(rois), 'r2': len(r2), 'off': float(np.abs(r2[left.vertex] - left.r2).max()), 'x': list(x.shape)}))\n"
	python := os.Getenv("CORTEXMAP_PYTHON")
	if python == "" {
		python = "python3"
	}
	if text, err := exec.Command(python, "-c", "import nilearn.surface, pandas, pyarrow").CombinedOutput(); err != nil {
		t.Skipf("%s lacks a module (CORTEXMAP_PYTHON names another interpreter): %v, %s", python, err, text)
	}
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), python, "-c", script)
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	told := strings.Split(strings.TrimSpace(string(text)), "\n")
	if got, want := told[len(told)-1], `{"vertices": 2000, "rois": 30, "r2": 10242, "off": 0.0, "x": [2538, 65, 40]}`; got != want {
		t.Errorf("Python finds %s, want %s", got, want)
	}
}

// demoRecovery: what was planted is found again, as well as fit.md measured before there was a product.
func demoRecovery(t *testing.T, out string) {
	rows := table(t, out, "recovery")
	if len(rows) != 1 {
		t.Fatalf("%d rows, one mapping", len(rows))
	}
	row := rows[0]
	if row["simulated"] != "true" || row["generator"] != "lite0" || row["n_vertices"] != "2000" {
		t.Errorf("the table says %v", row)
	}
	for _, c := range []struct {
		column string
		lo, hi float64
	}{
		{"r2_over_ceiling_mean", 0.68, 1},
		{"layer_expected_mae", 0, 0.8}, // of 16 layers
		{"space_error_median", 0, 0.05},
		{"depth_mae", 0, 0.1},       // 0.038 where this was written; chance is 0.25
		{"local_share_mae", 0, 0.1}, // 0.047; chance is about 0.3
	} {
		x, err := strconv.ParseFloat(row[c.column], 64)
		if err != nil || x < c.lo || x > c.hi {
			t.Errorf("%s is %s, %v to %v is asked for", c.column, row[c.column], c.lo, c.hi)
		}
	}
}

// demoAlignment: the planted depth rises along the hierarchy, and every quantity shows it.
func demoAlignment(t *testing.T, out string) {
	rows := table(t, out, "alignment")
	if len(rows) == 0 {
		t.Fatal("no rows")
	}
	for _, row := range rows {
		lo, err := strconv.ParseFloat(row["slope_lo"], 64)
		if err != nil || lo <= 0 || row["hierarchy"] != "glasser" || row["n_rois"] != "7" || row["simulated"] != "true" {
			t.Errorf("%s over %s: %v", row["quantity"], row["over"], row)
		}
	}
}

// demoReport: one page that loads nothing, says that all of it is simulated, and is named at the end.
func demoReport(t *testing.T, out, text string) {
	path := filepath.Join(out, "results", "report.html")
	if !strings.HasSuffix(text, "report: "+path+"\n") {
		t.Errorf("the run ends with\n%s", text)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	html := string(data)
	for _, l := range loads(html) {
		t.Errorf("the report loads %.80s", l)
	}
	for _, word := range []string{"simulated", "cid22_082", "FreeSurfer", "lite0"} { // photographs are credited one by one
		if !strings.Contains(html, word) {
			t.Errorf("the report has no word of %s", word)
		}
	}
	for _, m := range []string{"layer", "space", "scale", "r2"} {
		if _, err := os.Stat(filepath.Join(out, "results", "plates", "lite0_simulated_sound-seed0_"+m+"_flat.png")); err != nil {
			t.Error(err)
		}
	}
}

// references are attributes with which a page names something else.
var (
	references = regexp.MustCompile(`(?is)<(\w+)\b[^>]*?\s(src|href|srcset|action|formaction|poster|data|background|xlink:href)\s*=\s*["']?([^"'\s>]*)`)
	scripts    = regexp.MustCompile(`(?is)(<script\b[^>]*>).*?</script>`)
	urls       = regexp.MustCompile(`(?i)url\(\s*["']?([^"')]*)`)
	imports    = regexp.MustCompile(`(?i)@import`)
)

// loads are the places at which a page makes a browser load something: only links to be followed may lead
// out. (That no script does so either is seen in a browser, by the report's own test.)
func loads(html string) (found []string) {
	inside := func(target string) bool {
		return strings.HasPrefix(target, "data:") || strings.HasPrefix(target, "#")
	}
	html = scripts.ReplaceAllString(html, "$1</script>")
	for _, m := range references.FindAllStringSubmatch(html, -1) {
		if !inside(m[3]) && !strings.EqualFold(m[1], "a") {
			found = append(found, m[0])
		}
	}
	for _, m := range urls.FindAllStringSubmatch(html, -1) {
		if !inside(m[1]) {
			found = append(found, m[0])
		}
	}
	return append(found, imports.FindAllString(html, -1)...)
}

func TestLoads(t *testing.T) {
	for html, want := range map[string]int{
		`<a href="https://x">x</a><img src="data:image/png;base64,AA"><a href=#top>`:      0,
		`<script>URL.createObjectURL(x); url(y); s = '<img src="z">'</script>`:            0,
		`<style>a { fill: url(#g); background: url("data:image/png;base64,AA") }</style>`: 0,
		`<script src="x.js"></script>`:                                                       1,
		`<link rel="stylesheet" href='x.css'>`:                                               1,
		`<IMG alt="a" SRC=x.png>`:                                                            1,
		`<svg><image xlink:href="x.png"/><use href="y.svg#a"/></svg>`:                        2,
		`<style>@import "x.css"; a { background: url( 'http://x/y.png' ) }</style>`:          2,
		`<video poster="x.png"><source src="x.mp4"></video><form action="https://x"></form>`: 3,
	} {
		if got := loads(html); len(got) != want {
			t.Errorf("%s: %q, want %d", html, got, want)
		}
	}
}

// demoAgain: a finished run is found finished, without a library, and nothing of it is written again.
func demoAgain(t *testing.T, out string) {
	report := filepath.Join(out, "results", "report.html")
	before, err := os.Stat(report)
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	text := run(t, []string{"CORTEXMAP_ORT_LIB=", "CORTEXMAP_CACHE=" + t.TempDir()}, "run", "--out", out, "--quiet", "--offline", "--json")
	t.Logf("%.2f s", time.Since(begun).Seconds())
	var result struct {
		Tasks []struct{ Kind, State string }
	}
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		t.Fatal(err)
	}
	if len(result.Tasks) != 4 {
		t.Errorf("%d tasks: features, responses, mapping, results", len(result.Tasks))
	}
	for _, task := range result.Tasks {
		if task.State != "kept" {
			t.Errorf("%s: %s", task.Kind, task.State)
		}
	}
	if after, err := os.Stat(report); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the report is written again: %v", err)
	}
}

// table reads a run's table, a map from column to text for each row.
func table(t *testing.T, out, name string) (rows []map[string]string) {
	t.Helper()
	f, err := os.Open(filepath.Join(out, "results", "tables", name+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil || len(all) == 0 {
		t.Fatalf("%s: %d lines, %v", name, len(all), err)
	}
	for _, line := range all[1:] {
		row := map[string]string{}
		for i, column := range all[0] {
			row[column] = line[i]
		}
		rows = append(rows, row)
	}
	return rows
}
