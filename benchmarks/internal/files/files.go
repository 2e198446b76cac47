// Package files writes what was measured, in minutes perhaps, to where the user
// wants it.
package files

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Check says, before anything is measured, what will be wrong with a path that is to
// be written to.
func Check(path string) error {
	directory := filepath.Dir(path)
	if info, err := os.Stat(directory); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no directory for %s", path)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a directory", path)
	}
	if special(path) {
		return nil
	}
	file, err := os.CreateTemp(directory, filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("nothing can be written beside %s: %w", path, err)
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// Same says whether two paths lead to the same place, where there may be no file yet.
// A device, which keeps nothing that could be lost, is never the same.
func Same(a, b string) bool {
	if one, err := os.Stat(a); err == nil {
		other, err := os.Stat(b)
		return err == nil && one.Mode().IsRegular() && os.SameFile(one, other)
	}
	return place(a) == place(b)
}

// place is a path of which as much is resolved as there is.
func place(path string) string {
	if directory, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(directory, filepath.Base(path))
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return path
}

// Replace writes a file as a whole or not at all. What is no plain file, such as a
// device or a link, stays what it is, and is written to.
func Replace(path string, write func(io.Writer) error) error {
	if special(path) {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			return err
		}
		return wrap(path, errors.Join(write(file), file.Close()))
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = wrap(path, errors.Join(write(file), file.Chmod(0o644), file.Close()))
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(file.Name()))
	}
	return err
}

// special says whether there is something that must not be put out of the way.
func special(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && !info.Mode().IsRegular()
}

func wrap(path string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
