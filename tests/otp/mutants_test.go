package otp_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	flagMutants = flag.Bool("otp.mutants", false, "check that random scenarios find deliberate faults")
	flagReplay  = flag.String("otp.replay", "", "compare Coppice with what OTP did, as -otp.mutants has written it down in this file")
)

// mutant is a deliberate fault in the supervisor: in a file, this text instead
// of that.
type mutant struct{ name, file, from, to string }

var mutants = []mutant{
	{"children are stopped in start order", "supervisor/stop.go",
		"for _, m := range slices.Backward(slices.Clone(l.members)) {",
		"for _, m := range slices.Clone(l.members) {"},
	{"one restart more than the intensity", "strategy/window.go",
		"	if limit == 0 {\n		return true",
		"	limit++\n	if limit == 0 {\n		return true"},
	{"a fixed window instead of a sliding one", "strategy/window.go",
		"> within:\n		w.forgetOldest()",
		"> within:\n		w.oldest, w.count = 0, 0"},
	{"a group restart starts temporary children again", "supervisor/restart.go",
		"temporary := victim.spec.Restart == strategy.Temporary",
		"temporary := false"},
	{"a retry ignores the intensity", "supervisor/restart.go",
		"		l.restart(m, 0, time.Now())\n",
		"		l.stopSiblings(m)\n		l.attempt(m)\n"},
	{"a transient child is restarted after a clean end", "strategy/restart.go",
		"return reason != nil && !reason.Clean()",
		"return true"},
	{"rest_for_one leaves the child after the crashed one alone", "strategy/strategy.go",
		"return failed, n",
		"return failed, max(failed+1, n-1)"},
	{"a retry that was called off comes all the same", "supervisor/restart.go",
		"if m.state == isRestarting && !m.delayed() {",
		"if m.current == nil {"},
	{"a child that fails to start by hand keeps its place", "supervisor/supervisor.go",
		"		case err != nil:\n			l.remove(m, exit.Shutdown)",
		"		case err != nil:\n			l.set(m, isStopped, nil)"},
	{"the last significant child is enough to stop by hand", "strategy/autoshutdown.go",
		"return left == 0",
		"return left <= 1"},
	{"the crashed child stays restarting when one before it has failed", "supervisor/restart.go",
		"if m.current == nil {\n				l.set(m, isStopped, nil)",
		"if false {\n				l.set(m, isStopped, nil)"},
}

// kept is a scenario with what OTP made of it, when it was not late.
type kept struct {
	Scenario string
	OTP      []string
}

func TestMutants(t *testing.T) {
	if !*flagMutants {
		t.Skip("only with -otp.mutants")
	}
	e := startErlang(t)
	if e == nil {
		t.Skip(noErlang)
	}
	seed := *flagSeed + 1<<32 // others than those that were just compared
	t.Logf("-otp.seed=%d -otp.n=%d: scenarios from seed %d", *flagSeed, *flagCount, seed)
	replay := (&oracle{t: t, erlang: e}).keep(seed, *flagCount)
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.check(t, replay)
		})
	}
}

// keep writes random scenarios down, with what OTP makes of them, but for those
// that are late every time. Coppice must make the same of them.
func (o *oracle) keep(seed uint64, n int) (file string) {
	var all []kept
	samples := o.sample(seed, n)
	verdicts := o.verdicts(samples, tries)
	for i, s := range samples {
		if d := verdicts[i].divergence; d != "" {
			o.t.Fatalf("a divergence without any mutant:\n%v\n%s", s, d)
		}
		if !verdicts[i].late {
			all = append(all, kept{s.String(), s.otp.events})
		}
	}
	o.checkLate(len(samples))
	text, err := json.Marshal(all)
	if err != nil {
		o.t.Fatal(err)
	}
	file = filepath.Join(o.t.TempDir(), "replay.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		o.t.Fatal(err)
	}
	return file
}

var foundBy = regexp.MustCompile(`diverges: scenario (\d+) of \d+`)

// TestMutantsCanBeMade notices at once when a mutant no longer fits the source.
func TestMutantsCanBeMade(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) { m.make(t) })
	}
}

// make gives the path of the file and its text with the fault in it.
func (m mutant) make(t *testing.T) (source, changed string) {
	t.Helper()
	source, err := filepath.Abs(filepath.Join("../..", m.file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), m.from); n != 1 {
		t.Fatalf("%s has the text to be changed %d times, want once", m.file, n)
	}
	return source, strings.Replace(string(text), m.from, m.to, 1)
}

// check builds this test with the fault in it, and has it play the scenarios.
func (m mutant) check(t *testing.T, replay string) {
	source, changed := m.make(t)
	mutated := filepath.Join(t.TempDir(), "mutated.go")
	overlay := filepath.Join(t.TempDir(), "overlay.json")
	replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{source: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{
		mutated: changed,
		overlay: string(replaced),
	} {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", "test", "-overlay", overlay, "-vet=off", "-timeout=2m", "-run=^TestReplay$", ".", "-otp.replay="+replay).CombinedOutput()
	found := foundBy.FindStringSubmatch(string(out))
	switch {
	case found != nil:
		t.Logf("%s: found by scenario %s", m.name, found[1])
	case err == nil:
		t.Error("not found")
	default:
		t.Errorf("neither found nor missed: %v\n%s", err, out)
	}
}

// TestReplay is what is run with a fault.
func TestReplay(t *testing.T) {
	if *flagReplay == "" {
		t.Skip("only for -otp.mutants")
	}
	text, err := os.ReadFile(*flagReplay)
	if err != nil {
		t.Fatal(err)
	}
	var all []kept
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for i, k := range all {
		s, err := parse(k.Scenario)
		if err != nil {
			t.Fatal(err)
		}
		events, _ := perform(t, s)
		if d := divergence(s, k.OTP, events); d != "" {
			t.Fatalf("diverges: scenario %d of %d:\n%v\n%s", i+1, len(all), s, d)
		}
	}
}
