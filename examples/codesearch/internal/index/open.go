package index

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the database driver
)

// BusyTimeout is how long an operation waits for another process's transaction
// before it fails with [ErrLocked].
const BusyTimeout = 5 * time.Second

// Index is an open database. It is safe for concurrent use.
type Index struct {
	path string
	db   *sql.DB
}

// Open opens the database at path for writing the index of the tree at root,
// and makes it if there is none. It does not keep others from writing too:
// whoever indexes holds a [Lock] meanwhile.
//
// The error is [ErrForeign] for a file that is not an index, and an
// *[OtherTreeError] for the index of another tree.
func Open(ctx context.Context, path, root string) (*Index, error) {
	state, err := inspect(path)
	if err != nil {
		return nil, explain(path, "opening the index", err)
	}
	opened, err := connect(path, url.Values{"mode": {"rwc"}})
	if err != nil {
		return nil, err
	}
	if err := opened.prepare(ctx, state, root); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}

// OpenExisting opens the database at path for reading. The error is
// [ErrMissing] if there is none, and [ErrOutdated] if it cannot be read as it is.
func OpenExisting(ctx context.Context, path string) (*Index, error) {
	state, err := inspect(path)
	if err == nil && state == absent {
		err = ErrMissing
	}
	if err != nil {
		return nil, explain(path, "opening the index", err)
	}
	// Not mode=ro: the last connection to close could not clean up then.
	opened, err := connect(path, url.Values{"mode": {"rw"}, "_query_only": {"on"}})
	if err != nil {
		return nil, err
	}
	origin, err := opened.origin(ctx)
	if err == nil && origin.madeWith != madeWith {
		err = explain(path, "opening the index", ErrOutdated)
	}
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}

// Close ends the use of the database. Closing the last connection to it leaves
// a single file behind.
func (x *Index) Close() error { return explain(x.path, "closing the index", x.db.Close()) }

// Discard removes the database at path, if there is one. It fails with
// [ErrForeign] for a file that is not an index. Hold the [Lock] meanwhile.
func Discard(path string) error {
	if _, err := inspect(path); err != nil {
		return explain(path, "discarding the index", err)
	}
	// The database goes first: SQLite deletes a log that belongs to an empty
	// database, but would replay one without which a database is damaged.
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return explain(path, "discarding the index", err)
		}
	}
	return nil
}

type state int

const (
	absent state = iota // no file, or an empty one
	present
)

// inspect looks at the header of the file itself, before SQLite is asked to
// open what may be somebody else's.
func inspect(path string) (state, error) {
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return absent, nil
	case err != nil:
		return absent, err
	}
	defer file.Close() // only read from: nothing can be lost
	const idOffset = 68
	header := make([]byte, idOffset+4)
	switch n, err := io.ReadFull(file, header); {
	case n == 0 && err == io.EOF:
		return absent, nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF): // such as a directory
		return absent, err
	}
	if !bytes.HasPrefix(header, []byte("SQLite format 3\x00")) || binary.BigEndian.Uint32(header[idOffset:]) != applicationID {
		return absent, ErrForeign
	}
	return present, nil
}

// connect prepares connections with some parameters beside those that all have.
func connect(path string, query url.Values) (*Index, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, explain(path, "opening the index", err)
	}
	name := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(absolute)}
	query.Set("_busy_timeout", fmt.Sprint(BusyTimeout.Milliseconds()))
	query.Set("_foreign_keys", "on")
	query.Set("_txlock", "immediate")   // a transaction that starts by reading could not wait for a writer
	query.Set("_synchronous", "normal") // with a write-ahead log: consistent after a power failure
	query.Set("_error_rc", "1")         // no texts of earlier errors
	name.RawQuery = query.Encode()
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, explain(path, "opening the index", err)
	}
	return &Index{path: path, db: db}, nil
}

// prepare makes sure that the database has our schema and our tree in it.
func (x *Index) prepare(ctx context.Context, state state, root string) error {
	if state == absent {
		// In this order: the mark must be in the file's own header before there
		// is a log that it could be in instead, or a killed process would leave
		// a file that looks foreign.
		mark := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA journal_mode = wal;", applicationID)
		if _, err := x.db.ExecContext(ctx, mark); err != nil {
			return explain(x.path, "creating the index", err)
		}
	}
	origin, err := x.origin(ctx)
	if err != nil {
		return err
	}
	if origin.root != "" && origin.root != root {
		return &OtherTreeError{Path: x.path, Root: origin.root}
	}
	if origin.madeWith == madeWith {
		return nil
	}
	return x.change(ctx, "creating the tables", func(tx *sql.Tx) error {
		if _, err := tx.Exec(dropAll + schema); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO meta VALUES (?, ?, 0)`, root, madeWith)
		return err
	})
}

type origin struct{ root, madeWith string }

// origin is empty for a database that has no tables yet.
func (x *Index) origin(ctx context.Context) (origin, error) {
	const doing = "opening the index"
	var tables int
	err := x.db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'meta'`).Scan(&tables)
	if err != nil || tables == 0 {
		return origin{}, explain(x.path, doing, err)
	}
	var made origin
	err = x.db.QueryRowContext(ctx, `SELECT root, made_with FROM meta`).Scan(&made.root, &made.madeWith)
	return made, explain(x.path, doing, err)
}

// change runs a transaction. It is not interrupted by the end of ctx: the
// changes of this package are short, and an outcome is worth more than the
// moment.
func (x *Index) change(ctx context.Context, doing string, apply func(*sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return explain(x.path, doing, context.Cause(ctx))
	}
	tx, err := x.db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return explain(x.path, doing, err)
	}
	if err := apply(tx); err != nil {
		// A rollback that fails adds nothing: SQLite has rolled back by itself
		// then, as it does when the disk is full.
		_ = tx.Rollback()
		return explain(x.path, doing, err)
	}
	return explain(x.path, doing, tx.Commit())
}
