package index

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
)

// Lock is the right to index into one database. It keeps two runs from
// discarding and filling the same index at once; it does not hinder those who
// read. The operating system releases it when the process ends, however it ends.
type Lock struct {
	path string
	db   *sql.DB
	held *sql.Conn
}

// Acquire takes the lock of the database at path, which need not exist yet, and
// fails with [ErrLocked] at once if somebody else has it, and with [ErrForeign]
// if what is there is not an index.
//
// The lock is SQLite's own lock on an empty database beside the real one, which
// saves a lock for each operating system. The empty file stays: removing it
// would let two owners lock two files of the same name.
func Acquire(ctx context.Context, path string) (*Lock, error) {
	const doing = "locking the index"
	if _, err := inspect(path); err != nil { // no lock files beside other people's files
		return nil, explain(path, doing, err)
	}
	beside, err := connect(path+".lock", url.Values{"mode": {"rwc"}})
	if err != nil {
		return nil, err
	}
	held, err := beside.db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(explain(path, doing, err), beside.db.Close())
	}
	lock := &Lock{path: path, db: beside.db, held: held}
	// Not EXCLUSIVE: that would hinder the next one already while it connects,
	// for the whole of BusyTimeout.
	if _, err := held.ExecContext(ctx, `PRAGMA busy_timeout = 0; BEGIN IMMEDIATE`); err != nil {
		return nil, errors.Join(explain(path, doing, err), lock.Release())
	}
	return lock, nil
}

// Release gives the lock back. Only the first call has an effect.
func (l *Lock) Release() error {
	if l.db == nil {
		return nil
	}
	err := errors.Join(l.held.Close(), l.db.Close())
	l.db = nil
	return explain(l.path, "unlocking the index", err)
}
