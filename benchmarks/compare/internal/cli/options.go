package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/contenders"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/runner"
)

const usage = `compare measures Coppice beside what one would write by hand, and beside others.

`

type options struct {
	contenders   []bench.Contender
	measurements []bench.Measurement
	workloads    []string // that are told
	repetitions  int
	short        bool
	json         bool
	profiles     string // directory; empty for none
}

// The repetitions of a run, and of a short one.
const (
	repetitions      = 5
	shortRepetitions = 3
)

// parse reads flags. It writes to out only if it is asked for help, and returns
// [flag.ErrHelp] then.
func parse(arguments []string, out io.Writer) (options, error) {
	var o options
	var only, who string
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&only, "only", "", "measure only these `workloads`, separated by commas")
	flags.StringVar(&who, "contenders", "coppice,raw,suture", "measure these `contenders`, separated by commas")
	flags.IntVar(&o.repetitions, "reps", 0, "`number` of repetitions (default 5, with -short 3)")
	flags.BoolVar(&o.short, "short", false, "measure less, for a first look: ends within a minute")
	flags.BoolVar(&o.json, "json", false, "print one line of JSON for each figure")
	flags.StringVar(&o.profiles, "cpuprofile", "", "write a CPU profile of each process into `directory`")
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, usage)
			flags.SetOutput(out)
			flags.PrintDefaults()
		}
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("arguments that nobody wants: %q", flags.Args())
	}
	for name := range strings.SplitSeq(who, ",") {
		c, err := contenders.Find(name)
		if err != nil {
			return options{}, err
		}
		o.contenders = append(o.contenders, c)
	}
	if o.repetitions == 0 {
		o.repetitions = repetitions
		if o.short {
			o.repetitions = shortRepetitions
		}
	}
	o.measurements = bench.Measurements
	if only != "" {
		o.workloads = strings.Split(only, ",")
		o.measurements = nil
		for _, m := range bench.Measurements {
			if slices.ContainsFunc(m.Of(), func(w string) bool { return slices.Contains(o.workloads, w) }) {
				o.measurements = append(o.measurements, m)
			}
		}
	}
	return o, nil
}

func (o options) names() []string {
	names := make([]string, len(o.contenders))
	for i, c := range o.contenders {
		names[i] = c.Name
	}
	return names
}

func (o options) size(m bench.Measurement) bench.Size {
	if o.short {
		return m.Short
	}
	return m.Full
}

// arguments are those of a process that does a job.
func (o options) arguments(job runner.Job) []string {
	arguments := []string{
		measureWord,
		"-contender", job.Contender.Name,
		"-measurement", job.Measurement.Name,
		"-actors", strconv.Itoa(job.Size.Actors),
		"-times", strconv.Itoa(job.Size.Times),
	}
	if o.profiles != "" {
		name := fmt.Sprintf("%s-%s-%d.pprof", job.Measurement.Name, job.Contender.Name, job.Repetition)
		arguments = append(arguments, "-cpuprofile", filepath.Join(o.profiles, name))
	}
	return arguments
}
