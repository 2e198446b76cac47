//go:build !race

package cancel_test

// loaded is the size of the test.
var loaded = full
