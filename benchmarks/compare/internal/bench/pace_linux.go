package bench

import (
	"encoding/binary"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pacer is what the catalogue calls a pace.
const pacer = "a timer of the kernel"

// pace is a timer of the kernel, which the sender waits for as a service waits for
// the net. A sleep would do, but Go's are late: it rounds those of less than a
// millisecond up to one.
type pace struct {
	timer *os.File
	due   uint64 // turns that have come and were not waited for
}

// newPace begins to count: the first turn comes after the time given.
func newPace(every time.Duration) (*pace, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	p := &pace{timer: os.NewFile(uintptr(fd), "timer")}
	interval := unix.NsecToTimespec(every.Nanoseconds())
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: interval, Value: interval}, nil); err != nil {
		return nil, errors.Join(os.NewSyscallError("timerfd_settime", err), p.stop())
	}
	return p, nil
}

// turn waits for the next turn. Who comes late does not wait for those that were missed.
func (p *pace) turn() error {
	if p.due == 0 {
		var expired [8]byte
		if _, err := p.timer.Read(expired[:]); err != nil {
			return err
		}
		p.due = binary.NativeEndian.Uint64(expired[:])
	}
	p.due--
	return nil
}

func (p *pace) stop() error { return p.timer.Close() }
