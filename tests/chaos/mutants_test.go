package chaos_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var flagMutants = flag.Bool("chaos.mutants", false, "check that the soak finds deliberate faults")

// mutant is a deliberate fault in the runtime: in a file, this text instead of
// that.
type mutant struct{ name, file, from, to string }

var mutants = []mutant{
	{"what waits in a closed mailbox is no dead letter", "mailbox/box.go",
		"			if !b.poked(e) {\n				b.mailbox.drop(e, b.why())\n			}\n		default:\n			return\n",
		"			b.poked(e)\n		default:\n			return\n"},
	{"a parked receiver is not woken", "mailbox/box.go",
		"	if state&parked != 0 {\n		b.mailbox.unpark(b)",
		"	if false {\n		b.mailbox.unpark(b)"},
	{"a message is tried again for ever", "mailbox/unhandled.go",
		"crashes >= retries ||",
		"crashes < 0 || retries == 0 ||"},
	{"what a crash leaves of a batch is lost", "mailbox/unhandled.go",
		"		left = m.wrap(p.messages[next:], note)\n",
		"		left = m.wrap(p.messages[next:next+1], note)\n"},
	{"of a dropped batch one message is a dead letter", "mailbox/mailbox.go",
		"	for at := range p.messages {\n",
		"	for at := range p.messages[:1] {\n"},
	{"callers hear nothing of a dead letter", "actor/owner.go",
		"	if a.server != nil && why != mailbox.CallerGone {",
		"	if false {"},
	{"an answer that comes too late counts as taken", "actor/reply.go",
		"	c.settle()\n	return given",
		"	c.settle()\n	return given || true"},
	{"an abandoned incarnation is not fenced", "internal/incarnation/cell.go",
		"	if given {\n		hooks.Abandon()",
		"	if given {\n		_ = hooks"},
	{"a group is started beside what is there", "supervisor/restart.go",
		"	if l.node.policy.Strategy == strategy.OneForOne {\n		return\n	}\n	for",
		"	if true {\n		return\n	}\n	for"},
	{"a child that replies by itself keeps its supervisor asleep", "supervisor/prompt.go",
		"	l.queue.resume()\n",
		""},
	{"a child that is to reply by itself does not", "supervisor/prompt.go",
		"	request.reply <- nil\n",
		"	_ = request\n"},
	{"an abandonment is not told", "supervisor/stop.go",
		"	r.stop.act.End(tracing.Abandoned{Head: m.head(), Waited: waited})",
		"	r.stop.act.End(nil)\n	_ = waited"},
	{"a stop does not report what is left", "supervisor/root.go",
		"		r.report = report(r.tree)\n",
		""},
	{"each start leaves a goroutine behind", "supervisor/runner.go",
		"func (r *runner) launch() { go r.start() }",
		"func (r *runner) launch() { go r.start(); go func() { select {} }() }"},
	{"each end leaves a kilobyte behind", "supervisor/restart.go",
		"	r, lived := m.current, m.current.lived(now)\n	l.lost(m, reason)\n",
		"	r, lived := m.current, m.current.lived(now)\n	l.lost(m, reason)\n	left = append(left, make([]byte, 4096))\n"},
}

// TestMutants breaks the runtime on purpose, in one way after the other. A short
// soak finds each.
func TestMutants(t *testing.T) {
	if !*flagMutants {
		t.Skip("only with -chaos.mutants")
	}
	for _, m := range mutants {
		t.Run(m.name, m.check)
	}
}

// What a mutant changes must be there, or the mutant is none.
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
	changed = strings.Replace(string(text), m.from, m.to, 1)
	if strings.Contains(m.to, "left = append") {
		changed += "\nvar left [][]byte\n"
	}
	return source, changed
}

// tries are how often a fault may be missed: it takes goroutines that meet.
const tries = 3

// check builds this test with the fault in it, and lets it soak.
func (m mutant) check(t *testing.T) {
	source, changed := m.make(t)
	mutated, overlay := filepath.Join(t.TempDir(), "mutated.go"), filepath.Join(t.TempDir(), "overlay.json")
	replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{source: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{mutated: changed, overlay: string(replaced)} {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for try := range tries {
		out, err := exec.Command("go", "test", "-overlay", overlay, "-vet=off", "-count=1", "-timeout=2m", "-run=^TestSoak$", ".", "-chaos.patience=5s").CombinedOutput()
		_, found, ok := strings.Cut(string(out), "violation: ")
		switch {
		case ok:
			line, _, _ := strings.Cut(found, "\n")
			t.Logf("found at try %d: %s", try+1, line)
			return
		case err != nil:
			t.Fatalf("neither found nor missed: %v\n%s", err, out)
		}
	}
	t.Error("not found")
}
