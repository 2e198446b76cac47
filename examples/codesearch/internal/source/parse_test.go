package source_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
)

func parse(t testing.TB, text string) source.Parsed {
	t.Helper()
	tree := fstest.MapFS{"x.go": {Data: []byte(text)}}
	content, err := source.Read(tree, source.File{Path: "x.go", Size: int64(len(text))})
	if err != nil {
		t.Fatal(err)
	}
	return content.Parse()
}

// brief gives declarations as "line kind name: doc", with the doc on one line.
func brief(declarations []source.Declaration) string {
	var lines strings.Builder
	for _, d := range declarations {
		fmt.Fprintf(&lines, "%d %s %s", d.Line, d.Kind, d.Name)
		if d.Doc != "" {
			fmt.Fprintf(&lines, ": %s", strings.ReplaceAll(strings.TrimSuffix(d.Doc, "\n"), "\n", "|"))
		}
		lines.WriteByte('\n')
	}
	return lines.String()
}

func TestParse(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a package with a doc", "// Package p is.\npackage p", "2 package p: Package p is.\n"},
		{"a package without one", "package p", ""},
		{"functions", "package p\n// F does.\n//\n// More.\nfunc F() {}\nfunc _() {}\nfunc init() {}", "5 func F: F does.||More.\n7 func init\n"},
		{"methods", "package p\nfunc (T) A()\nfunc (t *T) B()\nfunc (t *T[K]) C()\nfunc (t *T[K, V]) D()\nfunc (t (*T)) E()\nfunc (_) F()",
			"2 method T.A\n3 method T.B\n4 method T.C\n5 method T.D\n6 method T.E\n7 func F\n"},
		{"types", "package p\n// A is.\ntype A int\ntype (\n\t// B is.\n\tB struct{ f int }\n\tC = B // C is.\n)",
			"3 type A: A is.\n6 type B: B is.\n7 type C: C is.\n"},
		{"the doc of a group belongs to its first member", "package p\n// Flags of things.\nconst (\n\tA = iota // a\n\tB\n\t// c\n\tC\n)",
			"4 const A: Flags of things.||a\n5 const B\n7 const C: c\n"},
		{"several names in one line", "package p\n// Two.\nvar a, _, b = f()", "3 var a: Two.\n3 var b: Two.\n"},
		{"imports and fields are no declarations", "package p\nimport \"fmt\"\ntype I interface{ M() }", "3 type I\n"},
		{"line comments do not count", "package p\n//line y.go:99\nfunc F() {}", "3 func F\n"},
		{"directives are no doc", "package p\n//go:noinline\nfunc F() {}", "3 func F\n"},
		{"no text at all", "", ""},
		{"not Go", "\x7fELF\x00\x00", ""},
		{"broken, with what could be made out", "package p\n\nfunc A() {}\nfunc B( {\nvar c int\nfunc D() {}", "3 func A\n4 func B\n"},
		{"NUL and invalid UTF-8 in a comment", "package p\ntype T int\ntype U int\n// a\x00b\xffc\nfunc F() {}", "2 type T\n3 type U\n5 func F: a\uFFFDb\uFFFDc\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := brief(parse(t, test.text).Declarations); got != test.want {
				t.Errorf("declarations:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for _, test := range []struct{ text, packageName, failure string }{
		{"package p", "p", ""},
		{"package p\nfunc {", "p", "x.go:2:6: "},
		{"", "", "x.go:1:1: expected 'package', found 'EOF'"},
	} {
		parsed := parse(t, test.text)
		if parsed.Package != test.packageName {
			t.Errorf("%q: package %q, want %q", test.text, parsed.Package, test.packageName)
		}
		if !strings.HasPrefix(parsed.Failure, test.failure) || (parsed.Failure == "") != (test.failure == "") {
			t.Errorf("%q: failure %q, want %q…", test.text, parsed.Failure, test.failure)
		}
	}
}

func TestReadRefusesWhatIsTooLarge(t *testing.T) {
	tree := fstest.MapFS{"x.go": {Data: make([]byte, source.MaxSize+1)}}
	if _, err := source.Read(tree, source.File{Path: "x.go"}); !errors.Is(err, source.ErrTooLarge) {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
}

func TestReadHashesContent(t *testing.T) {
	first, same, other := parse(t, "package a").Hash, parse(t, "package a").Hash, parse(t, "package b").Hash
	if first != same || first == other {
		t.Errorf("the hashes %x, %x and %x do not follow content", first, same, other)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("package p\nfunc (t *T[K]) F() {}\nconst (\n\ta = 1 // a\n)"))
	f.Add([]byte("package p\nfunc (\x00) F( {\n type T struct { \xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		first := parse(t, string(text))
		if second := parse(t, string(text)); !reflect.DeepEqual(first, second) {
			t.Errorf("the same text parsed twice gives\n%+v\n%+v", first, second)
		}
		for _, d := range first.Declarations {
			for _, text := range []string{d.Name, d.Doc, first.Failure, first.Package} {
				if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
					t.Errorf("%q cannot be stored", text)
				}
			}
			if d.Name == "" || d.Line < 1 {
				t.Errorf("declaration without name or line: %+v", d)
			}
		}
	})
}
