package otp_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var flagRecord = flag.Bool("otp.record", false, "write down anew what OTP makes of the written scenarios")

// TestWrittenScenarios plays the scenarios in scenarios/, whose names carry the
// rules that they show.
func TestWrittenScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	o := &oracle{t: t, erlang: startErlang(t)}
	if o.erlang == nil {
		if *flagRecord {
			t.Fatal(noErlang)
		}
		t.Log(noErlang + ": compared with what OTP did when the scenarios were recorded")
	}
	scripts := make([]script, len(files))
	played := make([]*scenario, len(files))
	for i, file := range files {
		scripts[i] = readScript(t, file)
		played[i] = scripts[i].scenario
	}
	performances := make([]performance, len(files))
	if o.erlang != nil {
		if performances, err = o.erlang.performAll(played); err != nil {
			t.Fatal(err)
		}
	}
	for i, w := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(w.file), ".txt"), func(t *testing.T) {
			if *flagRecord {
				w.record(t, performances[i])
			} else {
				o.written(t, w, performances[i])
			}
		})
	}
	t.Logf("%d written scenarios, %d events compared, %d divergences", o.scenarios, o.events, o.divergences)
	t.Logf("%d were late every time, so compared with the recording alone", o.late)
	o.checkLate(len(files))
}

// script is a written scenario.
type script struct {
	file     string
	text     string // all but the trace
	scenario *scenario
	recorded []string // what OTP made of it
}

func readScript(t *testing.T, file string) script {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, recorded, _ := strings.Cut(string(content), "trace\n")
	s, err := parse(text)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	again, err := parse(s.String())
	if err != nil || again.String() != s.String() {
		t.Errorf("%s does not survive its text form: %v\n%v", file, err, s)
	}
	return script{file, text, s, strings.Split(strings.TrimSpace(recorded), "\n")}
}

// written compares what Coppice makes of a scenario with what OTP does, and did
// when it was recorded.
func (o *oracle) written(t *testing.T, w script, p performance) {
	coppice, unfair := perform(t, w.scenario)
	if unfair != nil {
		t.Errorf("unfair: %v", unfair)
	}
	o.scenarios++
	o.events += count(coppice)
	if o.erlang != nil {
		if d := o.verdicts([]sample{{w.scenario, p, coppice}}, tries)[0].divergence; d != "" {
			o.divergences++
			t.Errorf("not what OTP does:\n%s", d)
		}
	}
	if d := divergence(w.scenario, w.recorded, coppice); d != "" {
		o.divergences++
		t.Errorf("not what OTP did when this was recorded:\n%s", d)
	}
}

// record writes the scenario with what OTP has made of it. Answers come last in
// their step, so that two recordings are equal.
func (w script) record(t *testing.T, p performance) {
	if w.scenario.timed() && p.late > slowest {
		t.Fatalf("an act was %v late: record it again", p.late)
	}
	var text strings.Builder
	text.WriteString(w.text + "trace\n")
	for _, events := range w.scenario.segments(p.events) {
		for _, event := range append(events, "--") {
			text.WriteString(event + "\n")
		}
	}
	if err := os.WriteFile(w.file, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
