package machine

import "testing"

func TestABusyMachine(t *testing.T) {
	const want = "the load average was 1.25 at the start, with 2 processors: on a busy machine ratios and verdicts mean little"
	for _, test := range []struct {
		average string
		cpus    int
		want    string
	}{
		{"1.25 0.58 0.59 1/389 1234\n", 2, want},
		{"1.25 0.58 0.59 1/389 1234\n", 4, ""},
		{"1.00 9.00 9.00 1/389 1234\n", 2, ""},
		{"", 2, ""},
		{"unknown", 2, ""},
	} {
		if got := busyAt(test.average, test.cpus); got != test.want {
			t.Errorf("%q, %d processors: got %q, want %q", test.average, test.cpus, got, test.want)
		}
	}
}
