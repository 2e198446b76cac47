// Package source finds the Go files of a tree and reads declarations and doc
// comments out of them.
//
// Everything here is a function of the tree's content alone: two passes over
// an unchanged tree give the same files in the same order with the same
// declarations, also for files that do not parse. That is what lets one pass
// be verified against another.
//
// A tree is an [fs.FS], such as os.DirFS of a directory. Paths are relative to
// its root and slash-separated.
package source
