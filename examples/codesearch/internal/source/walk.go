package source

import (
	"errors"
	"io/fs"
	"iter"
	"strings"
	"time"
)

// File is a Go file as the walk met it. Equal size and time are taken to mean
// equal content by those who skip files that have not changed.
type File struct {
	Path    string
	Size    int64
	ModTime time.Time
}

// Files yields every Go file below the root of tree, directory by directory in
// lexical order. Files named "….go" are Go files wherever they are, so
// testdata, vendored and hidden directories belong to the tree; a directory
// named like a Go file is a directory.
//
// A symbolic link to a Go file is that file under the link's name. A symbolic
// link to a directory is not followed, so there is no way to go in circles.
//
// What cannot be indexed comes as a [*Problem] beside a File that has only its
// path, and the walk goes on behind it.
func Files(tree fs.FS) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		// The callback returns nothing but nil and SkipAll, so WalkDir has no
		// error of its own to give.
		_ = fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
			file, wanted, err := meet(tree, path, entry, err)
			if err != nil {
				file, wanted, err = File{Path: path}, true, problem(path, err)
			}
			if wanted && !yield(file, err) {
				return fs.SkipAll
			}
			return nil
		})
	}
}

// meet decides about one entry of the walk. An entry that is neither wanted
// nor an error is none of this package's business.
func meet(tree fs.FS, path string, entry fs.DirEntry, err error) (file File, wanted bool, _ error) {
	if err != nil { // the entry is a directory that cannot be listed
		return File{}, false, err
	}
	if entry.IsDir() {
		return File{}, false, nil
	}
	named := strings.HasSuffix(path, ".go")
	link := entry.Type()&fs.ModeSymlink != 0
	if !named && !link {
		return File{}, false, nil
	}
	info, err := fs.Stat(tree, path) // follows links
	switch {
	case err != nil && !named && errors.Is(err, fs.ErrNotExist):
		return File{}, false, nil // a dangling link that never meant a Go file
	case err != nil:
		return File{}, false, err
	case info.IsDir():
		return File{}, false, ErrLinkedDirectory
	case !named:
		return File{}, false, nil
	case !info.Mode().IsRegular():
		return File{}, false, ErrIrregular
	}
	return File{Path: path, Size: info.Size(), ModTime: info.ModTime()}, true, nil
}
