// Package contenders is the list of who can take part.
package contenders

import (
	"slices"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/coppice"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/erlang"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/proto"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/raw"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/sutured"
)

// All are those who can take part, in the order in which they are told.
var All = []bench.Contender{coppice.Contender, raw.Contender, sutured.Contender, proto.Contender, erlang.Contender}

// Names are their names.
func Names() []string {
	names := make([]string, len(All))
	for i, c := range All {
		names[i] = c.Name
	}
	return names
}

// Find finds one by its name.
func Find(name string) (c bench.Contender, found bool) {
	i := slices.Index(Names(), name)
	if i < 0 {
		return bench.Contender{}, false
	}
	return All[i], true
}
