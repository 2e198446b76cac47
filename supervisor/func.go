package supervisor

import (
	"context"
	"errors"
)

// Func makes a child of a function. Each incarnation is one call of f, so state
// belongs inside f. It is up at once; what it returns is the reason for its end:
// nil is a normal one. Its ctx ends when it is asked to stop; then it is to
// return.
//
// A value with a method Serve(ctx) error, as other supervision libraries want
// it, is a child as well: Func("name", value.Serve).
func Func(name string, f func(ctx context.Context) error) Child {
	return function{name, f}
}

type function struct {
	name string
	f    func(context.Context) error
}

func (f function) Name() string { return f.name }

func (f function) Check() error {
	if f.f == nil {
		return faultOf("Func", "nil")
	}
	return nil
}

func (f function) Start(ctx context.Context) (func() error, error) {
	return func() error { return f.f(within(ctx)) }, nil
}

// Service is what serves until its ctx ends.
type Service interface {
	Serve(ctx context.Context) error
}

// Factory makes a child that opens a new Service for each incarnation, so that
// no state of a crashed one is left. It is up when open has returned; an error
// of open means that the child could not start.
func Factory[S Service](name string, open func(ctx context.Context) (S, error)) Child {
	return factory[S]{name, open}
}

type factory[S Service] struct {
	name string
	open func(context.Context) (S, error)
}

func (f factory[S]) Name() string { return f.name }

func (f factory[S]) Check() error {
	if f.open == nil {
		return faultOf("Factory", "nil")
	}
	return nil
}

func (f factory[S]) Start(ctx context.Context) (func() error, error) {
	service, err := f.open(within(ctx))
	if err != nil {
		return nil, err
	}
	if isNil(service) {
		return nil, errors.New("open: neither a service nor an error")
	}
	return func() error { return service.Serve(within(ctx)) }, nil
}
