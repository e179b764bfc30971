// Package internal_test keeps the house's import rules: internal/imports.txt is the table, this test
// reads every file's imports and compares.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "cortexmap"

// TestImports fails on an import that the table does not allow, on an allowed one that nothing uses, on a
// package without a line and on a line without a package. The files are parsed here rather than asked of
// `go list`, whose answer the test cache would not see change.
func TestImports(t *testing.T) {
	rooms, guests := readTable(t, "imports.txt")
	found, third := scan(t, "..")

	for _, pkg := range keys(found) {
		allowed, ok := rooms[pkg]
		if !ok {
			t.Errorf("package %s has no line in internal/imports.txt", pkg)
			continue
		}
		for _, dep := range keys(found[pkg]) {
			if !slices.ContainsFunc(allowed, func(p string) bool { return matches(p, dep) }) {
				t.Errorf("%s imports %s, which internal/imports.txt does not allow: a change of the table is a change of architecture", pkg, dep)
			}
		}
		for _, p := range allowed {
			if !slices.ContainsFunc(keys(found[pkg]), func(dep string) bool { return matches(p, dep) }) {
				t.Errorf("internal/imports.txt lets %s import %s, which it does not: take it out", pkg, p)
			}
		}
	}
	for _, pkg := range keys(rooms) {
		if _, ok := found[pkg]; !ok {
			t.Errorf("internal/imports.txt has a line for %s, which does not exist", pkg)
		}
	}
	for _, lib := range keys(third) {
		for _, rule := range keys(guests) {
			if lib != rule && !strings.HasPrefix(lib, rule+"/") {
				continue
			}
			for _, pkg := range keys(third[lib]) {
				if !slices.ContainsFunc(guests[rule], func(p string) bool { return matches(p, pkg) }) {
					t.Errorf("%s imports %s, which is confined to: %s", pkg, lib, strings.Join(guests[rule], " "))
				}
			}
		}
	}
}

// TestPackageComments: each package says what it is for.
func TestPackageComments(t *testing.T) {
	has := map[string]bool{}
	walk(t, "..", func(pkg, file string) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		has[pkg] = has[pkg] || f.Doc != nil
	})
	for _, pkg := range keys(has) {
		if !has[pkg] {
			t.Errorf("package %s has no package comment", pkg)
		}
	}
}

// readTable reads "room: imports" lines, and after a line "# confined" the "library: rooms" ones.
func readTable(t *testing.T, name string) (rooms, guests map[string][]string) {
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	rooms, guests = map[string][]string{}, map[string][]string{}
	into := rooms
	for _, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "# confined" {
			into = guests
		}
		if line == "" || line[0] == '#' {
			continue
		}
		name, list, ok := strings.Cut(line, ":")
		if !ok {
			t.Fatalf("imports.txt: no colon in %q", line)
		}
		into[name] = strings.Fields(list)
	}
	return rooms, guests
}

// scan gives, for every package, the packages of this module that it imports (short names), and for
// every foreign package the packages that import it.
func scan(t *testing.T, root string) (own, third map[string]map[string]bool) {
	own, third = map[string]map[string]bool{}, map[string]map[string]bool{}
	walk(t, root, func(pkg, file string) {
		if own[pkg] == nil {
			own[pkg] = map[string]bool{}
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			dep, _ := strconv.Unquote(spec.Path.Value)
			if name, ok := strings.CutPrefix(dep, module+"/"); ok {
				own[pkg][strings.TrimPrefix(name, "internal/")] = true
				continue
			}
			if third[dep] == nil {
				third[dep] = map[string]bool{}
			}
			third[dep][pkg] = true
		}
	})
	return own, third
}

// walk visits the non-test Go files; test helpers (names ending in "test") are not rooms.
func walk(t *testing.T, root string, visit func(pkg, file string)) {
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root && (d.Name() == "testdata" || d.Name()[0] == '.' || strings.HasSuffix(d.Name(), "test")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		rel, _ := filepath.Rel(root, filepath.Dir(p))
		pkg := strings.TrimPrefix(filepath.ToSlash(rel), "internal/")
		if pkg == "." {
			pkg = "main"
		}
		visit(pkg, p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// matches: "neuroio/*" stands for every package below neuroio.
func matches(pattern, name string) bool {
	ok, _ := path.Match(pattern, name)
	return ok
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
