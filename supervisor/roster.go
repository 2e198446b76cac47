package supervisor

// roster finds the members of a supervisor by name. The names of a Dynamic's
// children end in numbers that it gives out one after the other, so for them it has
// pages, of sixteen numbers each: a map of a million names would be three times as
// large, and each growth of it is felt. What stays for long among many that go may
// have a page of its own, of 128 bytes.
type roster struct {
	names map[string]*member
	pages map[uint64]*page // nil for other supervisors

	latest *page // to which one was added last; nil if that is gone
	number uint64
}

type page [16]*member

func newRoster(dynamic bool) roster {
	if dynamic {
		return roster{pages: make(map[uint64]*page)}
	}
	return roster{names: make(map[string]*member)}
}

// find is the member with this name, nil if there is none.
func (r *roster) find(name string) *member {
	if r.pages == nil {
		return r.names[name]
	}
	at, place := placeOf(name)
	if p := r.pages[at]; p != nil && p[place] != nil && p[place].name() == name {
		return p[place]
	}
	return nil
}

func (r *roster) add(m *member) {
	if r.pages == nil {
		r.names[m.name()] = m
		return
	}
	at, place := placeOf(m.path())
	if r.latest == nil || r.number != at {
		if r.latest, r.number = r.pages[at], at; r.latest == nil {
			r.latest = new(page)
			r.pages[at] = r.latest
		}
	}
	r.latest[place] = m
}

// remove takes out a member that is there.
func (r *roster) remove(m *member) {
	if r.pages == nil {
		delete(r.names, m.name())
		return
	}
	at, place := placeOf(m.path())
	p := r.pages[at]
	if p[place] = nil; *p == (page{}) {
		delete(r.pages, at)
		if r.latest == p {
			r.latest = nil
		}
	}
}

// placeOf is the page and the place there of the number that a name ends in. A name
// without '#' gives some number; find compares names, so that does no harm.
func placeOf(name string) (at uint64, place int) {
	number, digit := uint64(0), uint64(1)
	for i := len(name) - 1; i >= 0 && name[i] != '#'; i-- {
		number += uint64(name[i]-'0') * digit
		digit *= 10
	}
	return number / uint64(len(page{})), int(number % uint64(len(page{})))
}
