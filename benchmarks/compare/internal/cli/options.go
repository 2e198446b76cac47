package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/contenders"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/erlang"
)

const usage = `compare measures Coppice beside raw Go, as one would write it by hand, and beside
suture; with -peers also beside protoactor-go and, where it is installed,
Erlang/OTP. Each workload of each contender is measured in processes of its own.

	go run ./benchmarks/compare [flags]

It prints a table in Markdown, of medians, spreads and ratios to raw Go, or with
-json a line for each figure. The exit status is 1 if something could not be
measured, and 2 if the flags make no sense; a missed goal is no failure.

On two cores a full run takes about five minutes, with -peers and Erlang about
fourteen; -short ends within one. ^C ends a run with what was measured by then. A +
after the commit says that tracked files were changed.

`

type options struct {
	commandLine  []string
	contenders   []bench.Contender
	missing      string // who of the peers is, and why
	measurements []bench.Measurement
	only         []string // workloads that are told; nil for all
	repetitions  int
	short        bool
	json         bool
	write        string // directory; empty for none
	profiles     string // directory; empty for none
}

// The repetitions of a run; of a short one as many as end within a minute, with
// all contenders and without.
const (
	repetitions      = 5
	shortRepetitions = 3
	shortWithPeers   = 2
)

// parse reads flags. It writes to out only if it is asked for help, and returns
// [flag.ErrHelp] then.
func parse(arguments []string, out io.Writer) (options, error) {
	o := options{commandLine: arguments}
	var only, who string
	var peers bool
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&peers, "peers", false, "measure protoactor too, and erlang if it is installed")
	flags.StringVar(&who, "contenders", "", "measure these `names`, separated by commas, instead of coppice,raw,suture")
	flags.StringVar(&only, "only", "", "measure only these `workloads`, separated by commas")
	flags.IntVar(&o.repetitions, "reps", 0, fmt.Sprintf("`number` of repetitions (default %d, with -short %d, and with -peers %d)", repetitions, shortRepetitions, shortWithPeers))
	flags.BoolVar(&o.short, "short", false, fmt.Sprintf("measure less, for a first look, in %d processes each instead of %d, or with -peers in %d; ends within a minute", shortRepetitions, repetitions, shortWithPeers))
	flags.BoolVar(&o.json, "json", false, "print one line of JSON for each figure")
	flags.StringVar(&o.write, "write", "", "write RESULTS.md and compare.svg into `directory`")
	flags.StringVar(&o.profiles, "cpuprofile", "", "write a CPU profile of each process, but not of erlang's, into `directory`")
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, usage)
			flags.SetOutput(out)
			flags.PrintDefaults()
			fmt.Fprintf(out, "\nContenders: %s.\nWorkloads:\n", strings.Join(contenders.Names(), ", "))
			for _, w := range bench.Workloads {
				fmt.Fprintf(out, "  %-16s  %s: %s\n", w.Name, w.Unit, w.About)
			}
		}
		return options{}, err
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	var faults []error
	if flags.NArg() > 0 {
		faults = append(faults, fmt.Errorf("it takes flags only, not %q", flags.Args()))
	}
	if given["reps"] && o.repetitions < 1 {
		faults = append(faults, fmt.Errorf("-reps %d: at least one is needed", o.repetitions))
	}
	if !given["reps"] {
		o.repetitions = defaultRepetitions(o.short, peers)
	}
	for _, directory := range []string{"write", "cpuprofile"} {
		if given[directory] && flags.Lookup(directory).Value.String() == "" {
			faults = append(faults, fmt.Errorf("-%s: a directory is needed", directory))
		}
	}
	faults = append(faults, o.choose(given["contenders"], who, peers), o.limit(given["only"], only))
	if err := errors.Join(faults...); err != nil {
		return options{}, err
	}
	return o, o.check()
}

// check looks whether there is anything to measure.
func (o options) check() error {
	for _, m := range o.measurements {
		if slices.ContainsFunc(m.Of(), o.tells) && slices.ContainsFunc(o.contenders, m.Can) {
			return nil
		}
	}
	return fmt.Errorf("-only %s: nothing to measure, nobody of %s takes part", strings.Join(o.only, ","), strings.Join(o.names(), ", "))
}

func defaultRepetitions(short, peers bool) int {
	switch {
	case short && peers:
		return shortWithPeers
	case short:
		return shortRepetitions
	}
	return repetitions
}

// choose sets the contenders.
func (o *options) choose(named bool, who string, peers bool) error {
	switch {
	case named && peers:
		return errors.New("-contenders and -peers both say who takes part")
	case peers:
		who = strings.Join(contenders.Names(), ",")
		if !erlang.Installed() {
			who = strings.TrimSuffix(who, ","+erlang.Contender.Name)
			o.missing = fmt.Sprintf("erlang takes no part: %v", erlang.ErrNotInstalled)
		}
	case !named:
		who = "coppice,raw,suture"
	}
	var faults []error
	for name := range strings.SplitSeq(who, ",") {
		c, found := contenders.Find(name)
		switch {
		case !found:
			faults = append(faults, fmt.Errorf("-contenders: %q is not one of %s", name, strings.Join(contenders.Names(), ", ")))
		case name == erlang.Contender.Name && !erlang.Installed():
			faults = append(faults, fmt.Errorf("-contenders: %s: %w", name, erlang.ErrNotInstalled))
		case slices.Contains(o.names(), name):
			faults = append(faults, fmt.Errorf("-contenders: %s twice", name))
		default:
			o.contenders = append(o.contenders, c)
		}
	}
	return errors.Join(faults...)
}

// limit sets what is measured.
func (o *options) limit(limited bool, only string) error {
	if !limited {
		o.measurements = bench.Measurements
		return nil
	}
	var faults []error
	var needed []string
	for name := range strings.SplitSeq(only, ",") {
		w, found := bench.Find(name)
		if !found {
			faults = append(faults, fmt.Errorf("-only: %q is not one of %s", name, strings.Join(workloads(), ", ")))
			continue
		}
		if slices.Contains(o.only, name) {
			faults = append(faults, fmt.Errorf("-only: %s twice", name))
		}
		o.only = append(o.only, w.Name)
		needed = append(needed, w.Name, w.Baseline)
	}
	for _, m := range bench.Measurements {
		if slices.ContainsFunc(m.Of(), func(name string) bool { return slices.Contains(needed, name) }) {
			o.measurements = append(o.measurements, m)
		}
	}
	return errors.Join(faults...)
}

// tells says whether a workload is to be told; a measurement may give others
// too.
func (o options) tells(workload string) bool {
	return o.only == nil || slices.Contains(o.only, workload)
}

// names are those of the contenders.
func (o options) names() []string {
	names := make([]string, len(o.contenders))
	for i, c := range o.contenders {
		names[i] = c.Name
	}
	return names
}

func workloads() []string {
	names := make([]string, len(bench.Workloads))
	for i, w := range bench.Workloads {
		names[i] = w.Name
	}
	return names
}
