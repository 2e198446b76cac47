package machine

import (
	"runtime/debug"
	"testing"
)

// A program that was built elsewhere is not of the commit that it happens to run in.
func TestTheCommitThatAProgramWasBuiltFrom(t *testing.T) {
	stamped := func(settings ...debug.BuildSetting) *debug.BuildInfo { return &debug.BuildInfo{Settings: settings} }
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef"}
	for _, test := range []struct {
		info *debug.BuildInfo
		want string
	}{
		{nil, ""},
		{stamped(), ""},
		{stamped(debug.BuildSetting{Key: "vcs.modified", Value: "true"}), ""},
		{stamped(revision), "0123456789ab"},
		{stamped(revision, debug.BuildSetting{Key: "vcs.modified", Value: "true"}), "0123456789ab+"},
	} {
		if got := built(test.info, test.info != nil); got != test.want {
			t.Errorf("%+v: got %q, want %q", test.info, got, test.want)
		}
	}
}
