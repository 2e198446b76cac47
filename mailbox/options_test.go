package mailbox_test

import (
	"strings"
	"testing"

	"github.com/coppice-go/coppice/mailbox"
)

func TestOptionsCheck(t *testing.T) {
	for _, test := range []struct {
		name    string
		options mailbox.Options
		want    string // faults, one per line
	}{
		{"zero", mailbox.Options{}, ""},
		{"one", capacity(1), ""},
		{"large", capacity(1 << 20), ""},
		{"unbuffered", capacity(mailbox.Unbuffered), ""},
		{"unbuffered, reject", mailbox.Options{Capacity: mailbox.Unbuffered, Overflow: mailbox.Reject}, ""},
		{"unbuffered, drop newest", mailbox.Options{Capacity: mailbox.Unbuffered, Overflow: mailbox.DropNewest}, ""},
		{"drop oldest", mailbox.Options{Overflow: mailbox.DropOldest}, ""},
		{"finish in hand", mailbox.Options{Drain: mailbox.FinishInHand}, ""},
		{"discard", mailbox.Options{Drain: mailbox.Discard, Fresh: true}, ""},
		{"negative", capacity(-2), "Capacity: -2 is negative"},
		{"unbuffered, drop oldest", mailbox.Options{Capacity: mailbox.Unbuffered, Overflow: mailbox.DropOldest},
			"Overflow: an unbuffered mailbox has no oldest message to drop"},
		{"overflow", mailbox.Options{Overflow: 4}, "Overflow: overflow(4) is neither Block, Reject, DropNewest nor DropOldest"},
		{"drain", mailbox.Options{Drain: 3}, "Drain: drain(3) is neither DrainAll, FinishInHand nor Discard"},
		{"all", mailbox.Options{Capacity: -16, Overflow: 255, Drain: 255},
			"Capacity: -16 is negative\nOverflow: overflow(255) is neither Block, Reject, DropNewest nor DropOldest\n" +
				"Drain: drain(255) is neither DrainAll, FinishInHand nor Discard"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := test.options.Check(); err != nil {
				got = err.Error()
			}
			check(t, "faults", got, test.want)
		})
	}
}

func TestPoliciesHaveNames(t *testing.T) {
	var names []string
	for o := mailbox.Block; o <= mailbox.DropOldest; o++ {
		names = append(names, o.String())
	}
	for d := mailbox.DrainAll; d <= mailbox.Discard; d++ {
		names = append(names, d.String())
	}
	for w := mailbox.Overflowed; w <= mailbox.Interrupted+1; w++ {
		names = append(names, w.String())
	}
	check(t, "names", strings.Join(names, "; "), "block; reject; drop newest; drop oldest; "+
		"drain all; finish in hand; discard; "+
		"overflow; discarded; waiting at a restart; in hand at a crash; caller gone; in hand of an abandoned incarnation; why(6)")
}
