package stacks

import (
	"encoding/binary"
	"fmt"
	"iter"
	"strings"
)

// profile is as much of a profile in its usual form, a message of profile.proto,
// as it takes to find stacks by their labels. That form is much cheaper to make
// than the text when there are many goroutines: each function is looked up once.
type profile struct {
	strings   []string
	samples   [][]byte            // as they came: most are not of interest
	locations map[uint64][]line   // of an address; the last function is the one that the others are inlined into
	functions map[uint64]function // by number
}

type line struct{ function, number uint64 }

type function struct{ name, file uint64 } // as numbers of strings

// sample is a group of goroutines with the same stack and the same labels.
type sample struct {
	count     uint64
	locations []uint64 // the innermost is first
	labels    map[string]string
}

// The numbers of fields in profile.proto.
const (
	profileSample, profileLocation, profileFunction, profileString = 2, 4, 5, 6

	sampleLocation, sampleValue, sampleLabel = 1, 2, 3
	labelKey, labelText                      = 1, 2
	locationID, locationLine                 = 1, 4
	lineFunction, lineNumber                 = 1, 2
	functionID, functionName, functionFile   = 1, 2, 4
)

func decode(message []byte) *profile {
	p := &profile{locations: make(map[uint64][]line), functions: make(map[uint64]function)}
	for number, f := range fields(message) {
		switch number {
		case profileString:
			p.strings = append(p.strings, string(f.bytes))
		case profileSample:
			p.samples = append(p.samples, f.bytes)
		case profileLocation:
			v := values(f.bytes)
			for number, f := range fields(f.bytes) {
				if number == locationLine {
					l := values(f.bytes)
					p.locations[v[locationID]] = append(p.locations[v[locationID]], line{l[lineFunction], l[lineNumber]})
				}
			}
		case profileFunction:
			v := values(f.bytes)
			p.functions[v[functionID]] = function{v[functionName], v[functionFile]}
		}
	}
	return p
}

// sample decodes one of the samples.
func (p *profile) sample(message []byte) sample {
	s := sample{labels: make(map[string]string)}
	for number, f := range fields(message) {
		switch number {
		case sampleLocation:
			s.locations = append(s.locations, f.numbers()...)
		case sampleValue:
			for _, n := range f.numbers() {
				s.count = n
			}
		case sampleLabel:
			v := values(f.bytes)
			s.labels[p.string(v[labelKey])] = p.string(v[labelText])
		}
	}
	return s
}

func (p *profile) string(number uint64) string {
	if number < uint64(len(p.strings)) {
		return p.strings[number]
	}
	return ""
}

// stack is the text of a stack: for each call the function and, on a line of its
// own, where in it. What the runtime does at its inner end is left out.
func (p *profile) stack(locations []uint64) string {
	var text strings.Builder
	for _, location := range locations {
		for _, line := range p.locations[location] {
			f := p.functions[line.function]
			name := p.string(f.name)
			if name == "runtime.goexit" || text.Len() == 0 && ofRuntime(name) {
				continue
			}
			fmt.Fprintf(&text, "%s\n\t%s:%d\n", name, p.string(f.file), line.number)
		}
	}
	return text.String()
}

func ofRuntime(function string) bool {
	return strings.HasPrefix(function, "runtime.") || strings.HasPrefix(function, "internal/runtime/")
}

// field is the value of a field of a message: a number, or bytes.
type field struct {
	number uint64
	bytes  []byte // nil for a number
}

// numbers are those of a repeated field, which may be packed into one.
func (f field) numbers() (numbers []uint64) {
	if f.bytes == nil {
		return []uint64{f.number}
	}
	for rest := f.bytes; len(rest) > 0; {
		n, size := binary.Uvarint(rest)
		if size <= 0 {
			break
		}
		numbers, rest = append(numbers, n), rest[size:]
	}
	return numbers
}

// values are the first few fields of a message that are numbers.
func values(message []byte) (v [8]uint64) {
	for number, f := range fields(message) {
		if number < len(v) && f.bytes == nil {
			v[number] = f.number
		}
	}
	return v
}

// fields gives the fields of a message with their numbers, up to one that it
// cannot read.
func fields(message []byte) iter.Seq2[int, field] {
	return func(yield func(int, field) bool) {
		for len(message) > 0 {
			tag, size := binary.Uvarint(message)
			if size <= 0 {
				return
			}
			message = message[size:]
			value, size := binary.Uvarint(message)
			if size <= 0 {
				return
			}
			message = message[size:]
			f := field{number: value}
			switch tag & 7 {
			case 0: // a number
			case 2: // so many bytes
				if value > uint64(len(message)) {
					return
				}
				f.bytes, message = message[:value:value], message[value:]
			default:
				return
			}
			if !yield(int(tag>>3), f) {
				return
			}
		}
	}
}
