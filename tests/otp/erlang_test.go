package otp_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// erlang is a node of Erlang that plays scenarios with OTP's supervisor.
type erlang struct {
	command *exec.Cmd
	input   io.WriteCloser
	errors  bytes.Buffer  // to be read when it has ended
	read    chan struct{} // closed when its output has ended

	mu      sync.Mutex
	number  int
	waiting map[int]chan performance
	err     error
}

// performance is what became of a scenario.
type performance struct {
	events []string
	late   time.Duration // of the worst act
}

// atOnce is how many scenarios one node plays at the same time: so many that
// their waiting overlaps, so few that they are not late.
const atOnce = 400

// startErlang compiles the interpreter and starts a node, which ends with the
// test. There is none, and no error, if Erlang is not installed.
func startErlang(t *testing.T) *erlang {
	t.Helper()
	for _, program := range []string{"erl", "erlc"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil
		}
	}
	directory := t.TempDir()
	if out, err := exec.Command("erlc", "-o", directory, "oracle.erl").CombinedOutput(); err != nil {
		t.Fatalf("erlc: %v\n%s", err, out)
	}
	e := &erlang{waiting: make(map[int]chan performance), read: make(chan struct{})}
	e.command = exec.Command("erl", "-noshell", "-pa", directory, "-s", "oracle", "main")
	e.command.Stderr = &e.errors
	var err error
	if e.input, err = e.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := e.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.command.Start(); err != nil {
		t.Fatal(err)
	}
	go e.listen(output)
	t.Cleanup(func() {
		_ = e.input.Close()
		<-e.read
		if err := e.command.Wait(); err != nil || t.Failed() {
			t.Logf("erl: %v\n%s", err, e.errors.String())
		}
	})
	return e
}

// listen takes the performances from the node until it ends.
func (e *erlang) listen(output io.Reader) {
	defer close(e.read)
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		parts := strings.Split(lines.Text(), "\t")
		number, err1 := strconv.Atoi(parts[0])
		if err1 != nil || len(parts) < 2 {
			e.fail(fmt.Errorf("erl says %q", lines.Text()))
			continue
		}
		late, err := strconv.Atoi(parts[1])
		if err != nil {
			e.fail(err)
			continue
		}
		e.mu.Lock()
		reply := e.waiting[number]
		delete(e.waiting, number)
		e.mu.Unlock()
		if reply != nil {
			reply <- performance{events: parts[2:], late: time.Duration(late) * time.Millisecond}
		}
	}
	e.fail(fmt.Errorf("erl has ended: %v", lines.Err()))
}

func (e *erlang) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = err
	}
	for number, reply := range e.waiting {
		delete(e.waiting, number)
		close(reply)
	}
}

// perform plays one scenario. It may be called from many goroutines at once.
func (e *erlang) perform(s *scenario) (performance, error) {
	reply := make(chan performance, 1)
	e.mu.Lock()
	if e.err != nil {
		defer e.mu.Unlock()
		return performance{}, e.err
	}
	e.number++
	e.waiting[e.number] = reply
	_, err := io.WriteString(e.input, s.term(e.number)+"\n")
	e.mu.Unlock()
	if err != nil {
		return performance{}, err
	}
	p, ok := <-reply
	if !ok {
		return p, e.err
	}
	return p, nil
}

// performAll plays scenarios, many at the same time.
func (e *erlang) performAll(scenarios []*scenario) ([]performance, error) {
	performances := make([]performance, len(scenarios))
	errs := make([]error, len(scenarios))
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, s := range scenarios {
		slots <- struct{}{}
		all.Go(func() {
			performances[i], errs[i] = e.perform(s)
			<-slots
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return performances, nil
}
