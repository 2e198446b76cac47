package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestFunc(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := make(chan func() error)
		b := start(t, supervisor.Policy{}, supervisor.Spec{
			Restart: strategy.Transient,
			Child: supervisor.Func("f", func(ctx context.Context) error {
				select {
				case call := <-calls:
					return call()
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}),
		})
		for _, call := range []func() error{returns(errBoom), panics("oops"), returns(nil)} {
			calls <- call
			synctest.Wait()
		}
		b.want(t, "exit f: boom", "restarting f", "restart f", "exit f: panic: oops", "restarting f", "restart f", "exit f: normal")
		checkError(t, "restart", b.root.RestartChild(t.Context(), "f"), "")
		b.stopInOrder()
		b.want(t, "start f", "stop f", "stop root")
	})
}

// service counts what it has served: state that must not survive a crash.
type service struct {
	served int
	log    *recorder
	work   chan error
}

func (s *service) Serve(ctx context.Context) error {
	for {
		select {
		case err := <-s.work:
			if s.served++; err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		s.log.add([]string{"", "served 1", "served 2", "served 3"}[s.served])
	}
}

func TestFactory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log recorder
		work, opened := make(chan error), 0
		child := supervisor.Factory("factory", func(context.Context) (*service, error) {
			if opened++; opened == 2 {
				return nil, errBoom
			}
			return &service{log: &log, work: work}, nil
		})
		b := start(t, supervisor.Policy{}, child)
		for _, err := range []error{nil, nil, errBoom, nil} {
			work <- err
			synctest.Wait()
		}
		log.want(t, "served 1", "served 2", "served 1") // fresh
		b.want(t, "exit factory: boom", "restarting factory", "fail factory: boom", "restarting factory", "restart factory")
		b.stopInOrder()
	})
}

func TestServiceOfAnotherLibraryIsAFunc(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{log: new(recorder), work: make(chan error)}
		b := start(t, supervisor.Policy{}, supervisor.Func("service", s.Serve))
		b.stopInOrder()
		b.want(t, "stop service", "stop root")
	})
}

func TestSpecIsItsChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		spec := supervisor.Spec{Child: c, Restart: strategy.Temporary}
		check(t, "name", spec.Name(), "c")
		run, err := spec.Start(t.Context())
		if err != nil {
			t.Fatalf("start: got %v, want nil", err)
		}
		go func() { c.ends <- returns(errBoom) }()
		check(t, "run", run(), errBoom)
	})
}
