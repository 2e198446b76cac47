//go:build !linux

package unsupervised_test

func outOfMemory() error { return nil }

// canRunOutOfMemory says whether there is a limit that one process can give to
// itself.
func canRunOutOfMemory() bool { return false }
