package otp_test

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"
)

// The most that a random tree has.
const (
	mostLevels   = 3 // of supervisors
	mostChildren = 12
)

// scenarios makes random ones. Nothing in them depends on how fast a machine is,
// but for what checkFair and checkClock find.
var scenarios = rapid.Custom(func(t *rapid.T) *scenario {
	d := &draft{t: t}
	d.scenario.root = d.supervisor("root", 1, nil)
	for range rapid.IntRange(1, 8).Draw(t, "episodes") {
		d.episode()
	}
	if d.chance(2) {
		d.add(act{op: "stop"})
	}
	return &d.scenario
})

// draft is a scenario in the making.
type draft struct {
	t        *rapid.T
	scenario scenario
	sups     []*node
	parents  []pair // all children, with the supervisor that each belongs to
	stubborn bool   // one child is: two would end at the same moment
	waits    int
}

type pair struct{ sup, child *node }

// chance is true once in n times, and false in the simplest case.
func (d *draft) chance(n int) bool { return rapid.IntRange(0, n-1).Draw(d.t, "chance") == n-1 }

// oneOf draws one of the words; the simplest comes first.
func (d *draft) oneOf(words ...string) string { return rapid.SampledFrom(words).Draw(d.t, "word") }

func (d *draft) supervisor(name string, level int, above *node) *node {
	// With less time than that OTP kills a whole subtree at once, in no order.
	n := &node{name: name, restart: "permanent", shutdown: "infinity", sup: &flags{
		strategy:  d.oneOf("one_for_one", "rest_for_one", "one_for_all"),
		intensity: rapid.SampledFrom([]int{1, 2, 3, 2, 3, 0}).Draw(d.t, "intensity"),
		period:    rapid.SampledFrom([]int{5, 3, 1}).Draw(d.t, "period"),
		auto:      d.oneOf("never", "never", "never", "any_significant", "all_significant"),
	}}
	d.lasting(n, above)
	d.sups = append(d.sups, n)
	for range rapid.IntRange(1, 5).Draw(d.t, "children") {
		if len(d.parents) == mostChildren {
			break
		}
		var child *node
		number := len(d.parents) + 1
		d.parents = append(d.parents, pair{})
		switch {
		case level < mostLevels && d.chance(4):
			child = d.supervisor(fmt.Sprintf("s%d", number), level+1, n)
		case level < mostLevels && d.chance(8):
			child = d.dynamic(fmt.Sprintf("d%d", number), n)
		default:
			child = d.child(fmt.Sprintf("c%d", number), n)
		}
		d.parents[number-1] = pair{n, child}
		n.children = append(n.children, child)
	}
	return n
}

// dynamic is a supervisor whose children are started by acts.
func (d *draft) dynamic(name string, above *node) *node {
	n := &node{name: name, shutdown: "infinity", sup: &flags{
		strategy:  "dynamic",
		intensity: rapid.SampledFrom([]int{1, 2, 3, 0}).Draw(d.t, "intensity"),
		period:    rapid.SampledFrom([]int{5, 3, 1}).Draw(d.t, "period"),
		auto:      "never",
	}}
	d.lasting(n, above)
	n.children = []*node{d.child(name+"t", n)}
	d.sups = append(d.sups, n)
	return n
}

// lasting draws how long a child of the supervisor above is to last.
func (d *draft) lasting(n, above *node) {
	n.restart = d.oneOf("permanent", "permanent", "transient", "temporary")
	if above != nil && above.sup.auto != "never" && n.restart != "permanent" {
		n.significant = d.chance(2)
	}
}

func (d *draft) child(name string, above *node) *node {
	n := &node{name: name, shutdown: "5s"}
	d.lasting(n, above)
	switch {
	case d.chance(10):
		n.shutdown = "brutal"
	case d.chance(12):
		n.shutdown = "infinity"
	case !d.stubborn && d.chance(20):
		n.shutdown, n.stubborn, d.stubborn = "400ms", true, true
	}
	for attempt := 2; attempt <= 6; attempt++ {
		switch {
		case len(n.fails) > 0 && n.fails[len(n.fails)-1] == attempt-1 && d.chance(2):
			n.fails = append(n.fails, attempt)
		case d.chance(4):
			n.fails = append(n.fails, attempt)
		case d.chance(16):
			n.ignores = append(n.ignores, attempt)
		}
	}
	if d.chance(60) {
		n.fails = append([]int{1}, n.fails...)
	} else if d.chance(40) {
		n.ignores = append([]int{1}, n.ignores...)
	}
	return n
}

