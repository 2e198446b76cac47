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
	flagCount = flag.Int("otp.n", 2000, "how many random scenarios are compared with OTP")
	flagSeed  = flag.Uint64("otp.seed", 1, "what the random scenarios are made from")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const noErlang = "erl is not installed"

// batch is how many random scenarios are kept in memory at once.
const batch = 5000

func TestRandomScenarios(t *testing.T) {
	e := startErlang(t)
	if e == nil {
		t.Skip(noErlang + ": random scenarios are compared with nothing")
	}
	o := &oracle{t: t, erlang: e}
	for first := 0; first < *flagCount; first += batch {
		o.compareRandom(*flagSeed+uint64(first), min(batch, *flagCount-first))
	}
	t.Logf("%d random scenarios, %d events compared, %d divergences", o.scenarios, o.events, o.divergences)
	t.Logf("%d times OTP's side was played again, because an act was late or to see a divergence twice; %d scenarios were late every time; %d drafts were unfair",
		o.again, o.late, o.unfair)
}

// oracle compares, and counts.
type oracle struct {
	t      *testing.T
	erlang *erlang

	scenarios, events, divergences, again, late, unfair int
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
	for i, verdict := range o.verdicts(samples, tries) {
		o.scenarios++
		o.events += count(samples[i].coppice)
		diverges[samples[i].String()] = verdict != ""
		if verdict != "" {
			divergences++
		}
	}
	if divergences == 0 {
		return
	}
	o.divergences += divergences
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
		if d := o.verdicts([]sample{{s, p, events}}, 2)[0]; d != "" {
			smallest = text + "\n" + d
			t.Fatal("divergence")
		}
	})
	o.t.Errorf("%d of %d scenarios diverge; the first, made smaller:\n%s", divergences, n, smallest)
}

// tries is how often OTP's side is asked at most, before a divergence is believed.
const tries = 4

// verdicts are how scenarios diverge, "" for those that do not. OTP's side lives
// in real time: a scenario that diverges is played again, and one in which an act
// was late, all of them at once. What is late every time proves nothing.
func (o *oracle) verdicts(samples []sample, tries int) []string {
	o.t.Helper()
	verdicts := make([]string, len(samples))
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
			case late:
				o.late++
			default:
				verdicts[i] = d
			}
		}
		if len(again) == 0 {
			return verdicts
		}
		o.again += len(again)
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
