package strategy

import "fmt"

// AutoShutdown says when a supervisor ends by itself because its significant
// children are done. The zero value is [Never].
type AutoShutdown uint8

const (
	// Never keeps the supervisor running whatever its children do; it has no
	// significant ones (S92). It is the default.
	Never AutoShutdown = iota

	// AnySignificant ends the supervisor as soon as one significant child has
	// ended for good by itself (S92).
	AnySignificant

	// AllSignificant ends the supervisor when the last of its significant
	// children has ended so (S92, S95).
	AllSignificant
)

// Ends reports whether the supervisor ends now that a significant child has
// ended for good by itself. left is how many significant children still have a
// process or wait for their restart (S95). An AutoShutdown that is not
// [AutoShutdown.Valid] never ends anything.
func (a AutoShutdown) Ends(left int) bool {
	switch a {
	case AnySignificant:
		return true
	case AllSignificant:
		return left == 0
	}
	return false
}

// Valid reports whether a is one of the constants of this package.
func (a AutoShutdown) Valid() bool { return a <= AllSignificant }

// String is OTP's name of it, such as "any_significant".
func (a AutoShutdown) String() string {
	switch a {
	case Never:
		return "never"
	case AnySignificant:
		return "any_significant"
	case AllSignificant:
		return "all_significant"
	}
	return fmt.Sprintf("auto_shutdown(%d)", uint8(a))
}
