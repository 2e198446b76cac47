package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The lines that docs/otp.md is made of.
var (
	sectionLine   = regexp.MustCompile(`^## (\d+)\. `)
	departureLine = regexp.MustCompile(`^\| ([^|]*S\d[^|]*) \|`) // in section 0
	statementLine = regexp.MustCompile(`^- \*\*S(\d+)(?: Go:)?\*\*`)
	rowLine       = regexp.MustCompile(`^\| S(\d+) \| *([^|]*?) *\| *([^|]*?) *\|$`)
	noListLine    = regexp.MustCompile(`^Not applicable: .+\.$`) // instead of rows
)

var (
	verdict = regexp.MustCompile(`^(kept|departs|not applicable)(?:: (.+))?$`)
	inRow   = regexp.MustCompile("`([a-z/]+\\.(?:Test|Fuzz|Example|Benchmark)\\w*)`")
	number  = regexp.MustCompile(`S(\d+)`)
	carrier = regexp.MustCompile(`\.(?:Test|Fuzz|Example|Benchmark)((?:S\d+)+)(?:_|$)`)
)

// played is the directory whose tests play whole trees: rows may name them, and
// need not.
const played = "tests/otp."

// rulebook is what docs/otp.md says.
type rulebook struct {
	departs  []int // by the table of section 0
	sections []*ruleSection
	rows     []ruleRow
	faults   []string
}

type ruleSection struct {
	title          string
	stated, listed []int
	excused        bool // it has no list, and says why
}

// ruleRow is what has become of one rule.
type ruleRow struct {
	rule      int
	says, why string   // kept, departs or not applicable; the reason
	tests     []string // as directory.Function
	rest      string   // what stands where only tests should
}

// numbersIn are the numbers of the rules in a text.
func numbersIn(text string) (numbers []int) {
	for _, match := range number.FindAllStringSubmatch(text, -1) {
		if n, err := strconv.Atoi(match[1]); err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// rulesOf are the numbers that the name of a test carries.
func rulesOf(test string) []int {
	if match := carrier.FindStringSubmatch(test); match != nil {
		return numbersIn(match[1])
	}
	return nil
}

func parseRules(document string) (b rulebook) {
	here := new(ruleSection) // what stands before the first section
	for line := range strings.Lines(document) {
		line = strings.TrimSuffix(line, "\n")
		if match := sectionLine.FindStringSubmatch(line); match != nil {
			here = &ruleSection{title: match[1]}
			b.sections = append(b.sections, here)
		} else if match := departureLine.FindStringSubmatch(line); match != nil && here.title == "0" {
			b.departs = append(b.departs, numbersIn(match[1])...)
		} else if match := statementLine.FindStringSubmatch(line); match != nil {
			here.stated = append(here.stated, numbersIn("S"+match[1])...)
		} else if noListLine.MatchString(line) {
			here.excused = true
		} else if match := rowLine.FindStringSubmatch(line); match != nil {
			row := ruleRow{says: match[2]}
			row.rule = numbersIn("S" + match[1])[0]
			if match := verdict.FindStringSubmatch(match[2]); match != nil {
				row.says, row.why = match[1], match[2]
			}
			for _, match := range inRow.FindAllStringSubmatch(match[3], -1) {
				row.tests = append(row.tests, match[1])
			}
			row.rest = strings.Trim(inRow.ReplaceAllString(match[3], ""), ", ")
			here.listed = append(here.listed, row.rule)
			b.rows = append(b.rows, row)
		} else if strings.HasPrefix(line, "| S") {
			b.faults = append(b.faults, fmt.Sprintf("section %s: no row of a list: %s", here.title, line))
		}
	}
	return b
}

// check says what is wrong with the row by itself. departs says what section 0
// knows of it.
func (r ruleRow) check(departs bool) (faults []string) {
	const inTable, untested = "section 0", "no test: "
	carried := slices.ContainsFunc(r.tests, func(test string) bool { return slices.Contains(rulesOf(test), r.rule) })
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Sprintf("S%d: ", r.rule)+fmt.Sprintf(format, args...))
		}
	}
	fault(r.rest != "", "%q is no test", r.rest)
	fault(departs != (r.says == "departs" && r.why == inTable), "%s: %s; and in the table of section 0: %v", r.says, r.why, departs)
	switch r.says {
	case "kept":
		fault(!carried, "kept, but no test carries the number")
	case "departs":
		fault(r.why == "", "departs without a reason")
		fault(!carried && !strings.Contains(r.why, untested), "departs, but no test carries the number")
	case "not applicable":
		fault(r.why == "" || len(r.tests) > 0, "not applicable needs a reason, and no test")
	default:
		fault(true, "%q is neither kept, departs, nor not applicable", r.says)
	}
	return faults
}

// faultsOf says where a document and the tests disagree.
func faultsOf(document string, tests []string) []string {
	b := parseRules(document)
	faults := b.faults
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	last := 0
	for _, s := range b.sections {
		for _, rule := range s.stated {
			if rule != last+1 {
				fault("S%d is stated after S%d", rule, last)
			}
			last = rule
		}
		switch {
		case s.excused && s.listed != nil:
			fault("section %s has a list, and a reason for having none", s.title)
		case !s.excused && !slices.Equal(s.stated, s.listed):
			fault("section %s states the rules %v, and lists %v", s.title, s.stated, s.listed)
		}
	}
	for _, rule := range b.departs {
		if rule > last {
			fault("section 0: there is no S%d", rule)
		}
	}
	named := make(map[string][]int) // by test
	for _, row := range b.rows {
		faults = append(faults, row.check(slices.Contains(b.departs, row.rule))...)
		for _, test := range row.tests {
			named[test] = append(named[test], row.rule)
			if !slices.Contains(tests, test) {
				fault("S%d: there is no test %s", row.rule, test)
			}
		}
	}
	for _, test := range tests {
		for _, rule := range rulesOf(test) {
			if !slices.Contains(named[test], rule) && !strings.HasPrefix(test, played) {
				fault("S%d: %s carries the number, and is not in the row", rule, test)
			}
		}
	}
	slices.Sort(faults)
	return faults
}

