package source

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
)

// Why something that looked like part of the tree is not indexed, beside the
// errors of the file system.
var (
	// ErrLinkedDirectory is a symbolic link to a directory.
	ErrLinkedDirectory = errors.New("a symbolic link to a directory is not followed")
	// ErrIrregular is a pipe, socket or device named like a Go file. Reading
	// one could wait for ever.
	ErrIrregular = errors.New("not a regular file")
	// ErrTooLarge is a file of more than [MaxSize] bytes.
	ErrTooLarge = errors.New("larger than 32 MiB, not indexed")
)

// Problem is one thing of a tree that cannot be indexed. It does not keep the
// rest from being indexed.
type Problem struct {
	Path string // relative to the tree's root
	Err  error  // why; never nil
}

// Error is the path, quoted if it would not print, and the reason.
func (p *Problem) Error() string {
	path := p.Path
	if strings.ContainsFunc(path, func(r rune) bool { return !strconv.IsPrint(r) }) {
		path = strconv.Quote(path)
	}
	return path + ": " + p.Err.Error()
}

// Unwrap gives the reason.
func (p *Problem) Unwrap() error { return p.Err }

// problem says a path once: the file system's errors come with their own copy.
func problem(path string, err error) *Problem {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	return &Problem{Path: path, Err: err}
}
