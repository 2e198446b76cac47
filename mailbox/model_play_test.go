package mailbox_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/coppice-go/coppice/mailbox"
)

// plans draws what happens: some calls at the same time, then others.
func plans() *rapid.Generator[[][]caller] {
	one := rapid.Custom(func(t *rapid.T) caller {
		what := rapid.SampledFrom([]act{doOwner, doSend, doOwner, doSend, doOwner, doOwner, doHangUp}).Draw(t, "what")
		size := rapid.SampledFrom([]int8{1, 1, 2, 3, 4, 5, 0}).Draw(t, "size")
		if what != doSend {
			size = size%3 + 1
		}
		return caller{what: what, size: size, message: rapid.Int8Range(0, 89).Draw(t, "choice"), drain: rapid.Bool().Draw(t, "drain"), ctxDead: what == doSend && rapid.IntRange(0, 9).Draw(t, "ctx") == 0}
	})
	control := rapid.Custom(func(t *rapid.T) caller {
		return caller{what: doControl, message: rapid.Int8Range(0, 39).Draw(t, "control"), drain: rapid.Bool().Draw(t, "drain"), here: rapid.Bool().Draw(t, "here")}
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []caller {
		return append(rapid.SliceOfN(one, 0, 3).Draw(t, "calls"), control.Draw(t, "control"))
	}), 16, 28)
}

// A mailbox does what the model says, whoever calls it at the same time. The plan
// is drawn before: rapid cannot draw, nor fail, inside a bubble. What calls meet in
// the space of a few nanoseconds is for TestConservation.
func TestAMailboxIsWhatTheModelSays(t *testing.T) {
	var first string // what goroutines do by chance, rapid may be unable to play again
	defer func() {
		if first != "" {
			t.Log("the first fault:", first)
		}
	}()
	rapid.Check(t, func(rt *rapid.T) {
		options := mailbox.Options{
			Capacity: rapid.IntRange(1, 3).Draw(rt, "capacity"),
			Overflow: rapid.SampledFrom([]mailbox.Overflow{mailbox.Block, mailbox.Reject, mailbox.DropNewest, mailbox.DropOldest}).Draw(rt, "overflow"),
		}
		retries := rapid.IntRange(0, 2).Draw(rt, "retries")
		plan := plans().Draw(rt, "plan")
		var fault string
		synctest.Test(t, func(*testing.T) { fault = play(options, retries, plan) })
		if fault != "" {
			fault = fmt.Sprintf("capacity %d, %v, %d retries:\n%s", options.Capacity, options.Overflow, retries, fault)
			if first == "" {
				first = fault
			}
			rt.Fatal(fault)
		}
	})
}

// play is one case, from the first Open to the end of all calls.
func play(options mailbox.Options, retries int, plan [][]caller) (fault string) {
	r := newRig(options, retries)
	defer func() {
		for _, hangUp := range r.hangUp {
			hangUp()
		}
		for _, o := range r.ends {
			if o.in != nil {
				o.in.Freeze()
			}
		}
		r.box.Close()
	}()
	plan = append([][]caller{{{what: doControl}}, {{what: doControl}}}, plan...)
	plan = append(plan, []caller{{what: doSeal}, {what: doStop, drain: true}}, []caller{{what: doHangUp}, {what: doFreeze}}, []caller{{what: doCloseBox}})
	for _, calls := range plan {
		for _, c := range calls {
			r.do(c)
		}
		r.story = append(r.story, ";")
		if fault := r.check(); fault != "" {
			return fmt.Sprintf("after %v:\n%s", r.story, fault)
		}
	}
	return ""
}
