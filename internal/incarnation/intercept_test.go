package incarnation_test

import (
	"context"
	"testing"

	"github.com/coppice-go/coppice/internal/incarnation"
)

type wrapper struct {
	incarnation.Wrapper
}

func TestInsideLooksThroughAllWrappers(t *testing.T) {
	child := new(int)
	once := wrapper{incarnation.Wrap(child)}
	for name, test := range map[string]struct{ given, want any }{
		"nil":          {nil, nil},
		"no wrapper":   {child, child},
		"one wrapper":  {once, child},
		"two wrappers": {&wrapper{incarnation.Wrap(once)}, child},
		"around nil":   {wrapper{}, nil},
	} {
		if got := incarnation.Inside(test.given); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestInterceptorOfACell(t *testing.T) {
	c := incarnation.New(context.Background(), incarnation.NewScope("a"), 1, incarnation.Terms{})
	if c.Interceptor() != nil {
		t.Error("before: got one, want none")
	}
	seen := 0
	c.Intercept(func(got *incarnation.Cell, message any) error {
		if got != c || message != "hello" {
			t.Errorf("got %v, %v", got, message)
		}
		seen++
		return nil
	})
	_ = c.Interceptor()(c, "hello")
	if seen != 1 {
		t.Errorf("got %d calls, want 1", seen)
	}
}

// lookedAfter is the context above the cell of a child.
type lookedAfter struct {
	context.Context
	child any
}

func (l lookedAfter) Value(key any) any {
	if key == (incarnation.LookedAfter{}) {
		return l.child
	}
	return l.Context.Value(key)
}

func TestWhoIsLookedAfter(t *testing.T) {
	child := new(int)
	for name, test := range map[string]struct {
		given     any
		is, alone bool
	}{
		"itself":       {child, true, true},
		"in a wrapper": {wrapper{incarnation.Wrap(child)}, true, false},
		"another one":  {new(int), false, false},
		"nobody":       {nil, false, false},
	} {
		c := incarnation.New(lookedAfter{context.Background(), test.given}, incarnation.NewScope("a"), 1, incarnation.Terms{})
		if is, alone := c.Is(child); is != test.is || alone != test.alone {
			t.Errorf("%s: got %v, %v, want %v, %v", name, is, alone, test.is, test.alone)
		}
	}
}
