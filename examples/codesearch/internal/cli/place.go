package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// place is where a tree and its index are.
type place struct {
	root     string // absolute, without symbolic links
	database string
}

// locate finds the tree and the index that the options mean. It makes the
// directory of a default index, but nothing else.
func locate(ctx context.Context, o options) (place, error) {
	tree := o.tree
	if tree == "" {
		found, err := toolchainSource(ctx)
		if err != nil {
			return place{}, err
		}
		tree = found
	}
	root, err := resolve(tree)
	if err != nil {
		return place{}, err
	}
	if o.db != "" {
		return place{root: root, database: o.db}, nil
	}
	database, err := defaultDatabase(root)
	return place{root: root, database: database}, err
}

// resolve gives a tree its one name, and makes sure that it is a directory that
// can be listed: an unreadable root must not look like a tree whose files are
// all gone.
func resolve(tree string) (string, error) {
	root, err := filepath.Abs(tree)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	var directory *os.File
	if err == nil {
		directory, err = os.Open(root)
	}
	if err != nil {
		return "", unusable(tree, err)
	}
	defer directory.Close() // only read from: nothing can be lost
	info, err := directory.Stat()
	if err != nil {
		return "", unusable(tree, err)
	}
	if !info.IsDir() {
		return "", unusable(tree, errors.New("a file, not a directory"))
	}
	if _, err := directory.ReadDir(1); err != nil && err != io.EOF {
		return "", unusable(tree, err)
	}
	return root, nil
}

// unusable names the tree as the user did.
func unusable(tree string, err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	return fmt.Errorf("cannot index %s: %w", tree, err)
}

// toolchainSource asks the go command, since a binary may have been built
// elsewhere, and falls back to what was built in.
func toolchainSource(ctx context.Context) (string, error) {
	asked, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	goroot := strings.TrimSpace(string(asked))
	if err != nil || goroot == "" {
		//lint:ignore SA1019 the advice is to ask the go command, which has just failed
		goroot = runtime.GOROOT() //nolint:staticcheck // see above
	}
	if goroot == "" {
		return "", fmt.Errorf("cannot find the source of the Go toolchain (go env GOROOT: %w); name a tree instead", err)
	}
	return filepath.Join(goroot, "src"), nil
}

// defaultDatabase is the tree's own file in the user's cache, named for people
// by its last element and for uniqueness by a hash of its path.
func defaultDatabase(root string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for the index: %w; choose one with -db", err)
	}
	directory := filepath.Join(cache, "coppice-codesearch")
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return "", fmt.Errorf("no place for the index: %w; choose one with -db", err)
	}
	name := strings.Trim(filepath.Base(root), string(filepath.Separator)+".")
	if name == "" {
		name = "root"
	}
	hash := sha256.Sum256([]byte(root))
	return filepath.Join(directory, fmt.Sprintf("%s-%x.db", name, hash[:8])), nil
}
