package otp_test

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

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
