package bench_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
)

// slow is a contender whose acts take their time, of a clock that is virtual.
var slow = bench.Contender{
	Name: "slow",
	Send: func(tallies []*bench.Tally) (bench.Burst, bench.Stop, error) {
		return func(actor, n int) error {
			for range n {
				time.Sleep(time.Millisecond)
				tallies[actor].Count()
			}
			return nil
		}, nothing, nil
	},
	Paced: func(tallies []*bench.Tally) (func(int, *bench.Message) error, bench.Stop, error) {
		var all sync.WaitGroup
		return func(actor int, m *bench.Message) error {
				late := time.Duration(0)
				if actor%20 == 0 { // 5%
					late = 3 * time.Millisecond
				}
				all.Go(func() {
					time.Sleep(late)
					tallies[actor].Clock(m)
				})
				return nil
			}, func() error {
				all.Wait()
				return nil
			}, nil
	},
	Call: func(deadline bool) (func(context.Context, int) error, bench.Stop, error) {
		took := time.Millisecond
		if deadline {
			took = 2 * time.Millisecond
		}
		return func(_ context.Context, n int) error {
			time.Sleep(time.Duration(n) * took)
			return nil
		}, nothing, nil
	},
	Ring: func(_ int, last *bench.Tally) (func(*bench.Token) error, bench.Stop, error) {
		return func(token *bench.Token) error {
			time.Sleep(time.Duration(token.Hops) * time.Millisecond)
			last.Count()
			return nil
		}, nothing, nil
	},
	Idle: func() (func(int) error, bench.Stop, error) {
		return func(n int) error {
				time.Sleep(time.Duration(n) * time.Second)
				return nil
			}, func() error {
				time.Sleep(time.Minute)
				return nil
			}, nil
	},
	Crashes: func(supervisors, children int, lives bench.Lives) (func(int, *bench.Message) error, bench.Stop, error) {
		for i := range supervisors * children {
			lives.Began(i)
		}
		var all sync.WaitGroup
		crashed := 0
		return func(child int, m *bench.Message) error {
				all.Go(func() {
					if m != bench.Poison {
						time.Sleep(time.Hour) // is not part of the storm
						lives.Handled(child)
						return
					}
					lives.Ends(child)
					crashed++
					if crashed%50 == 0 { // 2%
						time.Sleep(4 * time.Second)
					}
					time.Sleep(time.Second)
					lives.Began(child)
				})
				synctest.Wait()
				return nil
			}, func() error {
				all.Wait()
				return nil
			}, nil
	},
	Tree: func(depth, fanOut int) (bench.Stop, error) {
		return func() error {
			time.Sleep(time.Duration(depth*fanOut) * time.Second)
			return nil
		}, nil
	},
}

func nothing() error { return nil }

func TestFigures(t *testing.T) {
	for _, test := range []struct {
		measurement string
		size        bench.Size
		want        []float64 // NaN is any
	}{
		{"send-1-1", bench.Size{Actors: 1, Times: 100}, []float64{1000}},
		{"send-100-pairs", bench.Size{Actors: 100, Times: 1000}, []float64{100_000}},
		{"call", bench.Size{Times: 100}, []float64{1e6}},
		{"call-deadline", bench.Size{Times: 100}, []float64{2e6}},
		{"ring-1000", bench.Size{Actors: 5, Times: 100}, []float64{1e6}},
		{"spawn-100k", bench.Size{Actors: 7}, []float64{7}},
		{"million", bench.Size{Actors: 8}, []float64{8, 60}},
		{"restart", bench.Size{Actors: 1, Times: 200}, []float64{1, 5}},
		{"storm-1", bench.Size{Actors: 50}, []float64{5}},
		{"storm-100", bench.Size{Actors: 100}, []float64{5}},
		{"stop-tree-111k", bench.Size{Actors: 5}, []float64{50}},
		{"stop-1000", bench.Size{Actors: 90}, []float64{90}},
		{"steady", bench.Size{Actors: 10_000, Times: 10_000}, []float64{math.NaN(), 0.003}},
	} {
		t.Run(test.measurement, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, err := bench.FindMeasurement(test.measurement)
				if err != nil {
					t.Fatal(err)
				}
				got, err := m.Run(slow, test.size)
				if err != nil || len(got) != len(test.want) {
					t.Fatalf("got %v, %v, want %v", got, err, test.want)
				}
				for i, want := range test.want {
					if math.Abs(got[i]-want) > want*1e-9 {
						t.Errorf("%s: got %v, want %v", m.Of()[i], got[i], want)
					}
				}
			})
		})
	}
}

// A storm is of children at work: each has handled a message before any crashes.
func TestAStormIsOfChildrenAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, handled, idle := slow, 0, 0
		c.Crashes = func(supervisors, children int, lives bench.Lives) (func(int, *bench.Message) error, bench.Stop, error) {
			send, stop, err := slow.Crashes(supervisors, children, lives)
			return func(child int, m *bench.Message) error {
				if m != bench.Poison {
					handled++
				} else if handled < supervisors*children {
					idle++
				}
				return send(child, m)
			}, stop, err
		}
		m, err := bench.FindMeasurement("storm-100")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Run(c, bench.Size{Actors: 100}); err != nil {
			t.Fatal(err)
		}
		if handled != 100 || idle != 0 {
			t.Errorf("got %d messages before and %d crashes too early, want 100 and 0", handled, idle)
		}
	})
}

