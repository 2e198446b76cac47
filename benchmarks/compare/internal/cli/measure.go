package cli

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/contenders"
)

// measureWord is the first argument of a process that measures.
const measureWord = "measure"

// measure does the job of a process, and prints its figures as an array of JSON. A ^C
// reaches all processes of a terminal: the one that has started this one decides
// what comes of it.
func measure(arguments []string, streams Streams) int {
	var contender, measurement, profile string
	var size bench.Size
	flags := flag.NewFlagSet(measureWord, flag.ContinueOnError)
	flags.SetOutput(streams.Err)
	flags.StringVar(&contender, "contender", "", "")
	flags.StringVar(&measurement, "measurement", "", "")
	flags.IntVar(&size.Actors, "actors", 0, "")
	flags.IntVar(&size.Times, "times", 0, "")
	flags.StringVar(&profile, "cpuprofile", "", "")
	if flags.Parse(arguments) != nil {
		return Misused
	}
	c, found := contenders.Find(contender)
	if !found {
		return streams.fail(Misused, fmt.Errorf("no contender is called %q", contender))
	}
	m, err := bench.FindMeasurement(measurement)
	if err != nil {
		return streams.fail(Misused, err)
	}
	signal.Ignore(os.Interrupt)
	var figures []float64
	err = profiled(profile, func() (err error) {
		figures, err = m.Run(c, size)
		return err
	})
	if err == nil {
		err = json.NewEncoder(streams.Out).Encode(figures)
	}
	if err != nil {
		return streams.fail(Failed, err)
	}
	return OK
}

// profiled does what it is given while a profile is written to the file; none if
// it has no name.
func profiled(path string, do func() error) (err error) {
	if path == "" {
		return do()
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return do()
}
