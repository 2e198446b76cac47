package unsupervised_test

import "syscall"

// outOfMemory asks for more memory than the process may have.
func outOfMemory() error {
	const most = 4 << 30
	limit := syscall.Rlimit{Cur: most, Max: most}
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
		return err
	}
	hold = make([]byte, 2*most)
	return nil
}

func canRunOutOfMemory() bool { return true }
