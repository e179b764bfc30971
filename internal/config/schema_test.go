package config

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const schemaPath = "../../configs/schema.json"

// TestSchema: the committed schema, which editors complete and check pipeline files with, is what the structs say.
// UPDATE_GOLDEN=1 go test ./internal/config writes it.
func TestSchema(t *testing.T) {
	s := &schemas{docs: comments(t)}
	root := s.of(reflect.TypeFor[Config]()).(object2)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "cortexmap pipeline file"
	root["description"] = "generated from the structs of internal/config; UPDATE_GOLDEN=1 go test ./internal/config"
	want, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(schemaPath, want, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaPath)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s isn't what the structs say (%v): UPDATE_GOLDEN=1 go test ./internal/config", schemaPath, err)
	}
}

// TestExamplesNameTheSchema: editors find the schema by the first line of a file.
func TestExamplesNameTheSchema(t *testing.T) {
	paths, err := filepath.Glob("../../configs/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if !strings.HasPrefix(text, "# yaml-language-server: $schema=schema.json\n") {
			t.Errorf("%s doesn't name the schema in its first line", p)
		}
		for _, word := range []string{"# Question:", "# Cost:", "# Expected:", "# Command:"} {
			if !strings.Contains(text, "\n"+word) {
				t.Errorf("%s has no line %s", p, word)
			}
		}
	}
}

type object2 = map[string]any

// schemas makes JSON schemas of types.
type schemas struct{ docs map[string]string }

// of is the schema of a type. Types that read themselves are named here.
func (s *schemas) of(t reflect.Type) any {
	text, list := object2{"type": "string"}, func(of any) object2 { return object2{"type": "array", "items": of} }
	scalar := object2{"type": []string{"string", "number"}}
	switch t {
	case reflect.TypeFor[Model](), reflect.TypeFor[Subject]():
		o := s.object(t)
		o["required"] = []string{"path"}
		return object2{"oneOf": []any{text, o}}
	case reflect.TypeFor[Word]():
		return scalar
	case reflect.TypeFor[Layers](), reflect.TypeFor[Words]():
		return object2{"oneOf": []any{text, list(scalar)}}
	case reflect.TypeFor[Hierarchy]():
		level := object2{"oneOf": []any{text, object2{"type": "object", "additionalProperties": list(text), "minProperties": 1, "maxProperties": 1}}}
		return object2{"oneOf": []any{text, list(level)}}
	case reflect.TypeFor[Axes]():
		return object2{"type": "object", "additionalProperties": object2{"type": "array", "minItems": 1}}
	case reflect.TypeFor[Values]():
		return object2{"type": "object", "minProperties": 1}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Struct:
		return s.object(t)
	case reflect.Slice:
		return list(s.of(t.Elem()))
	case reflect.Map:
		return object2{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.String:
		if t.Name() == "string" {
			return scalar // texts may look like numbers
		}
		return text
	case reflect.Bool:
		return object2{"type": "boolean"}
	case reflect.Float64:
		return object2{"type": "number"}
	case reflect.Int, reflect.Uint64:
		return object2{"type": "integer"}
	}
	panic("no schema of " + t.String())
}

func (s *schemas) object(t reflect.Type) object2 {
	properties := object2{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || name == "-" || name == "" {
			continue
		}
		p, ok := s.of(f.Type).(object2)
		if doc := s.docs[f.Name+" "+name]; ok && doc != "" {
			p["description"] = doc
		}
		properties[name] = p
	}
	return object2{"type": "object", "properties": properties, "additionalProperties": false, "patternProperties": object2{"^x-": object2{}}}
}

// comments are the fields' comments by the fields' names in Go and in YAML.
func comments(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			f, ok := n.(*ast.Field)
			if !ok || f.Tag == nil || len(f.Names) != 1 {
				return true
			}
			name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("yaml"), ",")
			text := f.Comment.Text()
			if text == "" {
				text = f.Doc.Text()
			}
			if text = strings.Join(strings.Fields(text), " "); text != "" {
				docs[f.Names[0].Name+" "+name] = text
			}
			return true
		})
	}
	return docs
}
