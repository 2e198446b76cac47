package supervisor_test

import (
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/supervisor"
)

// parking is a server that gives its goroutine back after a second.
func parking(name string) *actor.Server[struct{}] {
	return actor.NewServer(name, idle, actor.ServerOptions[struct{}]{Options: actor.Options{ParkAfter: time.Second}})
}

type hanging struct{ released chan struct{} }

func (h hanging) Handle(context.Context, *struct{}) (int, error) {
	<-h.released
	return 0, nil
}

// hasGoroutine looks for the label that goroutines of children carry.
func hasGoroutine(t *testing.T, path string) bool {
	t.Helper()
	var profile strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	return strings.Contains(profile.String(), fmt.Sprintf(`"coppice.path":%q`, path))
}

func TestParkedChild(t *testing.T) {
	for _, test := range []struct {
		name string
		act  func(t *testing.T, b *bed, s *actor.Server[struct{}])
		want []string
	}{
		{"is stopped", func(*testing.T, *bed, *actor.Server[struct{}]) {}, []string{"stop s", "stop root"}},
		{"wakes and parks again", func(t *testing.T, _ *bed, s *actor.Server[struct{}]) {
			_, err := actor.Call(t.Context(), s, nothing{})
			checkError(t, "call", err, "")
			time.Sleep(2 * time.Second)
		}, []string{"stop s", "stop root"}},
		{"wakes and crashes", func(t *testing.T, _ *bed, s *actor.Server[struct{}]) {
			_, err := actor.Call(t.Context(), s, crashing{})
			checkError(t, "call", err, "root/s: callee ended before it replied: panic: crash")
			synctest.Wait()
		}, []string{"s#1 dead letter: supervisor_test.crashing: in hand at a crash", "exit s: panic: crash", "restarting s", "restart s", "stop s", "stop root"}},
		{"is killed", func(t *testing.T, b *bed, _ *actor.Server[struct{}]) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			checkError(t, "stop", b.root.Stop(ctx), "")
		}, []string{"stop s", "stop root"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := parking("s")
				b := start(t, supervisor.Policy{}, s)
				synctest.Wait()
				check(t, "has a goroutine before the first message", hasGoroutine(t, "root/s"), false)
				check(t, "shown as parked before the first message", b.root.Snapshot().Children[0].Parked, true)
				_, err := actor.Call(t.Context(), s, nothing{})
				checkError(t, "call", err, "")
				check(t, "has a goroutine", hasGoroutine(t, "root/s"), true)
				check(t, "shown as parked", b.root.Snapshot().Children[0].Parked, false)
				time.Sleep(2 * time.Second)
				check(t, "has a goroutine when it is parked", hasGoroutine(t, "root/s"), false)
				check(t, "shown as parked when it is", b.root.Snapshot().Children[0].Parked, true)
				check(t, "states", b.states(), "s")
				test.act(t, b, s)
				b.stopInOrder()
				var got []string
				for _, l := range b.take() {
					text := strings.TrimPrefix(strings.TrimSuffix(l.text, ": killed"), "root/")
					got = append(got, text)
				}
				checkList(t, "events", got, test.want)
			})
		})
	}
}

// A goroutine that was started by a sender carries the labels of the child, not
// of the sender.
func TestParkedChildIsReportedWithItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		s := parking("s")
		b := start(t, supervisor.Policy{}, s, supervisor.Func("sender", func(ctx context.Context) error {
			time.Sleep(10 * time.Second)
			_ = actor.Cast(ctx, s, hanging{released})
			<-ctx.Done()
			return nil
		}))
		time.Sleep(time.Minute)
		stuck := reported(t, b.stop())
		check(t, "stuck", len(stuck), 1)
		check(t, "path", stuck[0].Path, "root/s")
		check(t, "message", stuck[0].Message, "supervisor_test.hanging")
		if !strings.Contains(stuck[0].Stack, "hanging.Handle") {
			t.Errorf("stack: got %q, want hanging.Handle in it", stuck[0].Stack)
		}
		close(released)
	})
}

// Children that end at the very moment at which they are given up: each is
// either stopped, or abandoned and returned.
func TestEndAtTheMomentOfTheAbandonment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		b, pool := startDynamic(t, supervisor.Policy{})
		for i := range n {
			c := named("c")
			c.onStop = func(context.Context) error {
				time.Sleep(100 * time.Millisecond)
				for range i % 20 {
					runtime.Gosched()
				}
				return exit.Normal
			}
			added(t, pool, supervisor.Spec{Child: c, Shutdown: supervisor.BrutalKill})
		}
		b.take()
		_ = b.root.Stop(context.Background())
		synctest.Wait()
		seen := make(map[string]string)
		for _, l := range b.take() {
			what, who, _ := strings.Cut(l.text, " ")
			who, _, _ = strings.Cut(who, ":")
			seen[who] += what + " "
		}
		check(t, "children and supervisors", len(seen), n+2)
		for who, what := range seen {
			if what != "stop " && what != "abandon return " && what != "return abandon " {
				t.Errorf("%s: got %q, want stop, or abandon and return", who, what)
			}
		}
	})
}
