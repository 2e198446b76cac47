// Package machine says where and with what code figures were measured: without
// that they cannot be compared with others.
package machine

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
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
	Commit string    `json:"commit"` // that the program was built from, or of the working directory if it does not know; with "+" if files were changed; empty if neither is there
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

// built is the commit that a program says it was built from. One that "go run" or "go
// test" has built says none.
func built(info *debug.BuildInfo, ok bool) string {
	if !ok {
		return ""
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	name := settings["vcs.revision"]
	if name = name[:min(len(name), digits)]; name != "" && settings["vcs.modified"] == "true" {
		name += "+"
	}
	return name
}

// digits is how many of a commit are told.
const digits = 12

func commit() string {
	if name := built(debug.ReadBuildInfo()); name != "" {
		return name
	}
	head, err := exec.Command("git", "rev-parse", fmt.Sprintf("--short=%d", digits), "HEAD").Output()
	if err != nil {
		return ""
	}
	name := strings.TrimSpace(string(head))
	if changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output(); err == nil && len(changed) > 0 {
		name += "+"
	}
	return name
}
