package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/coppice-go/coppice/examples/codesearch/internal/chaos"
)

func newChaos(t *testing.T, rate float64, seed uint64) *chaos.Chaos {
	t.Helper()
	c, err := chaos.New(rate, seed)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNewRefusesWhatIsNoRate(t *testing.T) {
	for _, rate := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		if _, err := chaos.New(rate, 1); err == nil {
			t.Errorf("a rate of %v was taken", rate)
		}
	}
}

func TestDrawFollowsTheRate(t *testing.T) {
	const places = 20_000
	for _, rate := range []float64{0, 0.05, 0.5, 1} {
		c := newChaos(t, rate, 7)
		drawn := make(map[chaos.Kind]int)
		for i := range places {
			drawn[c.Draw(fmt.Sprint("file ", i), 0)]++
		}
		for _, kind := range []chaos.Kind{chaos.Error, chaos.Panic, chaos.Goexit, chaos.Hang} {
			if got, want := float64(drawn[kind])/places, rate/4; math.Abs(got-want) > 0.01 {
				t.Errorf("rate %v: kind %d is drawn at %v, want about %v", rate, kind, got, want)
			}
		}
	}
}

func TestDrawDependsOnSeedPlaceAndAttemptAlone(t *testing.T) {
	one, same, other := newChaos(t, 0.5, 1), newChaos(t, 0.5, 1), newChaos(t, 0.5, 2)
	differs := make(map[string]bool)
	for i := range 100 {
		where := fmt.Sprint("file ", i)
		if one.Draw(where, 0) != same.Draw(where, 0) {
			t.Fatalf("two draws for %s differ", where)
		}
		differs["seed"] = differs["seed"] || one.Draw(where, 0) != other.Draw(where, 0)
		differs["attempt"] = differs["attempt"] || one.Draw(where, 0) != one.Draw(where, 1)
		differs["place"] = differs["place"] || one.Draw(where, 0) != one.Draw("file 0", 0)
	}
	if len(differs) != 3 || !differs["seed"] || !differs["attempt"] || !differs["place"] {
		t.Errorf("draws differ by %v, want by seed, attempt and place", differs)
	}
}

// strike strikes in a goroutine of its own and says how that ended.
func strike(ctx context.Context, c *chaos.Chaos, where string) (kind chaos.Kind, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		kind = chaos.Goexit
		defer func() {
			if recover() != nil {
				kind = chaos.Panic
			}
		}()
		err = c.Strike(ctx, where)
		switch {
		case err == nil:
			kind = chaos.None
		case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
			kind = chaos.Hang
		default:
			kind = chaos.Error
		}
	}()
	<-done
	return kind, err
}

func TestStrikeDoesWhatIsDrawn(t *testing.T) {
	c := newChaos(t, 0.8, 3)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("time is up")) // so that a hang ends at once
	var want chaos.Faults
	for i := range 50 {
		where := fmt.Sprint("file ", i)
		for attempt := range chaos.Patience + 1 {
			drawn := c.Draw(where, attempt)
			got, err := strike(ctx, c, where)
			if got != drawn {
				t.Fatalf("%s, attempt %d: ended by kind %d, want %d", where, attempt, got, drawn)
			}
			if err != nil && !errors.Is(err, chaos.ErrInjected) {
				t.Errorf("error %v is not ErrInjected", err)
			}
			switch drawn {
			case chaos.Error:
				want.Errors++
			case chaos.Panic:
				want.Panics++
			case chaos.Goexit:
				want.Goexits++
			case chaos.Hang:
				want.Hangs++
			}
		}
	}
	if got := c.Faults(); got != want || got.Total() == 0 {
		t.Errorf("counted %v, want %v", got, want)
	}
}

func TestWorkSucceedsInTheEnd(t *testing.T) {
	c := newChaos(t, 1, 4)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for attempt := range chaos.Patience + 1 {
		kind, _ := strike(ctx, c, "file")
		if (kind == chaos.None) != (attempt == chaos.Patience) {
			t.Errorf("attempt %d ended by kind %d", attempt, kind)
		}
	}
}

func TestNoChaos(t *testing.T) {
	var none *chaos.Chaos
	if err := none.Strike(t.Context(), "file"); err != nil || none.Faults().Total() != 0 {
		t.Errorf("no chaos struck: %v, %v", err, none.Faults())
	}
}

func TestFaultsDoNotDependOnTheOrder(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var counted [2]chaos.Faults
	for i := range counted {
		c := newChaos(t, 0.3, 5)
		var work sync.WaitGroup
		for file := range 100 {
			work.Go(func() {
				for {
					if kind, _ := strike(ctx, c, fmt.Sprint("file ", file)); kind == chaos.None {
						return
					}
				}
			})
		}
		work.Wait()
		counted[i] = c.Faults()
	}
	if counted[0] != counted[1] {
		t.Errorf("two runs with one seed met %v and %v", counted[0], counted[1])
	}
}
