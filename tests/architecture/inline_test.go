package architecture_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// What a message costs does not depend on what the package of an actor imports besides.
func TestTheAtomicsOfAMessageAreInlinedForEverybody(t *testing.T) {
	const source = `package user

import "github.com/coppice-go/coppice/actor"

type message struct{}

var _ = actor.New[message]("user", nil)
`
	file := filepath.Join(t.TempDir(), "user.go")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-m", file)
	command.Dir = root
	told, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, told)
	}
	for _, want := range []string{
		`mailbox/mailbox\.go:\S+ inlining call to atomic\.\(\*Uint32\)\.Load`,         // Send
		`mailbox/serve\.go:\S+ inlining call to atomic\.\(\*Uint64\)\.CompareAndSwap`, // Serve
	} {
		if !regexp.MustCompile(want).Match(told) {
			t.Errorf("go build -gcflags=-m: got no line that matches %s", want)
		}
	}
}
