package index

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"unicode"

	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
)

// Put stores files with their declarations, replacing what was stored under
// the same paths. The whole batch is one transaction: all of it is stored when
// Put returns nil, and none of it otherwise.
func (x *Index) Put(ctx context.Context, batch []source.Parsed) error {
	if len(batch) == 0 {
		return nil
	}
	return x.change(ctx, batchName("storing", len(batch), batch[0].Path), func(tx *sql.Tx) error {
		rows, err := prepareRows(tx)
		if err != nil {
			return err
		}
		for _, file := range batch {
			if err := rows.replace(file); err != nil {
				return fmt.Errorf("%s: %w", file.Path, err)
			}
		}
		return nil
	})
}

// Touch notes new sizes and times for files whose content has been found to be
// what is stored. Files that are not stored are left out.
func (x *Index) Touch(ctx context.Context, batch []source.File) error {
	if len(batch) == 0 {
		return nil
	}
	return x.change(ctx, batchName("touching", len(batch), batch[0].Path), func(tx *sql.Tx) error {
		for _, file := range batch {
			if _, err := tx.Exec(`UPDATE files SET size = ?, mtime = ? WHERE path = ?`, file.Size, file.ModTime.UnixNano(), file.Path); err != nil {
				return fmt.Errorf("%s: %w", file.Path, err)
			}
		}
		return nil
	})
}

// Remove forgets files and all that they declare. Paths that are not stored
// are no error.
func (x *Index) Remove(ctx context.Context, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	return x.change(ctx, batchName("removing", len(paths), paths[0]), func(tx *sql.Tx) error {
		rows, err := prepareRows(tx)
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := rows.forget(path); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		return nil
	})
}

// SetComplete notes whether the index holds its whole tree. A run sets it to
// false before its first change and to true after its last, so that a search
// can say that it may be missing something.
func (x *Index) SetComplete(ctx context.Context, complete bool) error {
	return x.change(ctx, "noting the progress", func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE meta SET complete = ?`, complete)
		return err
	})
}

func batchName(doing string, size int, first string) string {
	if size == 1 {
		return doing + " " + first
	}
	return fmt.Sprintf("%s %s and %d more", doing, first, size-1)
}

// rows are the statements that write one file's rows, in one transaction.
type rows struct {
	find, forgetSearch, forgetDeclarations, forgetFile *sql.Stmt
	insertFile, insertDeclaration, insertSearch        *sql.Stmt
}

func prepareRows(tx *sql.Tx) (*rows, error) {
	r := new(rows)
	for statement, text := range map[**sql.Stmt]string{
		&r.find:               `SELECT id FROM files WHERE path = ?`,
		&r.forgetSearch:       `DELETE FROM search WHERE rowid IN (SELECT id FROM declarations WHERE file = ?)`,
		&r.forgetDeclarations: `DELETE FROM declarations WHERE file = ?`,
		&r.forgetFile:         `DELETE FROM files WHERE id = ?`,
		&r.insertFile:         `INSERT INTO files (path, size, mtime, hash, package, failure) VALUES (?, ?, ?, ?, ?, ?)`,
		&r.insertDeclaration:  `INSERT INTO declarations (file, ordinal, kind, name, line, doc) VALUES (?, ?, ?, ?, ?, ?)`,
		&r.insertSearch:       `INSERT INTO search (rowid, name, words, package, doc) VALUES (?, ?, ?, ?, ?)`,
	} {
		prepared, err := tx.Prepare(text) // closed by the end of the transaction
		if err != nil {
			return nil, err
		}
		*statement = prepared
	}
	return r, nil
}

func (r *rows) replace(file source.Parsed) error {
	if err := r.forget(file.Path); err != nil {
		return err
	}
	id, err := insert(r.insertFile, file.Path, file.Size, file.ModTime.UnixNano(), file.Hash[:], file.Package, file.Failure)
	if err != nil {
		return err
	}
	for i, declaration := range file.Declarations {
		row, err := insert(r.insertDeclaration, id, i, string(declaration.Kind), declaration.Name, declaration.Line, declaration.Doc)
		if err != nil {
			return err
		}
		owner, name := split(declaration.Name)
		if _, err := r.insertSearch.Exec(row, name, owner+" "+words(owner)+" "+words(name), file.Package, declaration.Doc); err != nil {
			return err
		}
	}
	return nil
}

func (r *rows) forget(path string) error {
	var id int64
	switch err := r.find.QueryRow(path).Scan(&id); {
	case err == sql.ErrNoRows:
		return nil
	case err != nil:
		return err
	}
	for _, statement := range []*sql.Stmt{r.forgetSearch, r.forgetDeclarations, r.forgetFile} {
		if _, err := statement.Exec(id); err != nil {
			return err
		}
	}
	return nil
}

func insert(statement *sql.Stmt, values ...any) (id int64, _ error) {
	result, err := statement.Exec(values...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// split separates a method's name from its receiver's.
func split(name string) (owner, own string) {
	if owner, own, found := strings.Cut(name, "."); found {
		return owner, own
	}
	return "", name
}

// words are the words that a name is made of, as in "HTTP Server" for
// HTTPServer, or nothing for a name of one word.
func words(name string) string {
	letters := []rune(name)
	var spaced strings.Builder
	for i, letter := range letters {
		if i > 0 && unicode.IsUpper(letter) &&
			(unicode.IsLower(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1])) {
			spaced.WriteByte(' ')
		}
		spaced.WriteRune(letter)
	}
	if spaced.Len() == len(name) {
		return ""
	}
	return spaced.String()
}
