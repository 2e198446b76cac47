package mailbox_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/coppice-go/coppice/mailbox"
)

// batches draws what happens: some calls at the same time, then others.
func batches() *rapid.Generator[[][]caller] {
	one := rapid.Custom(func(t *rapid.T) caller {
		what := rapid.SampledFrom([]act{doSend, doSend, doSend, doSend, doNext, doNext, doTake, doBegin, doBegin, doDone, doSkip, doCrash, doPark, doHangUp}).Draw(t, "what")
		return caller{what: what, message: rapid.Int8Range(0, 2).Draw(t, "retries"), drain: rapid.Bool().Draw(t, "drain"), ctxDead: what == doSend && rapid.IntRange(0, 9).Draw(t, "ctx") == 0}
	})
	control := rapid.Custom(func(t *rapid.T) caller {
		return caller{what: doControl, message: rapid.Int8Range(0, 9).Draw(t, "control"), drain: rapid.Bool().Draw(t, "drain")}
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []caller {
		return append(rapid.SliceOfN(one, 0, 3).Draw(t, "calls"), control.Draw(t, "control"))
	}), 1, 25)
}

// A mailbox does what the model says, whoever calls it at the same time. The plan
// is drawn before: rapid cannot draw, nor fail, inside a bubble. What calls meet in
// the space of a few nanoseconds is for TestConservation.
func TestAMailboxIsWhatTheModelSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		options := mailbox.Options{
			Capacity: rapid.IntRange(1, 3).Draw(rt, "capacity"),
			Overflow: rapid.SampledFrom([]mailbox.Overflow{mailbox.Block, mailbox.Reject, mailbox.DropNewest, mailbox.DropOldest}).Draw(rt, "overflow"),
		}
		plan := batches().Draw(rt, "plan")
		var fault string
		synctest.Test(t, func(*testing.T) { fault = play(options, plan) })
		if fault != "" {
			rt.Fatalf("capacity %d, %v:\n%s", options.Capacity, options.Overflow, fault)
		}
	})
}

// play is one case, from the first Open to the end of all calls.
func play(options mailbox.Options, plan [][]caller) (fault string) {
	r := newRig(options)
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
	for i, batch := range plan {
		for _, c := range batch {
			r.do(c)
		}
		if fault := r.check(); fault != "" {
			return fmt.Sprintf("after %v:\n%s", plan[:i+1], fault)
		}
	}
	return ""
}
