package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
)

// Stamp is what is stored of a file to recognize it by.
type Stamp struct {
	Hash    source.Hash
	size    int64
	modTime int64
}

// Matches reports whether a file still has the size and the time that were
// stored, so that it need not be read.
func (s Stamp) Matches(file source.File) bool {
	return s.size == file.Size && s.modTime == file.ModTime.UnixNano()
}

// Known gives the stamps of all stored files by path.
func (x *Index) Known(ctx context.Context) (map[string]Stamp, error) {
	known := make(map[string]Stamp)
	err := x.each(ctx, "reading the stored files", func(rows *sql.Rows) error {
		var path string
		var stamp Stamp
		var hash []byte
		if err := rows.Scan(&path, &stamp.size, &stamp.modTime, &hash); err != nil {
			return err
		}
		copy(stamp.Hash[:], hash)
		known[path] = stamp
		return nil
	}, `SELECT path, size, mtime, hash FROM files`)
	return known, err
}

// Stats describes the content of an index.
type Stats struct {
	Root         string // of the tree
	Files        int
	Broken       int // files among them that do not parse
	Declarations int
	Complete     bool // what [Index.SetComplete] noted last
}

// Stats counts what is stored.
func (x *Index) Stats(ctx context.Context) (Stats, error) {
	var stats Stats
	err := x.db.QueryRowContext(ctx, `
		SELECT root, complete,
			(SELECT count(*) FROM files),
			(SELECT count(*) FROM files WHERE failure != ''),
			(SELECT count(*) FROM declarations)
		FROM meta`).Scan(&stats.Root, &stats.Complete, &stats.Files, &stats.Broken, &stats.Declarations)
	return stats, explain(x.path, "counting", err)
}

// Dump yields everything that is stored, as it was stored, ordered by path. It
// is one consistent state, whatever is written meanwhile. An error is the last
// thing that it yields.
func (x *Index) Dump(ctx context.Context) iter.Seq2[source.Parsed, error] {
	return func(yield func(source.Parsed, error) bool) {
		var current source.Parsed
		currentID := int64(-1)
		stopped := false
		err := x.each(ctx, "reading everything", func(rows *sql.Rows) error {
			id, file, declaration, err := scanDump(rows)
			if err != nil {
				return err
			}
			if id != currentID {
				if currentID >= 0 && !yield(current, nil) {
					stopped = true
					return errStop
				}
				current, currentID = file, id
			}
			if declaration.Kind != "" {
				current.Declarations = append(current.Declarations, declaration)
			}
			return nil
		}, `
			SELECT f.id, f.path, f.size, f.mtime, f.hash, f.package, f.failure,
				coalesce(d.kind, ''), coalesce(d.name, ''), coalesce(d.line, 0), coalesce(d.doc, '')
			FROM files f LEFT JOIN declarations d ON d.file = f.id
			ORDER BY f.path, d.ordinal`)
		switch {
		case stopped:
		case err != nil:
			yield(source.Parsed{}, err)
		case currentID >= 0:
			yield(current, nil)
		}
	}
}

func scanDump(rows *sql.Rows) (id int64, file source.Parsed, declaration source.Declaration, err error) {
	var modTime int64
	var hash []byte
	err = rows.Scan(&id, &file.Path, &file.Size, &modTime, &hash, &file.Package, &file.Failure,
		&declaration.Kind, &declaration.Name, &declaration.Line, &declaration.Doc)
	file.ModTime = time.Unix(0, modTime)
	copy(file.Hash[:], hash)
	return id, file, declaration, err
}

// Health is what [Index.Check] counts; all zero is healthy.
type Health struct {
	Unsearchable int // declarations that the search does not know
	Stray        int // search entries, and declarations, that belong to nothing
}

// Check has SQLite verify the database's structure, which gives [ErrDamaged],
// and compares the search with the declarations.
func (x *Index) Check(ctx context.Context) (Health, error) {
	const doing = "checking the index"
	var verdict string
	if err := x.db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil {
		return Health{}, explain(x.path, doing, err)
	}
	if verdict != "ok" {
		return Health{}, explain(x.path, doing, fmt.Errorf("%w: %s", ErrDamaged, verdict))
	}
	var health Health
	err := x.db.QueryRowContext(ctx, `
		SELECT
			(SELECT count(*) FROM declarations WHERE id NOT IN (SELECT rowid FROM search)),
			(SELECT count(*) FROM search WHERE rowid NOT IN (SELECT id FROM declarations)) +
			(SELECT count(*) FROM declarations WHERE file NOT IN (SELECT id FROM files))`).Scan(&health.Unsearchable, &health.Stray)
	return health, explain(x.path, doing, err)
}

// errStop ends a loop over rows without being an error.
var errStop = errors.New("enough")

// each calls visit for every row of a query.
func (x *Index) each(ctx context.Context, doing string, visit func(*sql.Rows) error, query string, values ...any) error {
	rows, err := x.db.QueryContext(ctx, query, values...)
	if err != nil {
		return explain(x.path, doing, err)
	}
	defer rows.Close() // its error is that of rows.Err
	for rows.Next() {
		if err := visit(rows); err != nil {
			return explain(x.path, doing, err)
		}
	}
	return explain(x.path, doing, rows.Err())
}
