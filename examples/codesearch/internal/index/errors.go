package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"modernc.org/sqlite"
	sqlitecode "modernc.org/sqlite/lib"
)

// What can be wrong with a database.
var (
	// ErrMissing means that nothing has been indexed there yet.
	ErrMissing = errors.New("there is no index yet")
	// ErrForeign is a file that codesearch did not make. It is never changed
	// or removed, also not by [Discard].
	ErrForeign = errors.New("not a codesearch index; remove it or choose another path")
	// ErrOutdated is an index from another version of codesearch or of the Go
	// parser. [Open] empties it; reading from it fails.
	ErrOutdated = errors.New("made by another version, it has to be built again")
	// ErrDamaged is an index that SQLite finds inconsistent.
	ErrDamaged = errors.New("damaged, it has to be built again")
	// ErrLocked means that somebody else was writing for the whole of
	// [BusyTimeout], or holds the [Lock].
	ErrLocked = errors.New("in use by another process")
	// ErrFull means that there was no room to write.
	ErrFull = errors.New("no space left")
	// ErrUnwritable is a database that cannot be opened or written, for want of
	// a permission or of the directory.
	ErrUnwritable = errors.New("cannot be opened or written: see whether its directory is there and writable")
)

// OtherTreeError is an index that belongs to another tree.
type OtherTreeError struct {
	Path string // of the database
	Root string // of the tree that it holds
}

// Error names both.
func (o *OtherTreeError) Error() string {
	return fmt.Sprintf("%s: holds the index of another tree, %s", o.Path, o.Root)
}

// explain adds to an error which database it concerns, what was being done,
// and which of this package's errors it is.
func explain(path, doing string, err error) error {
	if err == nil {
		return nil
	}
	if known := classify(err); known != nil {
		return fmt.Errorf("%s: %s: %w: %w", path, doing, known, err)
	}
	return fmt.Errorf("%s: %s: %w", path, doing, err)
}

func classify(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return ErrUnwritable
	}
	failure, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return nil
	}
	switch failure.Code() { // with SQLite's extended part
	case sqlitecode.SQLITE_IOERR_WRITE, sqlitecode.SQLITE_IOERR_SHMSIZE:
		// Without room for its shared-memory file SQLite says "I/O error".
		return ErrFull
	}
	switch failure.Code() & 0xff {
	case sqlitecode.SQLITE_BUSY, sqlitecode.SQLITE_LOCKED:
		return ErrLocked
	case sqlitecode.SQLITE_CORRUPT, sqlitecode.SQLITE_NOTADB:
		return ErrDamaged
	case sqlitecode.SQLITE_FULL:
		return ErrFull
	case sqlitecode.SQLITE_READONLY, sqlitecode.SQLITE_CANTOPEN, sqlitecode.SQLITE_PERM:
		return ErrUnwritable
	}
	return nil
}
