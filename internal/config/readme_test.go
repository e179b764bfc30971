package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// The README's table of hyper-parameters has a row for every key of Hyper, and no other.
func TestReadmeNamesEveryHyperParameter(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(data), "\n| key | sound | paper | |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	if !found {
		t.Fatal("the README has no table `| key | sound | paper | |`")
	}
	named := map[string]bool{}
	for _, row := range strings.Split(table, "\n") {
		cells := strings.SplitN(row, "|", 3)
		for _, m := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(cells[1], -1) {
			named[m[1]] = true
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Hyper]()) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !named[name] {
			t.Errorf("fit.%s stands in no row of the README's table", name)
		}
		delete(named, name)
	}
	for name := range named {
		t.Errorf("the README's table has %s, which is no hyper-parameter", name)
	}
}