func (d *draft) add(a act) { d.scenario.acts = append(d.scenario.acts, a) }

// episode is one idea of what may happen.
func (d *draft) episode() {
	switch rapid.IntRange(0, 17).Draw(d.t, "episode") {
	default:
		d.add(d.somewhere())
	case 4:
		d.add(d.query())
	case 5:
		d.wait(2, 2350, 800, 4700)
	case 6, 7:
		d.whilePaused()
	case 8, 9, 10, 11, 12:
		d.whileHeld()
	case 13, 14:
		d.spread()
	case 15, 16, 17:
		d.twice()
	}
	if d.chance(2) {
		d.add(act{op: "states"})
	}
}

// wait lets time pass, unless that was done often enough: it is real in Erlang.
func (d *draft) wait(most int, milliseconds ...time.Duration) {
	if d.waits < most {
		d.waits++
		d.add(act{op: "wait", wait: rapid.SampledFrom(milliseconds).Draw(d.t, "wait") * time.Millisecond})
	}
}

// spread crashes children of one supervisor, over some time: it is about the
// window.
func (d *draft) spread() {
	lasting := func(p pair) bool { return p.child.sup == nil && p.child.restart != "temporary" }
	first := d.anyChild(func(p pair) bool { return lasting(p) && p.sup.sup.intensity > 1 })
	if first.child == nil {
		return
	}
	for range rapid.IntRange(3, 5).Draw(d.t, "crashes") {
		p := d.anyChild(func(p pair) bool { return lasting(p) && p.sup == first.sup })
		d.add(act{op: "exit", target: p.child.name, detail: "error"})
		if d.chance(2) {
			d.wait(3, 2350, 4700)
		}
	}
	d.add(act{op: "exit", target: first.child.name, detail: "error"})
}

// whilePaused has a supervisor find several things at once in its queue.
func (d *draft) whilePaused() {
	sup := rapid.SampledFrom(d.sups).Draw(d.t, "paused")
	d.add(act{op: "pause", sup: sup.name})
	d.meanwhile(sup, 2, 4)
	d.add(act{op: "resume", sup: sup.name})
}

// whileHeld has things happen while a supervisor waits for the start or the stop
// of a child.
func (d *draft) whileHeld() {
	held := d.anyChild(func(p pair) bool { return p.child.sup == nil })
	if d.chance(2) { // one whose siblings are restarted after it
		first := d.anyChild(func(p pair) bool {
			return p.sup.sup.strategy == "one_for_all" && p.child.sup == nil && slices.Index(p.sup.children, p.child) == 0
		})
		if first.child != nil {
			held = first
		}
	}
	if held.child == nil {
		return
	}
	sup, name := held.sup, held.child.name
	if d.chance(3) {
		d.add(act{op: "hold", detail: "stop", target: name})
		if d.chance(2) {
			d.add(act{op: "terminate", sup: sup.name, target: name})
		} else {
			d.add(d.crashIn(sup))
		}
	} else {
		d.add(act{op: "hold", detail: "start", target: name})
		switch {
		case !sup.sup.dynamic() && d.chance(4):
			d.add(act{op: "terminate", sup: sup.name, target: name})
			d.add(act{op: "restart", sup: sup.name, target: name})
		case d.chance(2):
			d.add(d.crashIn(sup))
		default:
			d.add(act{op: "exit", target: name, detail: "error"})
		}
	}
	d.meanwhile(sup, 1, 4)
	d.add(act{op: "release", target: name})
}

// twice has a child of a group crash while the restart of another is under way,
// which may fail in one or both of the group restarts, and things come between
// the two.
func (d *draft) twice() {
	failing := d.anyChild(func(p pair) bool {
		strategy := p.sup.sup.strategy
		return p.child.sup == nil && (strategy == "rest_for_one" || strategy == "one_for_all") && len(p.sup.children) > 1
	})
	if failing.child == nil {
		return
	}
	sup, b := failing.sup, failing.child.name
	other := d.anyChild(func(p pair) bool { return p.sup == sup && p.child.sup == nil && p.child.name != b })
	if other.child == nil {
		return
	}
	a := other.child.name
	if d.chance(2) { // left to chance, two failures and a budget that outlasts them are rare
		first := rapid.SampledFrom([]int{2, 2, 3}).Draw(d.t, "first failure")
		failing.child.fails = []int{first, first + 1}
		sup.sup.intensity = max(sup.sup.intensity, 3)
	}
	d.add(act{op: "hold", detail: "start", target: b})
	d.add(act{op: "exit", target: b, detail: "error"})
	d.add(act{op: "exit", target: a, detail: "error"})
	d.add(act{op: "hold", detail: "start", target: a})
	d.meanwhile(sup, 0, 2)
	d.add(act{op: "release", target: b})
	d.meanwhile(sup, 1, 2)
	d.add(act{op: "release", target: a})
}

