package otp_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// term is the scenario as the Erlang interpreter reads it.
func (s *scenario) term(number int) string {
	acts := make([]string, len(s.acts))
	for i, a := range s.acts {
		acts[i] = a.term()
	}
	return fmt.Sprintf("{%d,%s,[%s]}.", number, s.root.term(), strings.Join(acts, ","))
}

func (n *node) term() string {
	shutdown := n.shutdown
	switch shutdown {
	case "infinity":
	case "brutal":
		shutdown = "brutal_kill"
	default:
		shutdown = strconv.FormatInt(duration(shutdown).Milliseconds(), 10)
	}
	lasting := fmt.Sprintf("{%s,%s,%t}", n.restart, shutdown, n.significant)
	if n.sup == nil {
		return fmt.Sprintf("{child,%s,%s,{[%s],[%s],%t}}", n.name, lasting, numbers(n.fails), numbers(n.ignores), n.stubborn)
	}
	strategy := n.sup.strategy
	if n.sup.dynamic() {
		strategy = "simple_one_for_one"
	}
	children := make([]string, len(n.children))
	for i, child := range n.children {
		children[i] = child.term()
	}
	return fmt.Sprintf("{supervisor,%s,{%s,%d,%d,%s},%s,[%s]}", n.name,
		strategy, n.sup.intensity, n.sup.period, n.sup.auto, lasting, strings.Join(children, ","))
}

func (a act) term() string {
	switch a.op {
	case "exit":
		reason := a.detail
		switch {
		case slices.Contains(abnormal, reason):
			reason = "boom"
		case reason == "killed":
			reason = "kill"
		case reason == "detail":
			reason = "{shutdown,detail}"
		}
		return fmt.Sprintf("{'end',%s,%s}", a.target, reason)
	case "wait":
		return fmt.Sprintf("{wait,%d}", a.wait.Milliseconds())
	case "start":
		return fmt.Sprintf("{start,%s,%s}", a.sup, a.child.term())
	}
	var parts []string
	for _, part := range ops[a.op] {
		parts = append(parts, map[string]string{"target": a.target, "sup": a.sup, "detail": a.detail}[part])
	}
	if parts == nil {
		return a.op
	}
	return fmt.Sprintf("{%s,%s}", a.op, strings.Join(parts, ","))
}

// abnormal are the ways of a child to end abnormally, which OTP does not tell
// apart: an error returned, a panic, a runtime.Goexit.
var abnormal = []string{"error", "panic", "goexit"}

// duration reads what has been checked, or was made here.
func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}