// The load of the steady state is what it says: no burst comes before its millisecond.
func TestTheSteadyLoad(t *testing.T) {
	const bursts = 5
	early, sent, begun := make([]bool, bursts), 0, time.Now()
	if err := bench.Paced(bursts*1000, func(i int) error {
		burst := i / 1000
		early[burst] = early[burst] || time.Since(begun) < time.Duration(burst+1)*time.Millisecond
		sent++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if sent != bursts*1000 || slices.Contains(early, true) {
		t.Errorf("of %d messages, those of these milliseconds came too early: %v", sent, early)
	}
}

// Who cannot hold the load is told so, and not what another load takes.
func TestALoadThatIsNotHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := bench.Paced(2000, func(int) error {
			time.Sleep(time.Millisecond)
			return nil
		})
		if err == nil || err.Error() != "the load was not held: 2000 messages took 2s to send, not 2ms" {
			t.Errorf("got %v, want that the load was not held", err)
		}
	})
}

// A load ends with the first message that cannot be sent.
func TestALoadThatIsRefused(t *testing.T) {
	refused, sent := errors.New("refused"), 0
	err := bench.Paced(2000, func(i int) error {
		if sent++; i == 1500 {
			return refused
		}
		return nil
	})
	if !errors.Is(err, refused) || sent != 1501 {
		t.Errorf("got %v after %d messages, want the error after 1501", err, sent)
	}
}

// What fails is an error with the names of the measurement and the contender,
// not a figure.
func TestFailures(t *testing.T) {
	wrong := errors.New("wrong")
	failing := func(int) error { return wrong }
	stop := func() error { return wrong }
	setUp := bench.Contender{
		Name:  "broken",
		Send:  func([]*bench.Tally) (bench.Burst, bench.Stop, error) { return nil, nil, wrong },
		Paced: func([]*bench.Tally) (func(int, *bench.Message) error, bench.Stop, error) { return nil, nil, wrong },
		Call:  func(bool) (func(context.Context, int) error, bench.Stop, error) { return nil, nil, wrong },
		Ring: func(int, *bench.Tally) (func(*bench.Token) error, bench.Stop, error) {
			return nil, nil, wrong
		},
		Idle:       func() (func(int) error, bench.Stop, error) { return nil, nil, wrong },
		Warm:       func() (func(int) error, bench.Stop, error) { return nil, nil, wrong },
		Hibernated: func() (func(int) error, bench.Stop, error) { return nil, nil, wrong },
		Crashes: func(int, int, bench.Lives) (func(int, *bench.Message) error, bench.Stop, error) {
			return nil, nil, wrong
		},
		Tree: func(int, int) (bench.Stop, error) { return nil, wrong },
	}
	acts := bench.Contender{
		Name: "broken",
		Send: func([]*bench.Tally) (bench.Burst, bench.Stop, error) {
			return func(int, int) error { return wrong }, nothing, nil
		},
		Paced: func([]*bench.Tally) (func(int, *bench.Message) error, bench.Stop, error) {
			return func(int, *bench.Message) error { return wrong }, nothing, nil
		},
		Call: func(bool) (func(context.Context, int) error, bench.Stop, error) {
			return func(context.Context, int) error { return wrong }, nothing, nil
		},
		Ring: func(int, *bench.Tally) (func(*bench.Token) error, bench.Stop, error) {
			return func(*bench.Token) error { return wrong }, nothing, nil
		},
		Idle:       func() (func(int) error, bench.Stop, error) { return failing, nothing, nil },
		Warm:       func() (func(int) error, bench.Stop, error) { return failing, nothing, nil },
		Hibernated: func() (func(int) error, bench.Stop, error) { return failing, nothing, nil },
		Crashes: func(supervisors, children int, lives bench.Lives) (func(int, *bench.Message) error, bench.Stop, error) {
			for i := range supervisors * children {
				lives.Began(i)
			}
			return func(int, *bench.Message) error { return wrong }, nothing, nil
		},
		Tree: func(int, int) (bench.Stop, error) { return stop, nil },
	}
	stops := slow
	stops.Name = "broken"
	stops.Call = func(bool) (func(context.Context, int) error, bench.Stop, error) {
		return func(context.Context, int) error { return nil }, stop, nil
	}
	stops.Idle = func() (func(int) error, bench.Stop, error) { return func(int) error { return nil }, stop, nil }
	for name, c := range map[string]bench.Contender{"set up": setUp, "acts": acts, "stops": stops} {
		for _, m := range bench.Measurements {
			if !m.Can(c) || name == "stops" && m.Name != "call" && m.Name != "million" && m.Name != "bytes-idle" {
				continue
			}
			t.Run(name+"/"+m.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					figures, err := m.Run(c, bench.Size{Actors: 100, Times: 100})
					if !errors.Is(err, wrong) || !strings.Contains(err.Error(), m.Name+" of broken") || figures != nil {
						t.Errorf("got %v, %v, want that it is wrong", figures, err)
					}
				})
			})
		}
	}
}

// Actors that do not hibernate are no figure.
func TestGoroutinesThatStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		c := bench.Contender{Hibernated: func() (func(int) error, bench.Stop, error) {
			return func(n int) error {
					for range n {
						go func() { <-leave }()
					}
					return nil
				}, func() error {
					close(leave)
					return nil
				}, nil
		}}
		m, _ := bench.FindMeasurement("bytes-hibernated")
		if _, err := m.Run(c, bench.Size{Actors: 500}); err == nil || !strings.Contains(err.Error(), "500 goroutines of 500 idle actors are still there") {
			t.Errorf("got %v, want that goroutines are still there", err)
		}
	})
}
