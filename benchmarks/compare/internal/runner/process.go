package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	var out, messages bytes.Buffer
	cmd := exec.CommandContext(ctx, path, arguments...)
	cmd.Stdout, cmd.Stderr = &out, &messages
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, errors.New(strings.TrimSpace(messages.String())))
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
