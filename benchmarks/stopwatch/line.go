package stopwatch

import "time"

// Line is how a latency went over the time of a run: a number of slots of equal
// width, at most 256. However long the run, the line keeps its length: when
// it is full, each two slots become one.
type Line struct {
	Width time.Duration `json:"width_ns"` // of a slot
	Slots []Slot        `json:"slots"`
}

// Slot is a part of a run.
type Slot struct {
	N   int64         `json:"n"`
	Min time.Duration `json:"min_ns"`
	Max time.Duration `json:"max_ns"`
	Sum time.Duration `json:"sum_ns"`
}

// Mean is the mean latency; 0 if there is none.
func (s Slot) Mean() time.Duration {
	if s.N == 0 {
		return 0
	}
	return s.Sum / time.Duration(s.N)
}

const (
	maxSlots   = 256
	firstWidth = time.Millisecond
)

func (l *Line) add(at, d time.Duration) {
	if l.Width == 0 {
		l.Width = firstWidth
	}
	for at/l.Width >= maxSlots {
		l.fold()
	}
	i := int(max(at, 0) / l.Width)
	for len(l.Slots) <= i {
		l.Slots = append(l.Slots, Slot{})
	}
	l.Slots[i].join(Slot{N: 1, Min: d, Max: d, Sum: d})
}

// merge adds another line. The widths are powers of two of the same first one.
func (l *Line) merge(other Line) {
	if l.Width == 0 {
		l.Width = firstWidth
	}
	for l.Width < other.Width {
		l.fold()
	}
	for i, s := range other.Slots {
		at := int(time.Duration(i) * other.Width / l.Width)
		for len(l.Slots) <= at {
			l.Slots = append(l.Slots, Slot{})
		}
		l.Slots[at].join(s)
	}
}

// fold doubles the width.
func (l *Line) fold() {
	l.Width *= 2
	for i := range l.Slots {
		if half := i / 2; i%2 == 0 {
			l.Slots[half] = l.Slots[i]
		} else {
			l.Slots[half].join(l.Slots[i])
		}
	}
	l.Slots = l.Slots[:(len(l.Slots)+1)/2]
}

func (s *Slot) join(other Slot) {
	switch {
	case other.N == 0:
		return
	case s.N == 0:
		*s = other
		return
	}
	s.N += other.N
	s.Sum += other.Sum
	s.Min, s.Max = min(s.Min, other.Min), max(s.Max, other.Max)
}
