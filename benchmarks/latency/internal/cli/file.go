package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
)

// readFile sets the flags that a file has and that were not given, and says which
// these are. Its error is what is wrong with the file, all of it.
func readFile(path string, flags *flag.FlagSet, given map[string]bool) (set map[string]bool, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("-tree: %w", err)
	}
	fields, err := fieldsOf(text)
	if err != nil {
		return nil, fmt.Errorf("-tree %s: %w", path, err)
	}
	set = make(map[string]bool)
	seen := make(map[string]bool)
	var faults []error
	for _, f := range fields {
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("-tree %s: "+format, append([]any{path}, args...)...))
		}
		switch {
		case !slices.Contains(described, f.name):
			fault("there is no field %q; there are %s", f.name, strings.Join(described, ", "))
			continue
		case seen[f.name]:
			fault("%s: it is there twice", f.name)
			continue
		}
		if seen[f.name] = true; given[f.name] {
			continue
		}
		value, err := plain(f.value)
		if err != nil {
			fault("%s: %w", f.name, err)
			continue
		}
		if err := flags.Set(f.name, value); err != nil {
			fault("%s: %s: %w", f.name, value, err)
			continue
		}
		set[f.name] = true
	}
	return set, errors.Join(faults...)
}

// field is one of a file.
type field struct {
	name  string
	value json.RawMessage
}

// fieldsOf are the fields of an object, in its order.
func fieldsOf(text []byte) ([]field, error) {
	if err := json.Unmarshal(text, new(any)); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text)) // which is JSON: no error below is one of its syntax
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		return nil, errors.New(`want a JSON object with the names of flags, such as {"depth": 3}`)
	}
	var fields []field
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		f := field{name: fmt.Sprint(name)}
		if err := decoder.Decode(&f.value); err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, nil
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
