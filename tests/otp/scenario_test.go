package otp_test

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// scenario is a tree and what happens to it. README.md describes its text form.
type scenario struct {
	root *node
	acts []act
}

// node is a supervisor or a child with its spec.
type node struct {
	name        string
	restart     string
	shutdown    string // brutal, infinity, or a duration
	significant bool

	sup      *flags // nil for a child that is no supervisor
	children []*node

	fails, ignores []int // attempts to start that fail, or decline
	stubborn       bool
}

// flags are those of a supervisor.
type flags struct {
	strategy  string // OTP's name, or dynamic
	intensity int
	period    int // seconds
	auto      string
}

// act is a step of the script.
type act struct {
	op     string
	target string        // a child; for pause and resume a supervisor
	sup    string        // whom an administration call asks
	detail string        // the reason of an exit; start or stop for a hold
	child  *node         // of a start
	wait   time.Duration // of a wait
}

// ops are the acts and the parts of their text form.
var ops = map[string][]string{
	"exit":      {"target", "detail"},
	"hold":      {"detail", "target"},
	"release":   {"target"},
	"pause":     {"sup"},
	"resume":    {"sup"},
	"start":     {"sup", "child"},
	"terminate": {"sup", "target"},
	"restart":   {"sup", "target"},
	"delete":    {"sup", "target"},
	"spec":      {"sup", "target"},
	"wait":      {"wait"},
	"states":    {},
	"stop":      {},
}

func (s *scenario) String() string {
	var text strings.Builder
	s.root.write(&text, "")
	text.WriteString("acts\n")
	for _, a := range s.acts {
		fmt.Fprintf(&text, "\t%v\n", a)
	}
	return text.String()
}

func (n *node) write(text *strings.Builder, indent string) {
	fmt.Fprintf(text, "%s%v\n", indent, n)
	for _, child := range n.children {
		child.write(text, indent+"\t")
	}
}

// String is the node's own line, without what is a default.
func (n *node) String() string {
	text := "child " + n.name
	if n.sup != nil {
		text = fmt.Sprintf("supervisor %s %s intensity=%d period=%d", n.name, n.sup.strategy, n.sup.intensity, n.sup.period)
		if n.sup.auto != "never" {
			text += " auto=" + n.sup.auto
		}
	}
	if n.restart != "permanent" {
		text += " restart=" + n.restart
	}
	if n.shutdown != n.defaultShutdown() {
		text += " shutdown=" + n.shutdown
	}
	if n.significant {
		text += " significant"
	}
	if n.stubborn {
		text += " stubborn"
	}
	if len(n.fails) > 0 {
		text += " fails=" + numbers(n.fails)
	}
	if len(n.ignores) > 0 {
		text += " ignores=" + numbers(n.ignores)
	}
	return text
}

func (n *node) defaultShutdown() string {
	if n.sup != nil {
		return "infinity"
	}
	return "5s"
}

func numbers(list []int) string {
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ",")
}

func (a act) String() string {
	text := a.op
	for _, part := range ops[a.op] {
		switch part {
		case "target":
			text += " " + a.target
		case "sup":
			text += " " + a.sup
		case "detail":
			text += " " + a.detail
		case "wait":
			text += " " + a.wait.String()
		case "child":
			text += " " + a.child.String()
		}
	}
	return text
}

// node finds a supervisor or child of the tree by its name, nil if there is none.
func (s *scenario) node(name string) *node {
	for _, n := range s.nodes() {
		if n.name == name {
			return n
		}
	}
	return nil
}

// dynamic says whether a supervisor is.
func (s *scenario) dynamic(name string) bool {
	n := s.node(name)
	return n != nil && n.sup != nil && n.sup.dynamic()
}

// started are the children of dynamic supervisors, which know no order.
func (s *scenario) started() map[string]bool {
	names := make(map[string]bool)
	for _, a := range s.acts {
		if a.child != nil && s.dynamic(a.sup) {
			names[a.child.name] = true
		}
	}
	return names
}

func (f *flags) dynamic() bool { return f.strategy == "dynamic" }

// all gives the node and everything below it.
func (n *node) all() []*node {
	nodes := []*node{n}
	for _, child := range n.children {
		nodes = append(nodes, child.all()...)
	}
	return nodes
}

// nodes are all that the scenario knows, those that acts start included.
func (s *scenario) nodes() []*node {
	nodes := s.root.all()
	for _, a := range s.acts {
		if a.child != nil {
			nodes = append(nodes, a.child.all()...)
		}
	}
	return nodes
}
