// Package docs checks that the documents say what the code does: the program in
// the README is a real one, and every test that a document names exists.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheProgramInTheREADMEIsAnExample(t *testing.T) {
	_, rest, found := strings.Cut(read(t, "README.md"), "```go\n")
	program, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("README.md has no block of Go")
	}
	if program != read(t, "examples/bank/main.go") {
		t.Error("the first block of Go in README.md differs from examples/bank/main.go")
	}
}

func TestTheCommandsOfTheREADMEAreThoseOfCI(t *testing.T) {
	readme, ci := read(t, "README.md"), read(t, ".ci/run")
	for _, command := range []string{"go run ./examples/codesearch -json -verify -chaos 0.05", "go test work"} {
		if !strings.Contains(readme, command+"\n") {
			t.Errorf("README.md does not have the command %q", command)
		}
		// CI adds the race detector.
		if !strings.Contains(ci, command) && !strings.Contains(ci, strings.Replace(command, "go test", "go test -race", 1)) {
			t.Errorf(".ci/run does not run %q", command)
		}
	}
}

// named is a test as the documents name it: its directory and its function.
var named = regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz|Example|Benchmark)\\w*)`")

func TestEveryTestThatADocumentNamesExists(t *testing.T) {
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	functions := make(map[string]string) // by directory, the text of its tests
	count := 0
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range named.FindAllStringSubmatch(string(text), -1) {
			directory, function := match[1], match[2]
			if functions[directory] == "" {
				functions[directory] = testsOf(t, directory)
			}
			count++
			if !strings.Contains(functions[directory], "\nfunc "+function+"(") {
				t.Errorf("%s names %s.%s, which does not exist", filepath.Base(document), directory, function)
			}
		}
	}
	if count == 0 {
		t.Error("no document names a test")
	}
}

// guarantee is a row of the table in docs/guarantees.md.
var guarantee = regexp.MustCompile(`(?m)^\| *\d+ *\|.*$`)

func TestEveryGuaranteeNamesATest(t *testing.T) {
	rows := guarantee.FindAllString(read(t, "docs/guarantees.md"), -1)
	if len(rows) < 20 {
		t.Fatalf("docs/guarantees.md has %d rows, want 20 at least", len(rows))
	}
	for _, row := range rows {
		if !named.MatchString(row) {
			t.Errorf("this guarantee names no test: %s", row)
		}
	}
}

// unsupervised is a row of the table in docs/unsupervised.md.
var unsupervised = regexp.MustCompile(`(?m)^\|[^-].*\|$`)

func TestEveryLimitNamesATestAndEveryTestIsNamed(t *testing.T) {
	document := read(t, "docs/unsupervised.md")
	rows := unsupervised.FindAllString(document, -1)
	if len(rows) < 8 {
		t.Fatalf("docs/unsupervised.md has %d rows, want 8 at least", len(rows))
	}
	for _, row := range rows[1:] { // the first is the heading
		if !named.MatchString(row) {
			t.Errorf("this limit names no test: %s", row)
		}
	}
	for _, test := range allTests(t) {
		if strings.HasPrefix(test, "tests/unsupervised.Test") && !strings.HasSuffix(test, ".TestMain") && !strings.Contains(document, "`"+test+"`") {
			t.Errorf("docs/unsupervised.md does not name %s", test)
		}
	}
}

func testsOf(t *testing.T, directory string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, directory, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("%s has no tests", directory)
	}
	var text strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(content)
	}
	return text.String()
}

// link is a relative link of a document.
var link = regexp.MustCompile(`\]\(([^)#:]+)\)`)

func TestEveryRelativeLinkLeadsSomewhere(t *testing.T) {
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		documents, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range documents {
			text, err := os.ReadFile(document)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range link.FindAllStringSubmatch(string(text), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(document), match[1])); err != nil {
					t.Errorf("%s links to %s, which is not there", filepath.Base(document), match[1])
				}
			}
		}
	}
}

// blank is a paragraph of one word in capitals: what was to be written there
// later.
var blank = regexp.MustCompile(`(?:\A|\n\n)([A-Z][A-Z_]+)\s*(?:\n\n|\z)`)

func TestNothingIsLeftToBeFilledIn(t *testing.T) {
	for _, example := range []string{"FIGURES\n", "Text.\n\nFIGURES\n\nText.", "Text.\n\nMORE_FIGURES\n"} {
		if !blank.MatchString(example) {
			t.Errorf("%q is not taken for a blank", example)
		}
	}
	for _, example := range []string{"Text.\n\nOTP says so.\n", "Text\nOTP\nsays so.\n", "Text.\n\n# OTP\n\nText."} {
		if blank.MatchString(example) {
			t.Errorf("%q is taken for a blank", example)
		}
	}
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/*/*.md"} {
		documents, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(documents) == 0 {
			t.Fatalf("%s: got no document, %v", pattern, err)
		}
		for _, document := range documents {
			text, err := os.ReadFile(document)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range blank.FindAllStringSubmatch(string(text), -1) {
				t.Errorf("%s has a paragraph that says %s and no more", document, match[1])
			}
		}
	}
}
