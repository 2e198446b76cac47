package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// readFile sets the flags that a file has and that were not given, and adds them to
// those. It says what is wrong with the file, all of it.
func readFile(path string, flags *flag.FlagSet, given map[string]bool) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("-tree: %w", err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return fmt.Errorf("-tree %s: %w", path, err)
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(described, name) {
			faults = append(faults, fmt.Errorf("-tree %s: there is no field %q; there are %s", path, name, strings.Join(described, ", ")))
			continue
		}
		if given[name] {
			continue
		}
		value, err := plain(fields[name])
		if err == nil {
			err = flags.Set(name, value)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("-tree %s: %s: %w", path, name, err))
		}
		given[name] = true
	}
	return errors.Join(faults...)
}

// plain is a JSON string or number as a flag would have it.
func plain(raw json.RawMessage) (string, error) {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return "", err
	}
	switch value := value.(type) {
	case string:
		return value, nil
	case json.Number:
		return value.String(), nil
	}
	return "", fmt.Errorf("%s is neither a string nor a number", raw)
}
