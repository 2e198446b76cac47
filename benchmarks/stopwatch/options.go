package stopwatch

import (
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/tracing"
)

// The values of options that are not set.
const (
	DefaultCrashes  = 1000
	DefaultTrees    = 10
	DefaultPatience = 30 * time.Second
)

// NoCrashes as the number of crashes measures only the stop.
const NoCrashes = -1

// Options say how a tree is measured. The zero value is the default of each field.
type Options struct {
	// Crashes is how many children are made to crash, over all trees; 0 means
	// DefaultCrashes, NoCrashes none.
	Crashes int

	// Trees is how many trees are made, one after the other, each of which gets its
	// share of the crashes and is stopped; 0 means DefaultTrees.
	Trees int

	// Burst is how many children crash at the same moment; 0 means 1. Which these
	// are is random, by Seed.
	Burst int
	Seed  uint64

	// Waiting is how many messages wait in the mailbox of a victim when it crashes,
	// unless it has no room for them; 0 means 1, which is the message that tells
	// when the first was handled.
	Waiting int

	// Load is how many messages are sent in a second, at a steady rate and spread
	// evenly over all victims, until the tree has stopped; 0 means none.
	Load float64

	// Pause is the time between two crashes, from when the first is over; 0 means
	// none.
	Pause time.Duration

	// For ends the measuring in order after this time: no crash and no tree is
	// begun any more; 0 means no limit.
	For time.Duration

	// Patience is how long the start of a tree, one crash, or one stop may take
	// before that is an error; 0 means DefaultPatience. A longer backoff needs
	// more.
	Patience time.Duration

	// Tracing is where the tree's events go beside the sink of the stopwatch, such as
	// your logger and your sinks, whose cost is then measured too. A nil Logger
	// discards what it is given.
	Tracing tracing.Options

	// Parameters name the tree in the report: two reports are compared only if
	// these are the same. Those of the options are added.
	Parameters map[string]string

	// Progress, if set, is called after each burst and each stop. It must be
	// quick.
	Progress func(Progress)
}

// Progress is how far a measuring has come.
type Progress struct {
	Crashes, OfCrashes int
	Stops, OfStops     int
}

// withDefaults fills in what is not set.
func (o Options) withDefaults() Options {
	if o.Crashes == 0 {
		o.Crashes = DefaultCrashes
	}
	o.Crashes = max(o.Crashes, 0)
	if o.Trees == 0 {
		o.Trees = DefaultTrees
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	o.Burst, o.Waiting = max(o.Burst, 1), max(o.Waiting, 1)
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return o
}

// Check says what is wrong with the options, all of it, each fault with the name
// of its field. It is nil if they can be used. Measure calls it.
func (o Options) Check() error {
	var faults []error
	if o.Crashes < NoCrashes {
		faults = append(faults, fmt.Errorf("Crashes: %d is neither a number nor NoCrashes", o.Crashes))
	}
	for _, field := range []struct {
		name  string
		value int
	}{{"Trees", o.Trees}, {"Burst", o.Burst}, {"Waiting", o.Waiting}} {
		if field.value < 0 {
			faults = append(faults, fmt.Errorf("%s: %d is negative", field.name, field.value))
		}
	}
	for _, field := range []struct {
		name  string
		value time.Duration
	}{{"Pause", o.Pause}, {"For", o.For}, {"Patience", o.Patience}} {
		if field.value < 0 {
			faults = append(faults, fmt.Errorf("%s: %v is negative", field.name, field.value))
		}
	}
	if !(o.Load >= 0 && o.Load <= MaxLoad) { // nor is NaN
		faults = append(faults, fmt.Errorf("Load: %v is not from 0 to %v messages per second", o.Load, float64(MaxLoad)))
	}
	return errors.Join(faults...)
}

// AllParameters are the parameters that the report will have: those that are given,
// and those of the options that change what is measured, not only how often.
func (o Options) AllParameters() map[string]string {
	o = o.withDefaults()
	all := map[string]string{
		"burst":   fmt.Sprint(o.Burst),
		"waiting": fmt.Sprint(o.Waiting),
		"load":    fmt.Sprint(o.Load),
		"pause":   o.Pause.String(),
	}
	for name, value := range o.Parameters {
		all[name] = value
	}
	return all
}
