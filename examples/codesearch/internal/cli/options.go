package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"

	"github.com/coppice-go/coppice/examples/codesearch/internal/chaos"
)

const usage = `codesearch indexes the declarations and doc comments of a tree of Go files,
and answers questions from the index.

	codesearch [flags] [tree]
	codesearch -q words [-db path] [tree]

The tree is a directory; without one it is the source of the Go toolchain. Each
tree has its own index in the user's cache directory. A second run indexes only
what has changed since. What -chaos and -verify say is said about a whole run,
so they imply -fresh.

-json prints one last line of JSON, unless nothing could be indexed at all. In
it, lost and duplicated are what -verify found, and 0 without it.

The exit status is 0 only if the tree was indexed completely, everything
stopped in order, and nothing was found lost or duplicated.

`

type options struct {
	tree     string // "" is the toolchain's source
	db       string // "" is the tree's own in the cache
	asks     bool   // whether there is a question, which may be ""
	question string
	rate     float64 // of chaos
	seed     uint64
	workers  int
	verify   bool
	json     bool
	fresh    bool
}

// parse reads flags, before and behind the tree. It writes to out only if it is
// asked for help, and returns [flag.ErrHelp] then.
func parse(arguments []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("codesearch", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.question, "q", "", "search the index for `words` instead of indexing")
	flags.StringVar(&o.db, "db", "", "`path` of the index (default: one for each tree in the user's cache directory)")
	flags.Float64Var(&o.rate, "chaos", 0, "`rate` from 0 to 1 at which workers panic, fail, exit or hang; implies -fresh")
	flags.Uint64Var(&o.seed, "seed", 0, "`number` that decides about all chaos (default: a random one, which is printed)")
	flags.BoolVar(&o.verify, "verify", false, "compare the index with an independent pass; implies -fresh")
	flags.BoolVar(&o.json, "json", false, "end with one line of JSON")
	flags.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "`number` of files that are parsed at the same time")
	flags.BoolVar(&o.fresh, "fresh", false, "discard the stored index first")

	var trees []string
	for rest := arguments; ; { // package flag stops at the first argument that is no flag
		if err := flags.Parse(rest); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				fmt.Fprint(out, usage)
				flags.SetOutput(out)
				flags.PrintDefaults()
			}
			return options{}, err
		}
		if flags.NArg() == 0 {
			break
		}
		trees = append(trees, flags.Arg(0))
		rest = flags.Args()[1:]
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	o.asks = given["q"]
	if !given["seed"] {
		o.seed = rand.Uint64()
	}
	if err := o.check(trees, given); err != nil {
		return options{}, err
	}
	if len(trees) == 1 {
		o.tree = trees[0]
	}
	o.fresh = o.fresh || o.verify || o.rate > 0
	return o, nil
}

func (o options) check(trees []string, given map[string]bool) error {
	var faults []error
	if len(trees) > 1 {
		faults = append(faults, fmt.Errorf("one tree at a time, not %d: %q", len(trees), trees))
	}
	if o.workers < 1 {
		faults = append(faults, fmt.Errorf("-workers %d: at least one is needed", o.workers))
	}
	if _, err := chaos.New(o.rate, o.seed); err != nil {
		faults = append(faults, fmt.Errorf("-chaos: %w", err))
	}
	if o.asks {
		for _, name := range []string{"chaos", "seed", "verify", "json", "workers", "fresh"} {
			if given[name] {
				faults = append(faults, fmt.Errorf("-q only reads the index and cannot go with -%s", name))
			}
		}
	}
	return errors.Join(faults...)
}
