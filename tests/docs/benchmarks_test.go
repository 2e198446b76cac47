package docs_test

import (
	"regexp"
	"testing"
)

// variant is what a benchmark is run with, as far as that stands in the call.
var variant = regexp.MustCompile(`\bb\.Run\(([^\n]*?), func`)

// For benchstat -col each variant has a key, and who is compared has the one of which
// CONTRIBUTING.md tells.
func TestVariantsOfBenchmarksHaveKeys(t *testing.T) {
	key, contender := regexp.MustCompile(`\w=`), regexp.MustCompile(`\bimpl=`)
	for directory, compares := range map[string]bool{
		"actor": true, "mailbox": true, "supervisor": true, "tests/cancel": true, "tracing": false,
	} {
		text := testsOf(t, directory)
		variants := variant.FindAllStringSubmatch(text, -1)
		if len(variants) == 0 {
			t.Errorf("%s: got no variant of a benchmark, want some", directory)
		}
		for _, v := range variants {
			if !key.MatchString(v[1]) {
				t.Errorf("%s: b.Run(%s): got no key, such as size=", directory, v[1])
			}
		}
		if contender.MatchString(text) != compares {
			t.Errorf("%s: the key impl= is there: got %t, want %t", directory, !compares, compares)
		}
	}
}
