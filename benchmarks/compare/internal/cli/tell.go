package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/report"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/runner"
	"github.com/coppice-go/coppice/benchmarks/internal/files"
	"github.com/coppice-go/coppice/benchmarks/internal/machine"
)

// documentName is the file that -write writes beside the plot.
const documentName = "RESULTS.md"

func (o options) report(outcome runner.Outcome) report.Report {
	r := report.Report{
		Command:      o.command(),
		Machine:      machine.Describe(),
		Measurements: o.measurements,
		Short:        o.short,
		Repetitions:  o.repetitions,
		Complete:     outcome.Complete,
	}
	for _, f := range outcome.Samples.Figures(o.names()) {
		if o.tells(f.Workload) {
			r.Figures = append(r.Figures, f)
		}
	}
	for _, err := range outcome.Failed {
		r.Failures = append(r.Failures, err.Error())
	}
	return r
}

// command is the command line, for a shell.
func (o options) command() string {
	words := []string{"go run ./benchmarks/compare"}
	for _, word := range o.commandLine {
		if word == "" || strings.ContainsFunc(word, isSpecial) {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// isSpecial says of more than is special to a shell.
func isSpecial(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./=,:+@%", r)
}

// tell writes before it prints: who reads what is printed, such as head, may have gone.
func (o options) tell(r report.Report, streams Streams) error {
	var faults []error
	if o.write != "" {
		faults = append(faults, o.file(report.PlotName, r.Plot), o.file(documentName, r.Document))
	}
	return errors.Join(append(faults, o.print(r, streams))...)
}

func (o options) print(r report.Report, streams Streams) error {
	if o.json {
		return r.JSON(streams.Out)
	}
	fmt.Fprintf(streams.Out, "%v; median (least–most) of %s, **ratio to raw**\n", r.Machine, r.Processes())
	if r.Interrupted() {
		fmt.Fprintf(streams.Out, "\nInterrupted %s.\n", r.Extent())
	}
	if r.Short {
		fmt.Fprintf(streams.Out, "\n%s.\n", r.Briefly())
		for _, line := range r.Shortened() {
			fmt.Fprintln(streams.Out, "-", line)
		}
	}
	fmt.Fprintln(streams.Out)
	if err := r.Table(streams.Out); err != nil {
		return err
	}
	notes := slices.DeleteFunc([]string{r.Legend(), r.Gaps()}, func(note string) bool { return note == "" })
	if len(notes) > 0 {
		fmt.Fprintf(streams.Out, "\n%s.\n", strings.Join(notes, "; "))
	}
	return nil
}

// makeDirectories makes those that are to be written to, before minutes are
// spent on what has no place.
func (o options) makeDirectories() error {
	for _, directory := range []string{o.write, o.profiles} {
		if directory == "" {
			continue
		}
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
		if err := files.Check(filepath.Join(directory, documentName)); err != nil {
			return err
		}
	}
	return nil
}

func (o options) file(name string, write func(io.Writer) error) error {
	return files.Replace(filepath.Join(o.write, name), write)
}
