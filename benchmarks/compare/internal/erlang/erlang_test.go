package erlang_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/erlang"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/runner"
)

func compile(t *testing.T) *erlang.Program {
	t.Helper()
	program, err := erlang.Compile(t.Context())
	if errors.Is(err, erlang.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := program.Remove(); err != nil {
			t.Error(err)
		}
	})
	return program
}

func TestEveryMeasurement(t *testing.T) {
	program := compile(t)
	for _, name := range erlang.Contender.Foreign {
		t.Run(name, func(t *testing.T) {
			m, err := bench.FindMeasurement(name)
			if err != nil {
				t.Fatal(err)
			}
			size := bench.Size{Actors: min(m.Short.Actors, 100), Times: 2000}
			path, arguments := program.Command(m, size)
			figures, err := runner.Output(t.Context(), runner.Job{Measurement: m}, path, arguments...)
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range figures {
				if f < 0 || f == 0 && name != "steady" { // whose CPU time is of whole milliseconds
					t.Errorf("%s: got %v", m.Of()[i], f)
				}
			}
		})
	}
}

// What the program does not know is an error, with a message.
func TestAnUnknownMeasurementFails(t *testing.T) {
	program := compile(t)
	path, arguments := program.Command(bench.Measurement{Name: "nothing"}, bench.Size{})
	_, err := runner.Output(t.Context(), runner.Job{}, path, arguments...)
	if err == nil || !strings.Contains(err.Error(), "exit status 1\nfunction_clause") {
		t.Errorf("got %v, want that it fails", err)
	}
}

func TestNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := erlang.Compile(t.Context()); erlang.Installed() || !errors.Is(err, erlang.ErrNotInstalled) {
		t.Errorf("installed: %v, %v, want that it is not", erlang.Installed(), err)
	}
}

// install puts scripts in the place of Erlang.
func install(t *testing.T, erl, erlc string) {
	t.Helper()
	bin := t.TempDir()
	for name, text := range map[string]string{"erl": erl, "erlc": erlc} {
		if err := os.WriteFile(bin+"/"+name, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":/bin:/usr/bin")
}

func TestTheVersionIsThatOfTheErlangThatRuns(t *testing.T) {
	got := compile(t).Contender(t.Context())
	if want := regexp.MustCompile(`^Erlang/OTP \d+[.\d]* \(ERTS \d+[.\d]*, \w+\)\. Messages and rings `); !want.MatchString(got.About) {
		t.Errorf("got %q, want %v", got.About, want)
	}
	if got.Name != "erlang" || !slices.Equal(got.Foreign, erlang.Contender.Foreign) {
		t.Errorf("got %+v, want the contender", got)
	}
}

func TestAVersionThatCannotBeHadIsSaid(t *testing.T) {
	for erl, want := range map[string]string{
		"echo 99.1 '(ERTS 42, jit)'": "Erlang/OTP 99.1 (ERTS 42, jit). Messages",
		"exit 3":                     "Erlang/OTP, of a version that could not be found out (erl: exit status 3). Messages",
		"true":                       `Erlang/OTP, of a version that could not be found out (erl says ""). Messages`,
		"echo a; echo b":             `Erlang/OTP, of a version that could not be found out (erl says "a\nb"). Messages`,
	} {
		install(t, erl, "true")
		if got := compile(t).Contender(t.Context()).About; !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", erl, got, want)
		}
	}
	install(t, "exec sleep 60", "true")
	program := compile(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if got := program.Contender(ctx).About; !strings.Contains(got, "could not be found out (enough). ") {
		t.Errorf("when the run has ended: got %q, want the cause", got)
	}
}

func TestACompilerThatFailsLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	install(t, "true", "echo no; exit 1")
	t.Setenv("TMPDIR", tmp)
	if _, err := erlang.Compile(t.Context()); err == nil || !strings.Contains(err.Error(), "erlc: exit status 1: no") {
		t.Errorf("got %v, want what the compiler says", err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
