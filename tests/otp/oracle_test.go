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
	t.Logf("%d random scenarios, %d events compared, %d divergences; %d were played again because OTP's side came too late or differed from itself; %d drafts were unfair",
		o.scenarios, o.events, o.divergences, o.again, o.unfair)
}

// oracle compares, and counts.
type oracle struct {
	t      *testing.T
	erlang *erlang

	scenarios, events, divergences, again, unfair int
}

// slowest is by how much OTP's side may be late, in a scenario where time plays a
// part.
const slowest = margin * 2 / 3

// compareRandom compares n random scenarios made from a seed. rapid draws them
// first, so that all can be played at once; if one diverges, rapid draws them
// again, and makes the first that diverges smaller.
func (o *oracle) compareRandom(seed uint64, n int) {
	o.t.Helper()
	var drawn []*scenario
	var coppice [][]string
	o.rapidly(seed, n, func(t *rapid.T) {
		s := scenarios.Draw(t, "scenario")
		events, unfair := perform(o.t, s)
		if unfair != nil {
			o.unfair++
			t.Skip(unfair)
		}
		drawn, coppice = append(drawn, s), append(coppice, events)
	})
	otp, err := o.erlang.performAll(drawn)
	if err != nil {
		o.t.Fatal(err)
	}
	diverging := make(map[string]bool)
	for i, s := range drawn {
		o.scenarios++
		o.events += count(coppice[i])
		if o.verdict(s, otp[i], coppice[i], 3) != "" {
			o.divergences++
			diverging[s.String()] = true
		}
	}
	if len(diverging) == 0 {
		return
	}
	known := make(map[string]bool)
	for _, s := range drawn {
		known[s.String()] = true
	}
	smallest := ""
	o.rapidly(seed, n, func(t *rapid.T) {
		s := scenarios.Draw(t, "scenario")
		text := s.String()
		if known[text] && !diverging[text] {
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
		if d := o.verdict(s, p, events, 1); d != "" {
			smallest = text + "\n" + d
			t.Fatal("divergence")
		}
	})
	o.t.Errorf("%d of %d scenarios diverge; the first, made smaller:\n%s", len(diverging), n, smallest)
}

// verdict is how a scenario diverges, "" if it does not. OTP's side lives in real
// time: it is asked again if it was late, and some more times before it is
// believed.
func (o *oracle) verdict(s *scenario, p performance, coppice []string, tries int) string {
	d := ""
	for try := 0; ; try++ {
		late := s.timed() && p.late > slowest
		if d = divergence(s, p.events, coppice); d == "" && !late || try == tries {
			return d
		}
		o.again++
		var err error
		if p, err = o.erlang.perform(s); err != nil {
			o.t.Fatal(err)
		}
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
