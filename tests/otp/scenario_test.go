package otp_test

import (
	"fmt"
	"slices"
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

// parse reads the text form. Comments and blank lines are skipped.
func parse(text string) (*scenario, error) {
	s := new(scenario)
	var above []*node // the supervisors that the next line may belong to, by depth
	inActs := false
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		trimmed := strings.TrimLeft(line, "\t")
		depth := len(line) - len(trimmed)
		words := strings.Fields(trimmed)
		if len(words) == 0 {
			continue
		}
		fail := func(err error) (*scenario, error) { return nil, fmt.Errorf("line %d: %q: %w", i+1, line, err) }
		if words[0] == "acts" {
			inActs = true
			continue
		}
		if inActs {
			a, err := parseAct(words)
			if err != nil {
				return fail(err)
			}
			s.acts = append(s.acts, a)
			continue
		}
		n, err := parseNode(words)
		if err != nil {
			return fail(err)
		}
		switch {
		case depth == 0 && s.root == nil && n.sup != nil:
			s.root = n
		case depth == 0 || depth > len(above):
			return fail(fmt.Errorf("depth %d", depth))
		default:
			parent := above[depth-1]
			parent.children = append(parent.children, n)
		}
		above = above[:depth]
		if n.sup != nil {
			above = append(above, n)
		}
	}
	if s.root == nil {
		return nil, fmt.Errorf("no supervisor")
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	s.castTemplates()
	return s, nil
}

// check finds words and names that mean nothing.
func (s *scenario) check() error {
	names := make(map[string]bool)
	for _, n := range s.nodes() {
		names[n.name] = true
		if _, ok := restarts[n.restart]; !ok {
			return fmt.Errorf("%s: restart=%s", n.name, n.restart)
		}
		if n.sup == nil {
			continue
		}
		_, strategy := strategies[n.sup.strategy]
		_, auto := autoShutdowns[n.sup.auto]
		if !strategy || !auto || n.sup.dynamic() && len(n.children) != 1 {
			return fmt.Errorf("%s: no such strategy or auto, or a dynamic supervisor without its template", n.name)
		}
	}
	for _, a := range s.acts {
		if a.sup == "" && a.target != "" && !names[a.target] { // requests may name anybody
			return fmt.Errorf("%v: who is %s?", a, a.target)
		}
		if a.sup != "" && (s.node(a.sup) == nil || s.node(a.sup).sup == nil) {
			return fmt.Errorf("%v: %s is no supervisor", a, a.sup)
		}
		if s.dynamic(a.sup) && (a.op == "restart" || a.op == "delete" || a.op == "spec") {
			return fmt.Errorf("%v: not with a dynamic supervisor", a)
		}
	}
	return nil
}

// castTemplates gives the children that are started below a dynamic supervisor
// what its template says.
func (s *scenario) castTemplates() {
	for _, a := range s.acts {
		if a.child != nil && s.dynamic(a.sup) {
			template := s.node(a.sup).children[0]
			a.child.restart, a.child.shutdown = template.restart, template.shutdown
		}
	}
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

func parseNode(words []string) (*node, error) {
	if len(words) < 2 {
		return nil, fmt.Errorf("no name")
	}
	n := &node{name: words[1], restart: "permanent"}
	attributes := words[2:]
	switch {
	case words[0] == "supervisor" && len(attributes) > 0:
		n.sup = &flags{strategy: attributes[0], intensity: 1, period: 5, auto: "never"}
		attributes = attributes[1:]
	case words[0] != "child":
		return nil, fmt.Errorf("want child, or supervisor with a strategy")
	}
	n.shutdown = n.defaultShutdown()
	for _, attribute := range attributes {
		if err := n.set(attribute); err != nil {
			return nil, fmt.Errorf("%s: %w", attribute, err)
		}
	}
	return n, nil
}

func (n *node) set(attribute string) (err error) {
	key, value, _ := strings.Cut(attribute, "=")
	switch {
	case key == "restart":
		n.restart = value
	case key == "shutdown":
		n.shutdown = value
	case key == "significant":
		n.significant = true
	case key == "stubborn":
		n.stubborn = true
	case key == "fails":
		n.fails, err = parseNumbers(value)
	case key == "ignores":
		n.ignores, err = parseNumbers(value)
	case n.sup == nil:
		return fmt.Errorf("no attribute of a child")
	case key == "intensity":
		n.sup.intensity, err = strconv.Atoi(value)
	case key == "period":
		n.sup.period, err = strconv.Atoi(value)
	case key == "auto":
		n.sup.auto = value
	default:
		return fmt.Errorf("no attribute")
	}
	return err
}

func parseNumbers(text string) (list []int, err error) {
	for _, word := range strings.Split(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

func parseAct(words []string) (a act, err error) {
	a.op = words[0]
	parts, ok := ops[a.op]
	rest := words[1:]
	if !ok || len(rest) < len(parts) {
		return a, fmt.Errorf("want %s %s", a.op, strings.Join(parts, " "))
	}
	for _, part := range parts {
		switch part {
		case "target":
			a.target = rest[0]
		case "sup":
			a.sup = rest[0]
		case "detail":
			a.detail = rest[0]
		case "wait":
			a.wait, err = time.ParseDuration(rest[0])
		case "child":
			a.child, err = parseNode(rest)
			return a, err
		}
		rest = rest[1:]
	}
	return a, err
}

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
