// Package otp holds Coppice against OTP itself: it plays the same scenarios with
// OTP's supervisor and with Coppice and compares what happens, event by event.
// README.md tells how.
package otp_test

import (
	"flag"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

var (
	flagCount = flag.Int("otp.n", scenariosByDefault, "how many random scenarios are compared with OTP")
	flagSeed  = flag.Uint64("otp.seed", 1, "what the random scenarios are made from; -otp.mutants adds 2^32")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const noErlang = "erl is not installed"

// batch is how many random scenarios are kept in memory at once.
const batch = 5000

func TestRandomScenarios(t *testing.T) {
	t.Parallel() // OTP's side waits in real time
	e := startErlang(t)
	if e == nil {
		t.Skip(noErlang + ": random scenarios are compared with nothing")
	}
	t.Logf("-otp.seed=%d -otp.n=%d", *flagSeed, *flagCount)
	o := &oracle{t: t, erlang: e}
	for first := 0; first < *flagCount; first += batch {
		o.compareRandom(*flagSeed+uint64(first), min(batch, *flagCount-first))
	}
	t.Logf("%d random scenarios, %d events compared, %d divergences", o.scenarios, o.events, o.divergences)
	t.Logf("%d more were late every time; OTP's side was played again %d times because it was late and %d times because it differed; %d drafts were unfair",
		o.late, o.againLate, o.againDiffered, o.unfair)
	o.checkLate(o.scenarios + o.late)
}

// oracle compares, and counts.
type oracle struct {
	t      *testing.T
	erlang *erlang

	scenarios, events, divergences int // compared, so without those that were late every time
	late                           int // scenarios that were late every time
	againLate, againDiffered       int // how often OTP's side was played again
	unfair                         int
}

// mostLate is how many scenarios in a hundred may be late every time.
const mostLate = 5

// checkLate fails if so many of the scenarios proved nothing that the others say
// little.
func (o *oracle) checkLate(played int) {
	o.t.Helper()
	if o.late*100 > played*mostLate {
		o.t.Errorf("this machine is too slow to compare with OTP: %d of %d scenarios were late every time", o.late, played)
	}
}

// slowest is by how much OTP's side may be late, in a scenario where time plays a
// part.
const slowest = margin * 2 / 3

// sample is a random scenario and what became of it on both sides.
type sample struct {
	*scenario
	otp     performance
	coppice []string
}

// sample draws n random scenarios from a seed and plays them, OTP's side all at
// once.
func (o *oracle) sample(seed uint64, n int) []sample {
	o.t.Helper()
	var samples []sample
	var drawn []*scenario
	o.rapidly(seed, n, func(t *rapid.T) {
		s := scenarios.Draw(t, "scenario")
		events, unfair := perform(o.t, s)
		if unfair != nil {
			o.unfair++
			t.Skip(unfair)
		}
		samples = append(samples, sample{scenario: s, coppice: events})
		drawn = append(drawn, s)
	})
	performances, err := o.erlang.performAll(drawn)
	if err != nil {
		o.t.Fatal(err)
	}
	for i, p := range performances {
		samples[i].otp = p
	}
	return samples
}

// compareRandom compares n random scenarios made from a seed. If one diverges,
// rapid draws them again and makes the first that diverges smaller.
func (o *oracle) compareRandom(seed uint64, n int) {
	o.t.Helper()
	diverges := make(map[string]bool) // by the text of the scenario; of those that were played
	divergences := 0
	samples := o.sample(seed, n)
	for i, v := range o.verdicts(samples, tries) {
		diverges[samples[i].String()] = v.divergence != ""
		if v.late {
			continue
		}
		o.scenarios++
		o.events += count(samples[i].coppice)
		if v.divergence != "" {
			divergences++
		}
	}
	if divergences == 0 {
		return
	}
	o.divergences += divergences
	// Playing for the sake of a smaller scenario does not count.
	counted := *o
	defer func() {
		o.late, o.againLate, o.againDiffered, o.unfair = counted.late, counted.againLate, counted.againDiffered, counted.unfair
	}()
	smallest := ""
	o.rapidly(seed, n, func(t *rapid.T) {
		s := scenarios.Draw(t, "scenario")
		text := s.String()
		if bad, played := diverges[text]; played && !bad {
			return
		}
		events, unfair := perform(o.t, s)
		if unfair != nil {
			t.Skip(unfair)
		}
		p, err := o.erlang.perform(s)
		if err != nil {
			o.t.Fatal(err)
		}
		if d := o.verdicts([]sample{{s, p, events}}, 2)[0].divergence; d != "" {
			smallest = text + "\n" + d
			t.Fatal("divergence")
		}
	})
	o.t.Errorf("%d of %d scenarios diverge; the first, made smaller:\n%s", divergences, n, smallest)
}

// tries is how often OTP's side is asked at most, before a divergence is believed.
const tries = 4

// verdict is what the comparison of a scenario has come to.
type verdict struct {
	late       bool   // every time: it proves nothing
	divergence string // "" if there is none
}

// verdicts compares. OTP's side lives in real time: a scenario that diverges is
// played again, and one in which an act was late, all of them at once. Samples
// keep the performance that decided.
func (o *oracle) verdicts(samples []sample, tries int) []verdict {
	o.t.Helper()
	verdicts := make([]verdict, len(samples))
	var open []int
	for i := range samples {
		open = append(open, i)
	}
	for try := 1; ; try++ {
		var again []int
		var scenarios []*scenario
		for _, i := range open {
			s := samples[i]
			late := s.timed() && s.otp.late > slowest
			d := divergence(s.scenario, s.otp.events, s.coppice)
			switch {
			case d == "" && !late:
			case try < tries:
				again, scenarios = append(again, i), append(scenarios, s.scenario)
				if late {
					o.againLate++
				} else {
					o.againDiffered++
				}
			case late:
				o.late++
				verdicts[i].late = true
			default:
				verdicts[i].divergence = d
			}
		}
		if len(again) == 0 {
			return verdicts
		}
		performances, err := o.erlang.performAll(scenarios)
		if err != nil {
			o.t.Fatal(err)
		}
		for k, i := range again {
			samples[i].otp = performances[k]
		}
		open = again
	}
}

// timed says whether the time of an act plays a part.
func (s *scenario) timed() bool {
	for _, a := range s.acts {
		if a.op == "wait" {
			return true
		}
	}
	for _, n := range s.nodes() {
		if n.stubborn {
			return true
		}
	}
	return false
}

// rapidly runs n checks of a property that begin with a seed.
func (o *oracle) rapidly(seed uint64, n int, property func(*rapid.T)) {
	o.t.Helper()
	for name, value := range map[string]string{
		"rapid.seed": strconv.FormatUint(seed, 10), "rapid.checks": strconv.Itoa(n),
		"rapid.nofailfile": "true", "rapid.shrinktime": "1m",
	} {
		before := flag.Lookup(name).Value.String()
		if err := flag.Set(name, value); err != nil {
			o.t.Fatal(err)
		}
		defer func() { _ = flag.Set(name, before) }()
	}
	c := new(collector)
	rapid.Check(c, property)
	if c.failed && !strings.Contains(strings.Join(c.log, "\n"), "divergence") {
		o.t.Fatalf("rapid: %s", strings.Join(c.log, "\n"))
	}
}
