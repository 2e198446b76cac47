package cli

import (
	"flag"
	"fmt"
	"time"
)

// explain makes a flag say what it wants: those of package flag say "parse error".
func explain(f *flag.Flag) {
	getter, ok := f.Value.(flag.Getter)
	if !ok {
		return
	}
	switch getter.Get().(type) {
	case time.Duration:
		f.Value = value{getter, `a duration such as "10ms"`}
	case float64:
		f.Value = value{getter, "a number"}
	case int, uint64:
		f.Value = value{getter, "a whole number"}
	}
}

// value is the value of a flag. What it cannot take leaves it as it was.
type value struct {
	flag.Getter
	kind string
}

// Set takes a value.
func (v value) Set(text string) error {
	before := v.String()
	if err := v.Getter.Set(text); err != nil {
		_ = v.Getter.Set(before) // which it was
		return fmt.Errorf("want %s", v.kind)
	}
	return nil
}

// String is the value; package flag asks the zero value too.
func (v value) String() string {
	if v.Getter == nil {
		return ""
	}
	return v.Getter.String()
}
