package incarnation

import "context"

// beside is the context of a goroutine that belongs to an incarnation and is
// not its own. It ends with the incarnation and has the values of another
// context, such as that of a message which may be answered long before.
type beside struct {
	context.Context // made by the standard library, from that of the incarnation
	values          context.Context
}

// Beside makes the context of a goroutine beside the incarnation's own: it ends
// when the incarnation is asked to stop, when it ends, and when end is called.
func (c *Cell) Beside(values context.Context) (ctx context.Context, end context.CancelCauseFunc) {
	own, end := context.WithCancelCause(c)
	return &beside{own, values}, end
}

// Value shows the standard library the context that ends, so that causes and
// derived contexts work. Its key is private, but known by what it finds: only
// for that one a context gives itself.
func (b *beside) Value(key any) any {
	if key == (ownKey{}) {
		return nil
	}
	if found := b.Context.Value(key); found == any(b.Context) {
		return found
	}
	return b.values.Value(key)
}

// The contexts of an incarnation name themselves as those of the standard library do.
// Printed field by field, by a mock for example, they would be read while others write.

func (c *Cell) String() string        { return c.scope.path + ".Context" }
func (w *workContext) String() string { return w.scope.path + ".Work" }
func (b *beside) String() string      { return From(b.Context).scope.path + ".Go" }
