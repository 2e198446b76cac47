package actortest_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// failingVariable makes the test binary play a test that must fail.
const failingVariable = "ACTORTEST_FAILING"

func TestMain(m *testing.M) {
	if os.Getenv(failingVariable) != "" {
		os.Exit(m.Run()) // it leaks on purpose
	}
	goleak.VerifyTestMain(m)
}
