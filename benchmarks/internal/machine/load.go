package machine

import (
	"fmt"
	"os"
	"runtime"
)

// busy is the load average, for each processor, from which a machine is.
const busy = 0.5

// Busy says in a sentence that the machine has other work, going by its load average
// of the last minute; it is empty if it has not, or where the system does not tell.
// What ran just before, such as a build, counts too.
func Busy() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return busyAt(string(text), runtime.NumCPU())
}

func busyAt(average string, cpus int) string {
	var load float64
	if _, err := fmt.Sscan(average, &load); err != nil || load <= busy*float64(cpus) {
		return ""
	}
	return fmt.Sprintf("the load average was %.2f at the start, with %d processors: on a busy machine ratios and verdicts mean little", load, cpus)
}
