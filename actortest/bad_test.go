package actortest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/actortest"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/supervisor"
)

// badChild does one thing wrong.
type badChild struct {
	name  func() string
	start func(ctx context.Context) (func() error, error)
}

func (b badChild) Name() string {
	if b.name != nil {
		return b.name()
	}
	return "bad"
}

func (b badChild) Start(ctx context.Context) (func() error, error) { return b.start(ctx) }

// bad makes a child of a function that is its whole life. let ends when the test
// is over.
func bad(f func(ctx context.Context, let <-chan struct{}) error) func(let <-chan struct{}) supervisor.Child {
	return func(let <-chan struct{}) supervisor.Child {
		return badChild{start: func(ctx context.Context) (func() error, error) {
			return func() error { return f(ctx, let) }, nil
		}}
	}
}

var errOdd = errors.New("odd")

// badChildren are children with the scenarios that find them out, and what they
// are told there.
var badChildren = map[string]struct {
	make func(let <-chan struct{}) supervisor.Child
	want map[string]string // part of the complaint, by scenario; "*" means each
}{
	"leaks a goroutine": {
		make: bad(func(ctx context.Context, let <-chan struct{}) error {
			go func() { <-let }()
			<-ctx.Done()
			return nil
		}),
		want: map[string]string{
			"starts and stops":      "1 of its incarnations have started a goroutine that is still there after the stop; end it when ctx ends and wait for it, or start it with supervisor.Go: goroutines are left of actortest/parent/bad (incarnation 1):\n\tgithub.com/coppice-go/coppice/actortest_test.init.func1.1",
			"crashed and restarted": "4 of its incarnations have started a goroutine that is still there",
		},
	},
	"waits for nobody": {
		make: bad(func(ctx context.Context, let <-chan struct{}) error {
			go func() {
				<-ctx.Done()
				time.Sleep(time.Second)
			}()
			<-ctx.Done()
			return nil
		}),
		want: map[string]string{"starts and stops": "is still there after the stop"},
	},
	"ignores ctx": {
		make: bad(func(_ context.Context, let <-chan struct{}) error { <-let; return nil }),
		want: map[string]string{
			"starts and stops":              "it did not return within its shutdown time: abandoned 5s after it was asked to stop; it must return when ctx ends, or its spec must give it more time (Shutdown)",
			"stopped at once":               "it does not stop: 1 did not stop:\nactortest/parent/bad (incarnation 1), stuck in run for at least 5s\n\tgithub.com/coppice-go/coppice/actortest_test.init.func3",
			"killed":                        "it was killed, and has not returned within 100ms: it must return at once when the ctx ends that it, its handler or its cleanup was given",
			"restarted with its supervisor": "abandoned",
		},
	},
	"ignores ctx in Start": {
		make: func(let <-chan struct{}) supervisor.Child {
			return badChild{start: func(context.Context) (func() error, error) {
				<-let
				return nil, errOdd
			}}
		},
		want: map[string]string{"starts and stops": "Start has not returned after 1h0m0s"},
	},
	"needs nearly all of its time": {
		make: bad(func(ctx context.Context, _ <-chan struct{}) error {
			<-ctx.Done()
			time.Sleep(4900 * time.Millisecond)
			return nil
		}),
		want: map[string]string{"starts and stops": "took 4.9s, until its contexts were ended: it must return when ctx ends, or its spec must give it more time (Shutdown)"},
	},
	"panics in cleanup": {
		make: bad(func(ctx context.Context, _ <-chan struct{}) error {
			<-ctx.Done()
			panic("not today")
		}),
		want: map[string]string{
			"starts and stops":         "it must return when it is asked to stop, but left by a panic: not today\n\tgithub.com/coppice-go/coppice/actortest_test.init.func",
			"restarted with its group": "but left by a panic: not today",
		},
	},
	"leaves by Goexit": {
		make: bad(func(ctx context.Context, _ <-chan struct{}) error {
			<-ctx.Done()
			runtime.Goexit()
			return nil
		}),
		want: map[string]string{"starts and stops": "but left by a runtime.Goexit"},
	},
	"returns an error on an orderly stop": {
		make: bad(func(ctx context.Context, _ <-chan struct{}) error {
			<-ctx.Done()
			return errOdd
		}),
		want: map[string]string{"starts and stops": "it must return nil or what ctx says when it is asked to stop, but returned an error: odd"},
	},
	"fails by itself": {
		make: bad(func(context.Context, <-chan struct{}) error { return errOdd }),
		want: map[string]string{"starts and stops": "it ended by itself: odd"},
	},
	"does not start": {
		make: func(<-chan struct{}) supervisor.Child {
			return badChild{start: func(context.Context) (func() error, error) { return nil, errOdd }}
		},
		want: map[string]string{"starts and stops": "Start fails: odd; make must give a child that can run by itself"},
	},
	"panics in Start": {
		make: func(<-chan struct{}) supervisor.Child {
			return badChild{start: func(context.Context) (func() error, error) { panic("start") }}
		},
		want: map[string]string{"starts and stops": "Start must return an error instead of leaving by a panic: start"},
	},
	"keeps state that cannot be started again": {
		make: func(<-chan struct{}) supervisor.Child {
			taken := false
			return badChild{start: func(ctx context.Context) (func() error, error) {
				if taken {
					return nil, errors.New("port taken")
				}
				taken = true
				return func() error { <-ctx.Done(); return nil }, nil
			}}
		},
		want: map[string]string{
			"crashed and restarted":         "it cannot be started again: port taken; what one Start takes, its run must give back",
			"restarted with its supervisor": "it cannot be started again: port taken",
			"used again":                    "it cannot be started again: port taken",
		},
	},
	"keeps what it took if it is stopped early": {
		make: func(<-chan struct{}) supervisor.Child {
			taken := false
			return badChild{start: func(ctx context.Context) (func() error, error) {
				if taken {
					return nil, errors.New("port taken")
				}
				taken = true
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return func() error { <-ctx.Done(); taken = false; return nil }, nil
			}}
		},
		want: map[string]string{"stopped before Start": "port taken"},
	},
	"has another name each time": {
		make: func(<-chan struct{}) supervisor.Child {
			n := 0
			return badChild{name: func() string { n++; return fmt.Sprint("bad", n) }}
		},
		want: map[string]string{"*": "its name must stay as it is"},
	},
	"has another name once it has run": {
		make: func(<-chan struct{}) supervisor.Child {
			name := "bad"
			return badChild{name: func() string { return name }, start: func(ctx context.Context) (func() error, error) {
				return func() error { <-ctx.Done(); name = "worse"; return nil }, nil
			}}
		},
		want: map[string]string{"starts and stops": `its name must stay as it is: "bad" has become "worse"`},
	},
	"has a name with a slash": {
		make: func(<-chan struct{}) supervisor.Child { return supervisor.Func("a/b", waits) },
		want: map[string]string{"*": `it is not made right: supervisor "actortest": child 1 "a/b": Name: "a/b" has a slash`},
	},
	"is nil": {
		make: func(<-chan struct{}) supervisor.Child { return nil },
		want: map[string]string{"*": "it is not made right"},
	},
	"a server whose cleanup fails": {
		make: func(<-chan struct{}) supervisor.Child {
			return actor.NewServer("bad", openCounter, actor.ServerOptions[counter]{
				Close: func(context.Context, *counter, exit.Reason) error { return errOdd },
			})
		},
		want: map[string]string{"starts and stops": "returned an error: odd"},
	},
	"a supervisor with a child that leaks": {
		make: func(let <-chan struct{}) supervisor.Child {
			return supervisor.New("bad", supervisor.Policy{}, supervisor.Func("below", func(ctx context.Context) error {
				go func() { <-let }()
				<-ctx.Done()
				return nil
			}))
		},
		want: map[string]string{"restarted with its group": "3 of its incarnations have started a goroutine that is still there after the stop; end it when ctx ends and wait for it, or start it with supervisor.Go: goroutines are left of actortest/parent/bad/below (incarnation 1)"},
	},
}

