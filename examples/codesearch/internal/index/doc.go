// Package index keeps the declarations of one source tree in one SQLite
// database and answers questions from its full-text search.
//
// # Guarantees
//
//   - A file's row, its declarations and their search entries are committed
//     together or not at all, also if the process is killed or the disk fills.
//   - Storing a file again replaces it, so a batch whose outcome is unknown may
//     simply be stored again.
//   - One database holds one tree ([OtherTreeError]).
//   - Reading and searching work while another process writes.
//
// The content is derived: a database made by another schema or by another
// version of the parser is emptied when it is opened for writing, and filled
// again. There is nothing to migrate.
//
// All errors name the database, and those that the user can do something about
// wrap one of the errors declared here.
package index
