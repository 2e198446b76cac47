package erlang_test

import (
	"errors"
	"os"
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

func TestACompilerThatFailsLeavesNothing(t *testing.T) {
	bin, tmp := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"erl": "#!/bin/sh\n", "erlc": "#!/bin/sh\necho no\nexit 1\n"} {
		if err := os.WriteFile(bin+"/"+name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":/bin:/usr/bin")
	t.Setenv("TMPDIR", tmp)
	if _, err := erlang.Compile(t.Context()); err == nil || !strings.Contains(err.Error(), "erlc: exit status 1: no") {
		t.Errorf("got %v, want what the compiler says", err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