// allTests are the tests of the module, as directory.Function.
func allTests(t *testing.T) (tests []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			_, other := os.Stat(filepath.Join(name, "go.mod"))
			if base := entry.Name(); name != root && (other == nil || base == "testdata" || base[0] == '.') {
				return fs.SkipDir // a module of its own, or no package
			}
			return nil
		}
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		directory, err := filepath.Rel(root, filepath.Dir(name))
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil {
				tests = append(tests, filepath.ToSlash(directory)+"."+f.Name.Name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

func TestTheListOfRulesAndTheTestsAgree(t *testing.T) {
	for _, fault := range faultsOf(read(t, "docs/otp.md"), allTests(t)) {
		t.Error(fault)
	}
}

// The check itself: what it must find.
func TestFaultsOfAListOfRules(t *testing.T) {
	const sound = "## 0. Departures\n| S3: all | less | why |\n" +
		"## 1. One\n- **S1** This.\n- **S2 Go:** That.\n| rule | | shown by |\n|---|---|---|\n" +
		"| S1 | kept | `a.TestS1S3_Both`, `b/c.TestS1_Too` |\n| S2 | not applicable: never | |\n" +
		"## 2. Two\n- **S3** More.\n| S3 | departs: section 0 | `a.TestS1S3_Both` |\n" +
		"## 3. Three\nNot applicable: there is none.\n- **S4** Else.\n"
	tests := []string{"a.TestS1S3_Both", "b/c.TestS1_Too", "a.TestSend", "a.TestPlain", "tests/otp.TestS1_Played", "a.helper"}
	for _, test := range []struct {
		name     string
		old, new string // a change of the document
		more     string // a test
		want     string
	}{
		{name: "none"},
		{name: "not listed", old: "| S2 | not applicable: never | |\n", want: "section 1 states the rules [1 2], and lists [1]"},
		{name: "listed twice", old: "| S2 |", new: "| S1 | kept | `a.TestS1S3_Both` |\n| S2 |", want: "section 1 states the rules [1 2], and lists [1 1 2]"},
		{name: "listed elsewhere", old: "## 3. Three", new: "## 3. Three\n| S4 | not applicable: never | |", want: "section 3 has a list, and a reason for having none"},
		{name: "no reason for no list", old: "Not applicable: there is none.", want: "section 3 states the rules [4], and lists []"},
		{name: "a gap", old: "**S4**", new: "**S5**", want: "S5 is stated after S3"},
		{name: "a bad row", old: "| S2 | not applicable: never | |", new: "| S2 | kept |", want: "section 1 states the rules [1 2], and lists [1]\nsection 1: no row of a list: | S2 | kept |"},
		{name: "a bad verdict", old: "| kept |", new: "| fine |", want: `S1: "fine" is neither kept, departs, nor not applicable`},
		{name: "kept without a test", old: "not applicable: never", new: "kept", want: "S2: kept, but no test carries the number"},
		{name: "kept by the test of another", old: "not applicable: never | |", new: "kept | `a.TestPlain` |", want: "S2: kept, but no test carries the number"},
		{name: "no reason", old: "not applicable: never", new: "not applicable", want: "S2: not applicable needs a reason, and no test"},
		{name: "not applicable with a test", old: "never | |", new: "never | `a.TestPlain` |", want: "S2: not applicable needs a reason, and no test"},
		{name: "departs without a reason", old: "not applicable: never", new: "departs", want: "S2: departs without a reason\nS2: departs, but no test carries the number"},
		{name: "departs without a test", old: "not applicable: never", new: "departs: less", want: "S2: departs, but no test carries the number"},
		{name: "departs, and says why without a test", old: "not applicable: never", new: "departs: less; no test: it has no effect"},
		{name: "section 0 says nothing of it", old: "| S3: all |", new: "| all |", want: `S3: departs: section 0; and in the table of section 0: false`},
		{name: "section 0 says that it departs", old: "| S3: all |", new: "| S3, S2: all |", want: `S2: not applicable: never; and in the table of section 0: true`},
		{name: "section 0 has it wrong", old: "| S3: all |", new: "| S3, S9: all |", want: "section 0: there is no S9"},
		{name: "no such test", old: "c.TestS1_Too`", new: "c.TestS1_Too`, `a.TestGone`", want: "S1: there is no test a.TestGone"},
		{name: "no test at all", old: "c.TestS1_Too`", new: "c.TestS1_Too`, see there", want: `S1: "see there" is no test`},
		{name: "a test that is not named", old: ", `b/c.TestS1_Too`", want: "S1: b/c.TestS1_Too carries the number, and is not in the row"},
		{name: "a test of a rule without a row", more: "a.FuzzS2S4_More", want: "S2: a.FuzzS2S4_More carries the number, and is not in the row\nS4: a.FuzzS2S4_More carries the number, and is not in the row"},
		{name: "a test of no rule", more: "a.TestS99", want: "S99: a.TestS99 carries the number, and is not in the row"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !strings.Contains(sound, test.old) {
				t.Fatalf("the document has no %q", test.old)
			}
			document := strings.Replace(sound, test.old, test.new, 1)
			got := strings.Join(faultsOf(document, append(slices.Clone(tests), test.more)), "\n")
			if got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}
