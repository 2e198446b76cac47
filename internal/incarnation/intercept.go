package incarnation

// Interceptor is called with each message that an actor takes in hand, before its
// handler, on the goroutine of the actor. What it does counts as the handler's,
// before any effect: an error or a panic is a crash with the message in hand.
type Interceptor func(c *Cell, message any) error

// Intercept sets the interceptor of an incarnation and of all that are below it.
// It is called before the child's own Start, on the goroutine of the incarnation.
func (c *Cell) Intercept(f Interceptor) {
	if f == nil && c.aside.Load() == nil { // as ever but in tests
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asideLocked().interceptor = f
}

// Interceptor is what Intercept has set, nil if nothing. An actor looks when it
// starts, a supervisor whenever it begins an incarnation.
func (c *Cell) Interceptor() Interceptor {
	a := c.aside.Load()
	if a == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return a.interceptor
}

// Wrapper is for a child to embed that stands around another one and changes
// nothing of it but its starts: a supervisor looks after it as after the child
// inside.
type Wrapper struct{ child any }

// Wrap makes the wrapper of a child.
func Wrap(child any) Wrapper { return Wrapper{child} }

func (w Wrapper) wrapped() any { return w.child }

// LookedAfter is the key with which the context above a cell gives the child that
// the supervisor looks after.
type LookedAfter struct{}

// Is says whether the supervisor itself looks after self: nothing stands around it
// but wrappers. Then it sees what self returns as it is. alone says that there are no
// wrappers either: nothing else runs when the run function of self does.
func (c *Cell) Is(self any) (is, alone bool) {
	child := c.parent.Value(LookedAfter{})
	alone = child == self
	return alone || Inside(child) == self, alone
}

// Inside is the child inside of all its wrappers, or what was given if it has
// none.
func Inside(child any) any {
	for {
		w, ok := child.(interface{ wrapped() any })
		if !ok {
			return child
		}
		child = w.wrapped()
	}
}
