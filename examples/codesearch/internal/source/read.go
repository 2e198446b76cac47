package source

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
)

// MaxSize is the number of bytes above which a file is a [Problem] instead of
// a Go file: its syntax tree would take some twenty times as much memory.
const MaxSize = 32 << 20

// Hash is the SHA-256 of a file's content.
type Hash [sha256.Size]byte

// Content is a file that has been read. Its Hash belongs to its Text, while
// size and time in File are those from before it was read: a file that is
// being written to meanwhile looks changed to the next run.
type Content struct {
	File
	Hash Hash
	Text []byte
}

// Read reads a file that [Files] has found. The error is a [*Problem].
func Read(tree fs.FS, file File) (Content, error) {
	text, err := readText(tree, file.Path)
	if err != nil {
		return Content{}, problem(file.Path, err)
	}
	return Content{File: file, Hash: sha256.Sum256(text), Text: text}, nil
}

func readText(tree fs.FS, path string) (_ []byte, err error) {
	opened, err := tree.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	text, err := io.ReadAll(io.LimitReader(opened, MaxSize+1))
	if err == nil && len(text) > MaxSize {
		return nil, ErrTooLarge
	}
	return text, err
}
