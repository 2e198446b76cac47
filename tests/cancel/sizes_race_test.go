//go:build race

package cancel_test

// loaded is the size of the test. With the race detector fewer messages get
// through, and each goroutine costs more: full would take a minute.
var loaded = size{workers: 1_000, share: full.share / 10, slow: full.slow, pause: full.pause, gap: full.gap}
