//go:build !unix

package bench

import (
	"errors"
	"time"
)

// cpuTime is what this process has used so far.
func cpuTime() (time.Duration, error) { return 0, errors.ErrUnsupported }