// meanwhile are acts while a supervisor is busy, mostly ones that concern it.
func (d *draft) meanwhile(sup *node, least, most int) {
	for range rapid.IntRange(least, most).Draw(d.t, "meanwhile") {
		switch {
		case d.chance(10):
			d.add(d.somewhere())
		case d.chance(3):
			d.add(d.crashIn(sup))
		default:
			d.add(d.request(sup))
		}
	}
}

// somewhere is an act anywhere in the tree.
func (d *draft) somewhere() act {
	if d.chance(2) {
		return d.request(rapid.SampledFrom(d.sups).Draw(d.t, "asked"))
	}
	p := d.anyChild(func(p pair) bool { return p.child.sup == nil })
	if p.child == nil {
		return act{op: "states"}
	}
	return d.exit(p.child)
}

// anyChild draws one of the children that are suitable, nothing if none is.
func (d *draft) anyChild(suitable func(pair) bool) pair {
	var all []pair
	for _, p := range d.parents {
		if suitable(p) {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return pair{}
	}
	return rapid.SampledFrom(all).Draw(d.t, "child")
}

// crashIn ends a child of a supervisor.
func (d *draft) crashIn(sup *node) act {
	p := d.anyChild(func(p pair) bool { return p.sup == sup && p.child.sup == nil })
	if p.child == nil {
		return d.request(sup)
	}
	return d.exit(p.child)
}

func (d *draft) exit(child *node) act {
	reason := d.oneOf("error", "error", "error", "panic", "goexit", "killed", "normal", "shutdown", "detail")
	return act{op: "exit", target: child.name, detail: reason}
}

// request is an administration call.
func (d *draft) request(sup *node) act {
	if d.chance(5) {
		return d.start(sup)
	}
	p := d.anyChild(func(p pair) bool { return p.sup == sup })
	if p.child == nil {
		return d.start(sup)
	}
	if sup.sup.dynamic() {
		return act{op: "terminate", sup: sup.name, target: p.child.name}
	}
	op := d.oneOf("terminate", "restart", "delete")
	if p.child.sup == nil && d.chance(6) {
		return act{op: "start", sup: sup.name, child: p.child}
	}
	return act{op: op, sup: sup.name, target: p.child.name}
}

// start adds a child that the supervisor was not made with.
func (d *draft) start(sup *node) act {
	added := d.child(fmt.Sprintf("n%d", len(d.parents)+1), sup)
	if sup.sup.dynamic() {
		template := sup.children[0]
		added.restart, added.shutdown = template.restart, template.shutdown
		added.stubborn = added.stubborn && added.shutdown == "400ms"
		// A restart that declines leaves a phantom in OTP (S202).
		added.ignores = slices.DeleteFunc(added.ignores, func(attempt int) bool { return attempt > 1 })
	}
	d.parents = append(d.parents, pair{sup, added})
	return act{op: "start", sup: sup.name, child: added}
}

// query asks for the spec of a child.
func (d *draft) query() act {
	p := d.anyChild(func(p pair) bool { return !p.sup.sup.dynamic() })
	if p.child == nil {
		return act{op: "states"}
	}
	return act{op: "spec", sup: p.sup.name, target: p.child.name}
}

// collector is the test that rapid believes to run: it keeps what is said, so
// that the oracle can tell it in its own way.
type collector struct {
	rapid.TB
	failed bool
	log    []string
}

func (c *collector) Helper()                   {}
func (c *collector) Name() string              { return "otp" }
func (c *collector) Failed() bool              { return c.failed }
func (c *collector) Logf(f string, a ...any)   { c.log = append(c.log, fmt.Sprintf(f, a...)) }
func (c *collector) Log(a ...any)              { c.log = append(c.log, fmt.Sprint(a...)) }
func (c *collector) Errorf(f string, a ...any) { c.Logf(f, a...); c.failed = true }
func (c *collector) Error(a ...any)            { c.Log(a...); c.failed = true }
func (c *collector) FailNow()                  { c.failed = true }
func (c *collector) Fail()                     { c.failed = true }
