// Package architecture checks what the compiler does not: which room may import
// which, where foreign code enters, and where panics are caught. Its tables are
// the decisions; a change of one is a change of the design, with a reason.
package architecture_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	module    = "github.com/coppice-go/coppice"
	backoff   = "github.com/cenkalti/backoff/v4"
	telemetry = "go.opentelemetry.io/otel"
	profile   = "github.com/google/pprof/profile"
)

// room is what a directory directly below the module, or below internal/, may
// import outside of its tests, beside the standard library and itself.
type room struct {
	rooms []string // of this module
	doors []string // other modules' packages, with what is below them

	// How often the room calls recover and starts a goroutine, and why. More is
	// a second place that decides about panics, or a goroutine somebody has to
	// wait for.
	recovers, goroutines int
	why                  string
}

var rooms = map[string]room{
	"exit":     {rooms: []string{"internal/frames"}, recovers: 1, why: "errors of the user asked for their text: fmt does not survive all of them"},
	"strategy": {rooms: []string{"exit"}, doors: []string{backoff}, recovers: 1, why: "the user's backoff runs here"},
	"mailbox":  {},
	"tracing": {
		rooms: []string{"exit"},
		doors: []string{
			telemetry + "/attribute", telemetry + "/codes", telemetry + "/log",
			telemetry + "/metric", telemetry + "/semconv", telemetry + "/trace",
		},
		recovers: 2, why: "the user's sinks and log handler, and errors of the user asked for their type (S119)",
	},
	"internal/incarnation": {
		rooms:    []string{"exit"},
		recovers: 1, why: "the one place that catches the panics of children (S3)",
	},
	"internal/stacks":   {doors: []string{profile}},
	"internal/frames":   {},
	"internal/testhelp": {}, // for tests: no other room may import it
	"actor":             {rooms: []string{"exit", "mailbox", "tracing", "internal/incarnation"}},
	"supervisor": {
		rooms:    []string{"exit", "strategy", "tracing", "internal/frames", "internal/incarnation", "internal/stacks"},
		recovers: 1, goroutines: 3,
		why: "a child is asked for its name; an incarnation begins, and begins again after it was parked; Go",
	},
	"actortest": {
		rooms: []string{
			"actor", "exit", "strategy", "supervisor", "tracing",
			"mailbox",              // whoever has its Stats takes messages
			"internal/incarnation", // faults come in through the contexts of incarnations
			"internal/stacks",      // leaks are found by the labels of a tree
		},
		recovers: 1, goroutines: 2,
		why: "a bubble in which a child has left goroutines panics, and the next scenario is to be played; what is waited for with a limit, and the goroutine of a child that fails",
	},
	"tests": {}, // black box: has nothing but tests
}

// forbidden are packages that no room may link, directly or through others.
var forbidden = map[string]string{
	"net/http": "a runtime without HTTP must not pay for it",
	telemetry:  "the root package of OpenTelemetry brings net/http and the global provider",
}

// widest is how many exported methods an exported interface of a public room may
// have: a user can write a fake of four in ten lines.
const widest = 4
