package incarnation

import "context"

// Waiting says whether a wait has been left in the scope.
func (s *Scope) Waiting() bool { return s.wait.Load() != nil }

// Asks is what is done for each wait of a round of which it was not known whose it is.
func (w *Wait) Asks(ctx context.Context) { w.ask(ctx) }
