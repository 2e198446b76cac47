// Package sutured is suture: it supervises, but knows no messages, so its
// services have mailboxes written by hand.
package sutured

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
)

// Contender is suture.
var Contender = bench.Contender{
	Name:    "suture",
	About:   "suture v4.0.6. It knows no messages: its services have raw's mailboxes and selects. Its failure threshold is out of reach, its events go nowhere. It tells all children of a supervisor to stop at once.",
	Idle:    func() (func(int) error, bench.Stop, error) { return idle(false) },
	Warm:    func() (func(int) error, bench.Stop, error) { return idle(true) },
	Crashes: crashes,
	Tree:    tree,
}

// spec restarts without limit, and waits for as long as a stop takes.
var spec = suture.Spec{
	EventHook:        func(suture.Event) {},
	FailureThreshold: 1e15,
	Timeout:          time.Minute,
}

// plant starts a tree, and gives what stops it.
func plant(root *suture.Supervisor) bench.Stop {
	ctx, cancel := context.WithCancel(context.Background())
	ended := root.ServeBackground(ctx)
	return func() error {
		cancel()
		<-ended
		report, err := root.UnstoppedServiceReport()
		if err == nil && len(report) > 0 {
			err = fmt.Errorf("%d services have not stopped", len(report))
		}
		return err
	}
}

// service is what waits for messages. It tells what it does, if somebody is to
// hear it.
type service struct {
	number  int
	mailbox chan *bench.Message
	begun   func(number int)
	handle  func(number int, m *bench.Message)
}

func newService(number int, begun func(int), handle func(int, *bench.Message)) *service {
	return &service{number, make(chan *bench.Message, bench.Capacity), begun, handle}
}

// String spares suture the making of a name by reflection.
func (s *service) String() string { return "service" }

func (s *service) Serve(ctx context.Context) error {
	s.begun(s.number)
	done := ctx.Done()
	for {
		select {
		case m := <-s.mailbox:
			s.handle(s.number, m)
		case <-done:
			return nil
		}
	}
}

func unheard(int) {}

func nothing(int, *bench.Message) {}

// idle makes services that have nothing to do; warm ones are sent a message each first.
func idle(warm bool) (func(int) error, bench.Stop, error) {
	root := suture.New("bench", spec)
	stop := plant(root)
	var services []*service
	return func(n int) error {
		services = make([]*service, 0, n)
		for i := range n {
			s := newService(i, unheard, nothing)
			services = append(services, s)
			root.Add(s)
		}
		if warm {
			m := new(bench.Message)
			for _, s := range services {
				s.mailbox <- m
			}
		}
		return nil
	}, stop, nil
}

func crashes(supervisors, children int, lives bench.Lives) (func(int, *bench.Message) error, bench.Stop, error) {
	services := make([]*service, supervisors*children)
	root := suture.New("bench", spec)
	for i := range supervisors {
		group := root
		if supervisors > 1 {
			group = suture.New(strconv.Itoa(i), spec)
			root.Add(group)
		}
		for j := range children {
			number := i*children + j
			services[number] = newService(number, lives.Began, func(number int, m *bench.Message) {
				if m != bench.Poison {
					lives.Handled(number)
					return
				}
				lives.Ends(number)
				panic("poison")
			})
			group.Add(services[number])
		}
	}
	return func(child int, m *bench.Message) error {
		services[child].mailbox <- m
		return nil
	}, plant(root), nil
}

func tree(depth, fanOut int) (bench.Stop, error) {
	var up sync.WaitGroup
	root := node("bench", depth, fanOut, &up)
	stop := plant(root)
	up.Wait()
	return stop, nil
}

// node is a supervisor with so many levels below it, whose leaves tell when
// they are up.
func node(name string, depth, fanOut int, up *sync.WaitGroup) *suture.Supervisor {
	supervisor := suture.New(name, spec)
	for i := range fanOut {
		if depth > 1 {
			supervisor.Add(node(strconv.Itoa(i), depth-1, fanOut, up))
			continue
		}
		up.Add(1)
		supervisor.Add(newService(i, func(int) { up.Done() }, nothing))
	}
	return supervisor
}
