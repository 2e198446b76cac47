package strategy

import (
	"fmt"

	"github.com/coppice-go/coppice/exit"
)

// Restart is the restart type of a child: after which ends it is started again.
// The zero value is [Permanent].
type Restart uint8

const (
	// Permanent restarts the child after every end, a clean one too (S29). It
	// is the default.
	Permanent Restart = iota

	// Transient restarts the child after an abnormal end only (S30).
	Transient

	// Temporary never restarts the child, whatever happens to it or its
	// siblings (S31).
	Temporary
)

// Restarts reports whether a child of this type is to be restarted after it
// ended with reason (the table of S29-S31). It says nothing about intensity:
// see [Window]. A nil reason counts as [exit.Normal]. A Restart that is not
// [Restart.Valid] never restarts.
func (r Restart) Restarts(reason exit.Reason) bool {
	switch r {
	case Permanent:
		return true
	case Transient:
		return reason != nil && !reason.Clean()
	}
	return false
}

// Valid reports whether r is one of the constants of this package.
func (r Restart) Valid() bool { return r <= Temporary }

// String is OTP's name of the restart type, such as "transient".
func (r Restart) String() string {
	switch r {
	case Permanent:
		return "permanent"
	case Transient:
		return "transient"
	case Temporary:
		return "temporary"
	}
	return fmt.Sprintf("restart(%d)", uint8(r))
}
