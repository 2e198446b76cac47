package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/benchmarks/latency/internal/tree"
	"github.com/coppice-go/coppice/benchmarks/stopwatch"
	"github.com/coppice-go/coppice/strategy"
)

const usage = `latency measures the restart and shutdown latency of a supervision tree.

	latency [flags]

The tree has -depth levels of supervisors with -fanout children each; those of the
last level are servers, which are made to crash. Then the tree is stopped, and
another one is made.

Measured are, each with a histogram from p50 to p99.99:

	ready    from the moment of a crash until the supervisor knows the child up again
	handled  from the same moment until the first message after it is handled
	stopped  from the request to stop the tree until nothing of it is left
	message  with -load, from when a message was due until it was handled

handled may be less than ready: an actor takes messages as soon as it is up, before
its supervisor knows. A large p90 of message may come from the measuring: from timers
that come late, and from victims that wait for their crash.

The report also names the children that were slowest to be ready, and to stop: three
of each in the text, ten in the files of -json and -html. A + after the commit says
that tracked files were changed.

A file for -tree is a JSON object with the names of flags, those of the tree and
of the measuring: {"depth": 3, "backoff": "10ms"}. A flag that is given counts more
than the file.

-limit ready.p99=10% says that the p99 of ready may be at most ten percent above
that of the report of -compare; p99=10% says so of all four. It can be given
several times. The figures are mean, p50, p90, p99, p99.9, p99.99 and max.

The exit status is 0; 1 if a limit was crossed, or the tree could not be measured;
2 if the flags make no sense, or the reports to compare are of different trees; 130
after ^C, which stops the tree in order and prints what was measured so far.

`

// options are what the command was told.
type options struct {
	shape     tree.Shape
	measuring stopwatch.Options
	file      string // with the description of the tree
	json      string // where to write to, "" nowhere, "-" to the standard output
	html      string
	compare   string
	limits    []stopwatch.Limit
	anyway    bool
	short     bool

	fromFile map[string]bool // flags that the file has set
}

// The flags that may stand in a file too.
var (
	ofTree      = []string{"depth", "fanout", "strategy", "backoff", "backoff-max", "restarts", "within", "capacity", "shutdown", "stubborn", "stubborn-for"}
	ofMeasuring = []string{"crashes", "trees", "burst", "waiting", "load", "pause", "for", "seed"}
	described   = slices.Concat(ofTree, ofMeasuring)
)

// What -short sets, unless it is given.
var short = map[string]string{"crashes": "50000", "trees": "100", "for": "8s"}

// define defines the flags.
func (o *options) define(flags *flag.FlagSet) {
	s, m := &o.shape, &o.measuring
	flags.IntVar(&s.Depth, "depth", 2, "tree: `levels` of supervisors")
	flags.IntVar(&s.FanOut, "fanout", 10, "tree: `children` of each supervisor")
	flags.Func("strategy", "tree: one_for_one, one_for_all or rest_for_one (default one_for_one)", func(text string) (err error) {
		s.Strategy, err = strategyOf(text)
		return err
	})
	flags.DurationVar(&s.Backoff, "backoff", 0, "tree: `delay` before each restart")
	flags.DurationVar(&s.BackoffMax, "backoff-max", 0, "tree: makes the delay random, and has it double from -backoff up to this `limit`")
	flags.IntVar(&s.Restarts, "restarts", 0, "tree: `number` of restarts that a supervisor allows, 0 for no limit")
	flags.DurationVar(&s.Within, "within", strategy.DefaultWithin, "tree: the `period` of -restarts")
	flags.IntVar(&s.Capacity, "capacity", 16, "tree: `messages` that a mailbox holds")
	flags.DurationVar(&s.Shutdown, "shutdown", 5*time.Second, "tree: `time` that the stop of a server may take")
	flags.Float64Var(&s.Stubborn, "stubborn", 0, "tree: `share` of the servers, from 0 to 1, that ignore their stop")
	flags.DurationVar(&s.StubbornFor, "stubborn-for", time.Second, "tree: the `time` for which they do")

	flags.IntVar(&m.Crashes, "crashes", 200_000, "measuring: `number` of crashes, over all trees")
	flags.IntVar(&m.Trees, "trees", 1000, "measuring: `number` of trees, each of which is stopped once")
	flags.IntVar(&m.Burst, "burst", 1, "measuring: `servers` that crash at the same moment")
	flags.IntVar(&m.Waiting, "waiting", 1, "measuring: `messages` that wait in the mailbox at a crash")
	flags.Float64Var(&m.Load, "load", 0, "measuring: `messages` per second, over all servers")
	flags.DurationVar(&m.Pause, "pause", 0, "measuring: `time` between two crashes")
	flags.DurationVar(&m.For, "for", time.Minute, "measuring: `time` after which no crash and no tree is begun, 0 for no limit")
	flags.Uint64Var(&m.Seed, "seed", 0, "measuring: `number` that decides who crashes")
	flags.BoolVar(&o.short, "short", false, "measuring: a quarter of the crashes, a tenth of the stops, and -for 8s")

	flags.StringVar(&o.file, "tree", "", "read what is not given as a flag from a JSON `file`")
	flags.StringVar(&o.json, "json", "", "write the report to a `file`, or - for the standard output")
	flags.StringVar(&o.html, "html", "", "write the report with plots to a `file`")
	flags.StringVar(&o.compare, "compare", "", "compare with the report in a `file` that -json has written")
	flags.BoolVar(&o.anyway, "anyway", false, "compare reports of different trees too")
	flags.Func("limit", "with -compare: how much a figure may grow, `figure=percent`, such as ready.p99=10%", func(text string) error {
		l, err := stopwatch.ParseLimit(text)
		o.limits = append(o.limits, l)
		return err
	})
}

