package otp_test

import (
	"fmt"
	"slices"
	"strings"
)

// segments cuts a trace at the moments when nothing moved any more, one for the
// start and one for each act, and sorts what is legally unordered. The answer to
// a request may be noted a moment later than what the supervisor does next, so
// answers come last, in the order of their texts. The children of a dynamic
// supervisor stop all at once.
func (s *scenario) segments(trace []string) [][]string {
	unordered := s.started()
	var all [][]string
	var events, answers []string
	for _, event := range trace {
		switch {
		case event == "--":
			slices.Sort(answers)
			sortStops(events, unordered)
			all = append(all, append(events, answers...))
			events, answers = nil, nil
		case strings.HasPrefix(event, "= "):
			answers = append(answers, event)
		default:
			events = append(events, event)
		}
	}
	return all
}

// sortStops sorts runs of events that tell of stops among these children.
func sortStops(events []string, unordered map[string]bool) {
	isStop := func(event string) bool {
		name, ok := strings.CutPrefix(event, "stop ")
		return ok && unordered[name]
	}
	for first := 0; first < len(events); first++ {
		last := first
		for last < len(events) && isStop(events[last]) {
			last++
		}
		slices.Sort(events[first:last])
		first = max(first, last-1)
	}
}

// divergence is the first difference between two traces of a scenario, "" if
// there is none.
func divergence(s *scenario, otp, coppice []string) string {
	a, b := s.segments(otp), s.segments(coppice)
	for i := range max(len(a), len(b)) {
		what := "the start"
		if i > 0 && i <= len(s.acts) {
			what = fmt.Sprintf("act %d, %v", i, s.acts[i-1])
		}
		if i >= len(a) || i >= len(b) {
			return fmt.Sprintf("after %s: one of the two has ended: %d steps of OTP, %d of Coppice", what, len(a), len(b))
		}
		if !slices.Equal(a[i], b[i]) {
			return fmt.Sprintf("after %s:\n%s", what, sideBySide(a[i], b[i]))
		}
	}
	return ""
}

// sideBySide shows two lists of events and marks the first that differ.
func sideBySide(otp, coppice []string) string {
	at := func(list []string, i int) string {
		if i < len(list) {
			return list[i]
		}
		return "-"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "    %-32s %s\n", "OTP", "Coppice")
	differ := false
	for i := range max(len(otp), len(coppice)) {
		mark := "   "
		if !differ && at(otp, i) != at(coppice, i) {
			mark, differ = ">>>", true
		}
		fmt.Fprintf(&text, "%s %-32s %s\n", mark, at(otp, i), at(coppice, i))
	}
	return text.String()
}

// count is how many events a trace has.
func count(trace []string) (n int) {
	for _, event := range trace {
		if event != "--" {
			n++
		}
	}
	return n
}
