package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/pprof"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
)

// Server is what serves the connections of a listener, such as *http.Server:
// Serve returns when Shutdown is called, and Shutdown when the requests in
// progress are done or its ctx ends.
type Server interface {
	Serve(net.Listener) error
	Shutdown(ctx context.Context) error
}

// Listen is what net.Listen does, as an argument of [Serve]: a listener for each
// incarnation.
func Listen(network, address string) func(context.Context) (net.Listener, error) {
	return func(ctx context.Context) (net.Listener, error) {
		var config net.ListenConfig
		return config.Listen(ctx, network, address)
	}
}

// Serve makes a child of a network server. Each incarnation listens and makes a
// new server, because one that was shut down cannot serve again:
//
//	supervisor.Serve("web", supervisor.Listen("tcp", ":8080"), func() *http.Server {
//		return &http.Server{Handler: mux}
//	})
//
// The child is up when it listens. When it is asked to stop, Shutdown gets the
// child's shutdown time but for its last tenth; if that is not enough and the
// server has a method Close, that is called. What Serve returns because of the
// stop is no failure. What it returns by itself is one; then Close is called too.
func Serve[S Server](name string, listen func(context.Context) (net.Listener, error), server func() S) Child {
	return networkServer[S]{name, listen, server}
}

type networkServer[S Server] struct {
	name   string
	listen func(context.Context) (net.Listener, error)
	server func() S
}

func (n networkServer[S]) Name() string { return n.name }

func (n networkServer[S]) Check() error {
	var faults []error
	if n.listen == nil {
		faults = append(faults, faultOf("Serve", "listen is nil"))
	}
	if n.server == nil {
		faults = append(faults, faultOf("Serve", "server is nil"))
	}
	return errors.Join(faults...)
}

func (n networkServer[S]) Start(ctx context.Context) (func() error, error) {
	cell := incarnation.From(ctx)
	if cell == nil {
		return nil, fmt.Errorf("%s: a server is started by a supervisor", n.name)
	}
	server := n.server()
	if isNil(server) {
		return nil, errors.New("server: nil")
	}
	listener, err := n.listen(within(ctx))
	if err != nil {
		return nil, err
	}
	if isNil(listener) {
		return nil, errors.New("listen: neither a listener nor an error")
	}
	return func() error {
		defer func() { _ = listener.Close() }() // for a server that has not closed it
		return serve(ctx, cell, listener, server)
	}, nil
}

// serve runs a server until it ends by itself or ctx does.
func serve(ctx context.Context, cell *incarnation.Cell, listener net.Listener, server Server) error {
	var reason exit.Reason
	shut := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		pprof.SetGoroutineLabels(ctx) // so that a report finds it
		cell.Protect(func() error { return shutdown(cell.Work(), server) }, func(r exit.Reason) {
			reason = r
			close(shut)
		})
	})
	defer func() { // also if Serve panics: nothing outlives the incarnation
		if !unhook() {
			<-shut
		}
	}()
	err := server.Serve(listener)
	if unhook() {
		close(shut)
		if err == nil {
			err = errors.New("the server stopped serving without being asked")
		}
		if closing := closeNow(server); closing != nil {
			err = errors.Join(err, closing)
		}
		return err
	}
	if <-shut; reason != exit.Normal {
		return reason
	}
	return context.Cause(ctx)
}

func shutdown(ctx context.Context, server Server) error {
	err := server.Shutdown(ctx)
	if err != nil {
		return errors.Join(err, closeNow(server))
	}
	return nil
}

// closeNow ends the connections of a server that can do that.
func closeNow(server Server) error {
	if closer, ok := server.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}
