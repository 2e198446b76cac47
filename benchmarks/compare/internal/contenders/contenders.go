// Package contenders is the list of who takes part.
package contenders

import (
	"fmt"
	"slices"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/coppice"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/raw"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/sutured"
)

// All are those that are measured in a process of this program.
var All = []bench.Contender{coppice.Contender, raw.Contender, sutured.Contender}

// Find finds one by its name.
func Find(name string) (bench.Contender, error) {
	i := slices.IndexFunc(All, func(c bench.Contender) bool { return c.Name == name })
	if i < 0 {
		return bench.Contender{}, fmt.Errorf("no contender is called %q", name)
	}
	return All[i], nil
}
