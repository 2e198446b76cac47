// Package erlang is Erlang/OTP, where it is installed: the measure of what
// supervises.
package erlang

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
)

// Contender is Erlang/OTP, of whatever version: [Program.Contender] knows. It is not
// measured in a process of this program, but in one of its own.
var Contender = bench.Contender{
	Name:  "erlang",
	About: "Erlang/OTP, as it is installed. " + about,
	Foreign: []string{
		"send-1-1", "send-8-1", "send-100-pairs", "cast", "call", "call-deadline", "ring-1000",
		"spawn-100k", "million", "bytes-idle", "bytes-warm", "bytes-hibernated",
		"restart", "storm-1", "storm-100", "stop-tree-111k", "stop-1000", "steady",
	},
}

const about = "Messages and rings are those of plain processes, sent by processes; the rest is gen_server and supervisor (simple_one_for_one for idle actors). Mailboxes have no bounds, nothing is logged. Bytes are the growth of erlang:memory(total). CPU time includes the busy waiting of its schedulers."

//go:embed compare.erl
var source []byte

// ErrNotInstalled means that there is no Erlang here.
var ErrNotInstalled = errors.New("erl and erlc are not installed")

// Installed says whether Erlang is there.
func Installed() bool {
	_, errErl := exec.LookPath("erl")
	_, errErlc := exec.LookPath("erlc")
	return errErl == nil && errErlc == nil
}

// Program is what measures, compiled.
type Program struct{ directory string }

// Compile makes the program, in a directory of its own: call Remove.
func Compile(ctx context.Context) (_ *Program, err error) {
	if !Installed() {
		return nil, ErrNotInstalled
	}
	directory, err := os.MkdirTemp("", "compare-erlang-")
	if err != nil {
		return nil, err
	}
	p := &Program{directory}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Remove())
		}
	}()
	path := filepath.Join(directory, "compare.erl")
	if err := os.WriteFile(path, source, 0o600); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, "erlc", "-o", directory, path).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("erlc: %w: %s", err, out)
	}
	return p, nil
}

// patience is how long Erlang may take to say what it is.
const patience = time.Minute

// Contender is [Contender] with the version that is running here, or why there is
// none to tell.
func (p *Program) Contender(ctx context.Context) bench.Contender {
	c := Contender
	if version, err := p.version(ctx); err != nil {
		c.About = fmt.Sprintf("Erlang/OTP, of a version that could not be found out (%v). %s", err, about)
	} else {
		c.About = fmt.Sprintf("Erlang/OTP %s. %s", version, about)
	}
	return c
}

func (p *Program) version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no answer after %v", patience))
	defer cancel()
	cmd := exec.CommandContext(ctx, "erl", p.node("version")...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	version := strings.TrimSpace(string(out))
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil:
		return "", fmt.Errorf("erl: %w", err)
	case version == "" || strings.ContainsRune(version, '\n'):
		return "", fmt.Errorf("erl says %q", version)
	}
	return version, nil
}

// Command is the command that measures; it prints the figures as an array of
// JSON. Like the processes of this program it leaves a ^C to its parent.
func (p *Program) Command(m bench.Measurement, size bench.Size) (path string, arguments []string) {
	return "erl", p.node("main", m.Name, strconv.Itoa(size.Actors), strconv.Itoa(size.Times))
}

// node are the arguments of an Erlang that does nothing but run a function of the
// program.
func (p *Program) node(function ...string) []string {
	return append([]string{
		"+P", "4000000", "+Bi", "-env", "ERL_CRASH_DUMP_SECONDS", "0", "-noshell", "-noinput", "-pa", p.directory,
		"-run", "compare",
	}, function...)
}

// Remove removes what was compiled.
func (p *Program) Remove() error { return os.RemoveAll(p.directory) }