func TestBadChildrenAreToldWhy(t *testing.T) {
	for name, test := range badChildren {
		t.Run(name, func(t *testing.T) {
			got := actortest.Complaints(t, actortest.Options{}, func() (supervisor.Child, func()) {
				let := make(chan struct{})
				return test.make(let), func() { close(let) }
			})
			if len(got) == 0 {
				t.Error("it passes")
			}
			for scenario, want := range test.want {
				for _, name := range matching(got, scenario) {
					if text := strings.Join(got[name], "\n"); !strings.Contains(text, want) {
						t.Errorf("%s:\n got %s\nwant %s", name, text, want)
					}
				}
			}
			if t.Failed() || testing.Verbose() {
				for _, scenario := range slices.Sorted(maps.Keys(got)) {
					t.Logf("%s: %s", scenario, strings.Join(got[scenario], "\n"))
				}
			}
		})
	}
}

// matching are the scenarios that a test is about.
func matching(got map[string][]string, scenario string) []string {
	if scenario != "*" {
		return []string{scenario}
	}
	return slices.Collect(maps.Keys(got))
}

func TestTwoIncarnationsAtOnce(t *testing.T) {
	check(t, "while the first is there", fmt.Sprint(actortest.BeginTwice(false)), "[incarnation 2 began while incarnation 1 was still there]")
	check(t, "when the first was abandoned", fmt.Sprint(actortest.BeginTwice(true)), "[]")
}

