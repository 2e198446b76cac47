package index

import "database/sql"

// DB lets tests do to a database what only accidents do.
func (x *Index) DB() *sql.DB {
	x.db.SetMaxOpenConns(1) // so that what a test sets on a connection holds
	return x.db
}
