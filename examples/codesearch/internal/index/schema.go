package index

import (
	"fmt"
	"runtime"
)

// applicationID marks our databases in SQLite's file header: "Copp".
const applicationID = 0x436f7070

// madeWith is what the content depends on beside the tree: this package's
// schema, what package source makes of a file, and the Go parser.
var madeWith = fmt.Sprintf("codesearch 1, %s", runtime.Version())

// The search table keeps only the tokens; the texts are in declarations, under
// the same row number. It has the words of camel-case names in a column of
// their own: "pattern" finds DeletePatterns.
const schema = `
CREATE TABLE meta (
	root      TEXT    NOT NULL,
	made_with TEXT    NOT NULL,
	complete  INTEGER NOT NULL
) STRICT;
CREATE TABLE files (
	id      INTEGER PRIMARY KEY,
	path    TEXT    NOT NULL UNIQUE,
	size    INTEGER NOT NULL,
	mtime   INTEGER NOT NULL, -- nanoseconds since 1970
	hash    BLOB    NOT NULL, -- SHA-256
	package TEXT    NOT NULL,
	failure TEXT    NOT NULL  -- syntax errors, or ''
) STRICT;
CREATE TABLE declarations (
	id      INTEGER PRIMARY KEY,
	file    INTEGER NOT NULL REFERENCES files (id),
	ordinal INTEGER NOT NULL, -- position in the file
	kind    TEXT    NOT NULL,
	name    TEXT    NOT NULL,
	line    INTEGER NOT NULL,
	doc     TEXT    NOT NULL,
	UNIQUE (file, ordinal)
) STRICT;
CREATE VIRTUAL TABLE search USING fts5 (
	name, words, package, doc,
	content = '', contentless_delete = 1, tokenize = 'porter unicode61'
);
`

const dropAll = `
DROP TABLE IF EXISTS search;
DROP TABLE IF EXISTS declarations;
DROP TABLE IF EXISTS files;
DROP TABLE IF EXISTS meta;
`