// parse reads flags, and the file that they name. It writes to out only if it is
// asked for help, and returns [flag.ErrHelp] then.
func parse(arguments []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("latency", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	o.define(flags)
	flags.VisitAll(explain)
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, usage)
			flags.SetOutput(out)
			flags.PrintDefaults()
		}
		return options{}, err
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })

	var faults []error
	if o.file != "" {
		fromFile, err := readFile(o.file, flags, given)
		for name := range fromFile {
			given[name] = true
		}
		o.fromFile, faults = fromFile, append(faults, err)
	}
	if o.short {
		for name, value := range short {
			if !given[name] {
				faults = append(faults, flags.Set(name, value))
			}
		}
	}
	faults = append(faults, o.check(flags.Args()))
	if err := errors.Join(faults...); err != nil {
		return options{}, err
	}
	o.finish(flags)
	return o, nil
}

// check says what is wrong with the options, all of it.
func (o *options) check(arguments []string) error {
	faults := []error{o.shape.Check(o.from)}
	if len(arguments) > 0 {
		faults = append(faults, fmt.Errorf("only flags are taken, not %q", arguments))
	}
	m := o.measuring
	for _, n := range []struct {
		flag         string
		value, least int
	}{{"crashes", m.Crashes, 0}, {"trees", m.Trees, 1}, {"burst", m.Burst, 1}, {"waiting", m.Waiting, 1}} {
		if n.value < n.least {
			faults = append(faults, fmt.Errorf("%s: %d is less than %d", o.from(n.flag), n.value, n.least))
		}
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"pause", m.Pause}, {"for", m.For}} {
		if d.value < 0 {
			faults = append(faults, fmt.Errorf("%s: %v is negative", o.from(d.flag), d.value))
		}
	}
	if !(m.Load >= 0 && m.Load <= stopwatch.MaxLoad) {
		faults = append(faults, fmt.Errorf("%s: %v is not from 0 to %d", o.from("load"), m.Load, int(stopwatch.MaxLoad)))
	}
	if o.shape.Capacity >= 1 && m.Waiting > o.shape.Capacity {
		faults = append(faults, fmt.Errorf("%s: %d messages do not fit into a mailbox of %d (-capacity)", o.from("waiting"), m.Waiting, o.shape.Capacity))
	}
	if _, servers := o.shape.Size(); o.shape.Depth > 0 && o.shape.FanOut > 0 && m.Burst > servers {
		faults = append(faults, fmt.Errorf("%s: %d is more than the servers that there are (%d)", o.from("burst"), m.Burst, servers))
	}
	if o.compare == "" && (len(o.limits) > 0 || o.anyway) {
		faults = append(faults, errors.New("-limit and -anyway need -compare file"))
	}
	faults = append(faults, o.unmeasured())
	return errors.Join(faults...)
}

// from says where a flag's value was given.
func (o *options) from(flag string) string {
	if o.fromFile[flag] {
		return "-tree " + o.file + ": " + flag
	}
	return "-" + flag
}

// unmeasured says which limits are on what these options do not measure.
func (o *options) unmeasured() error {
	var faults []error
	for _, l := range o.limits {
		switch {
		case l.Latency == "message" && o.measuring.Load == 0:
			faults = append(faults, fmt.Errorf("-limit %v: message is measured with a -load only", l))
		case (l.Latency == "ready" || l.Latency == "handled") && o.measuring.Crashes == 0:
			faults = append(faults, fmt.Errorf("-limit %v: %s is measured with -crashes only", l, l.Latency))
		}
	}
	return errors.Join(faults...)
}

// finish derives what follows from the flags.
func (o *options) finish(flags *flag.FlagSet) {
	o.measuring.Parameters = make(map[string]string)
	for _, name := range ofTree { // the stopwatch adds its own
		o.measuring.Parameters[name] = flags.Lookup(name).Value.String()
	}
	o.measuring.Parameters["strategy"] = o.shape.Strategy.String()
	o.measuring.Patience = o.shape.Patience()
	if o.measuring.Crashes == 0 {
		o.measuring.Crashes = stopwatch.NoCrashes
	}
}

func strategyOf(text string) (strategy.Strategy, error) {
	var known []string
	for s := strategy.OneForOne; s.Valid(); s++ {
		if s.String() == text {
			return s, nil
		}
		known = append(known, s.String())
	}
	return 0, fmt.Errorf("want %s", strings.Join(known, ", "))
}
