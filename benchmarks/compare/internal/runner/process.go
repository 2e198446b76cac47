package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Limit is how long one process may take.
const Limit = 5 * time.Minute

// Output runs a command and reads what it prints: its figures, as an array of
// JSON. When ctx ends the process is killed; it is gone when Output returns.
func Output(ctx context.Context, job Job, path string, arguments ...string) ([]float64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, Limit, fmt.Errorf("not done after %v", Limit))
	defer cancel()
	var out bytes.Buffer
	var messages beginning
	cmd := exec.CommandContext(ctx, path, arguments...)
	cmd.Stdout, cmd.Stderr = &out, &messages
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		if said := messages.String(); said != "" {
			err = fmt.Errorf("%w\n%s", err, said)
		}
		return nil, err
	}
	var values []float64
	if err := json.Unmarshal(out.Bytes(), &values); err != nil {
		return nil, fmt.Errorf("what it printed: %w", err)
	}
	if want := len(job.Measurement.Of()); len(values) != want {
		return nil, fmt.Errorf("%d figures, want %d", len(values), want)
	}
	return values, nil
}

// mostSaid is how much is kept of what a process says as it fails.
const mostSaid = 2000

// beginning keeps the beginning of what is written, where the reason is: behind it a
// program that has crashed may list a million goroutines.
type beginning struct {
	text []byte
	all  int // bytes that were written
}

func (b *beginning) Write(text []byte) (int, error) {
	b.all += len(text)
	b.text = append(b.text, text[:min(len(text), mostSaid-len(b.text))]...)
	return len(text), nil
}

func (b *beginning) String() string {
	text := strings.TrimSpace(string(b.text))
	if left := b.all - len(b.text); left > 0 {
		text += fmt.Sprintf("\n... and %d bytes more", left)
	}
	return text
}
