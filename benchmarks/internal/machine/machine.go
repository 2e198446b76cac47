// Package machine says where and with what code figures were measured: without
// that they cannot be compared with others.
package machine

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Machine is where and when figures were measured, and with what code.
type Machine struct {
	CPU    string    `json:"cpu"`  // the model's name; empty if the system does not tell
	CPUs   int       `json:"cpus"` // that the program may use (GOMAXPROCS)
	OS     string    `json:"os"`
	Arch   string    `json:"arch"`
	Go     string    `json:"go"`
	Commit string    `json:"commit"` // of the working directory, with "+" if files were changed; empty outside of git
	Time   time.Time `json:"time"`
}

// Describe describes this machine, now.
func Describe() Machine {
	return Machine{
		CPU:    model(),
		CPUs:   runtime.GOMAXPROCS(0),
		OS:     runtime.GOOS,
		Arch:   runtime.GOARCH,
		Go:     runtime.Version(),
		Commit: commit(),
		Time:   time.Now().UTC().Truncate(time.Second),
	}
}

// String is one line.
func (m Machine) String() string {
	cpu, commit := m.CPU, m.Commit
	if cpu == "" {
		cpu = "CPU of unknown model"
	}
	if commit == "" {
		commit = "unknown"
	}
	return fmt.Sprintf("%d x %s, %s/%s, %s, commit %s, %s", m.CPUs, cpu, m.OS, m.Arch, m.Go, commit, m.Time.Format("2006-01-02 15:04 MST"))
}

func model() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return ""
	}
	name := strings.TrimSpace(string(head))
	if changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output(); err == nil && len(changed) > 0 {
		name += "+"
	}
	return name
}