// A load that leaves, as by t.FailNow, has returned: there is nothing to complain of.
func TestLoadThatLeavesHasReturned(t *testing.T) {
	load := func(context.Context, supervisor.Child) { runtime.Goexit() }
	got := actortest.Complaints(t, actortest.Options{Load: load}, func() (supervisor.Child, func()) {
		return newCounter(), func() {}
	})
	check(t, "starts and stops", strings.Join(got["starts and stops"], "\n"), "")
}

// An error of a child is asked for its text, which may ask for anything.
func TestComplaintsAreMadeOfCodeOfTheUser(t *testing.T) {
	got := make(chan []string, 1)
	go func() { got <- actortest.Complain(func(complain func()) { complain() }) }()
	select {
	case complaints := <-got:
		check(t, "complaints", fmt.Sprint(complaints), "[inner outer]")
	case <-time.After(10 * time.Second):
		t.Fatal("the text of an error is asked for under a lock")
	}
}

// An incarnation that comes back in the moment in which it is abandoned may be
// complained of while the complaints are read.
func TestComplaintsOfWhoComesBackLate(t *testing.T) {
	child := supervisor.Func("f", func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(5 * time.Second) // its shutdown time
		return errors.New("late")
	})
	if got := actortest.Complaints(t, actortest.Options{}, func() (supervisor.Child, func()) { return child, func() {} }); len(got) == 0 {
		t.Error("it passes")
	}
}

// A load that lets no time pass keeps a bubble from coming to rest.
func TestLoadThatLetsNoTimePassIsEnded(t *testing.T) {
	const want = "Load lets no time pass: 100000 messages have come at one moment; it must sleep between them"
	rush := func(ctx context.Context, child supervisor.Child) {
		for ctx.Err() == nil {
			_, _ = actor.Call(ctx, child.(*actor.Server[counter]), add(1))
		}
	}
	make := func() (supervisor.Child, func()) { return newCounter(), func() {} }
	check(t, "Run", fmt.Sprint(actortest.Complaints(t, actortest.Options{Load: rush}, make)), "map[starts and stops:["+want+"]]")
	check(t, "Stress", fmt.Sprint(actortest.StressComplaints(t, 1, rush, make)), "["+want+"]")
}

func TestBadLoadsAreToldWhy(t *testing.T) {
	const idle = "Load has sent no message that could be made to fail: it must send to the actor or server that is the child, or to one below it"
	var let chan struct{} // that of the bubble
	for want, load := range map[string]func(context.Context, supervisor.Child){
		"panic in a handler: " + idle:                                            func(ctx context.Context, _ supervisor.Child) { <-ctx.Done() },
		"abandoned in a handler: " + idle:                                        func(ctx context.Context, _ supervisor.Child) { <-ctx.Done() },
		"starts and stops: Load has not returned 1h0m0s after its ctx has ended": func(context.Context, supervisor.Child) { <-let },
	} {
		got := actortest.Complaints(t, actortest.Options{Load: load}, func() (supervisor.Child, func()) {
			let = make(chan struct{})
			return newCounter(), func() { close(let) }
		})
		scenario, complaint, _ := strings.Cut(want, ": ")
		if text := strings.Join(got[scenario], "\n"); text != complaint {
			t.Errorf("%s:\n got %s\nwant %s", scenario, text, complaint)
		}
	}
}
