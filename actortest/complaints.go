package actortest

import (
	"fmt"
	"regexp"
	"strings"
)

// complaints are what there is to complain of, in the order in which it came up
// first. Equal ones are kept once.
type complaints []complaint

// complaint is a text of some lines; those that begin with a tab are a stack.
type complaint struct {
	text  string // as it came first
	key   string // what it has in common with those that mean the same
	times int
}

// add adds a complaint that has come so many times.
func (all *complaints) add(text string, times int) {
	key := alike(text)
	for i := range *all {
		if c := &(*all)[i]; c.key == key {
			c.times += times
			return
		}
	}
	*all = append(*all, complaint{text, key, times})
}

// String is what the test says.
func (c complaint) String() string {
	if c.times > 1 {
		return fmt.Sprintf("%d times: %s", c.times, c.text)
	}
	return c.text
}

// brief is a complaint without its advice and its stack.
func (c complaint) brief() string {
	line, _, _ := strings.Cut(c.text, "\n")
	line, _, _ = strings.Cut(line, "; ")
	return strings.TrimSuffix(line, ":")
}

// told are the complaints of which a test has told in full, with the scenario in
// which it was.
type told map[string]string

// of is what the test says in a scenario: what it has said before only in brief.
func (t told) of(c complaint, scenario string) string {
	if before := t[c.key]; before != "" {
		return fmt.Sprintf("the same as in %s: %s", strings.ReplaceAll(before, " ", "_"), c.brief())
	}
	t[c.key] = scenario
	return c.String()
}

// number is a number or a duration.
var number = regexp.MustCompile(`\b\d[\w.µ]*`)

// alike is what two complaints have in common that mean the same: all but numbers,
// such as that of the incarnation, and of a stack the place where it happened.
func alike(text string) string {
	var kept []string
	stack := false
	for line := range strings.Lines(text) {
		if indented := strings.HasPrefix(line, "\t"); !indented || !stack {
			kept, stack = append(kept, line), indented
		}
	}
	return number.ReplaceAllString(strings.Join(kept, ""), "0")
}
