package incarnation

// Waiting says whether a wait has been left in the scope.
func (s *Scope) Waiting() bool { return s.wait.Load() != nil }
