package source_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
)

// walk gives what Files yields as lines: a path, or a path with its problem.
func walk(t *testing.T, tree fs.FS) []string {
	t.Helper()
	var lines []string
	for file, err := range source.Files(tree) {
		if err == nil {
			lines = append(lines, file.Path)
			continue
		}
		problem, ok := errors.AsType[*source.Problem](err)
		if !ok || problem.Path != file.Path || file != (source.File{Path: file.Path}) {
			t.Errorf("Files yields %+v beside the error %#v, want a *Problem of the same path and nothing else", file, err)
		}
		lines = append(lines, err.Error())
	}
	return lines
}

func TestFilesFindsEveryGoFile(t *testing.T) {
	tree := fstest.MapFS{
		"z.go":                 {},
		"a/b.go":               {},
		"a.go":                 {},
		"a/testdata/broken.go": {},
		".hidden/h.go":         {},
		"vendor/v/v.go":        {},
		"a/b_test.go":          {},
		"a/notes.txt":          {},
		"a/go":                 {},
		"named.go/inside.go":   {},
		"pipe.go":              {Mode: fs.ModeNamedPipe},
	}
	want := []string{
		".hidden/h.go",
		"a/b.go", "a/b_test.go", "a/testdata/broken.go",
		"a.go", // as names, "a" comes before "a.go"
		"named.go/inside.go",
		"pipe.go: not a regular file",
		"vendor/v/v.go",
		"z.go",
	}
	for range 2 { // the same order each time
		if got := walk(t, tree); !slices.Equal(got, want) {
			t.Errorf("Files yields\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestFilesDoesNotGoInCircles(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "dir", "real.go"), "package dir")
	for link, target := range map[string]string{
		"up":           "..",
		"same":         "dir",
		"twin.go":      filepath.Join("dir", "real.go"),
		"self.go":      "self.go",
		"self":         "self",
		"dangling.go":  "nowhere",
		"dangling.txt": "nowhere",
		"text":         filepath.Join("dir", "text"),
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	write(t, filepath.Join(root, "dir", "text"), "")

	got := walk(t, os.DirFS(root))
	want := []string{
		"dangling.go: ", // the rest is the operating system's words
		"dir/real.go",
		"same: a symbolic link to a directory is not followed",
		"self: ",
		"self.go: ",
		"twin.go",
		"up: a symbolic link to a directory is not followed",
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("Files yields\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestFilesStops(t *testing.T) {
	tree := fstest.MapFS{"a.go": {}, "b.go": {}}
	count := 0
	for range source.Files(tree) {
		count++
		break
	}
	if count != 1 {
		t.Errorf("a loop that breaks at once ran %d times", count)
	}
}

func TestUnreadableThingsAreProblems(t *testing.T) {
	tree := forbidding{
		FS:        fstest.MapFS{"a/a.go": {}, "b/b.go": {}, "c\n.go": {}},
		forbidden: []string{"a", "b/b.go", "c\n.go"},
	}
	var got []string
	for file, err := range source.Files(tree) {
		if err == nil {
			_, err = source.Read(tree, file)
		}
		if err == nil {
			t.Errorf("%s can be read", file.Path)
			continue
		}
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("error %v is not fs.ErrPermission", err)
		}
		got = append(got, err.Error())
	}
	want := []string{"a: permission denied", "b/b.go: permission denied", `"c\n.go": permission denied`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// forbidding is a file system in which some things cannot be opened. (Removing
// permissions would not do: tests may run as root.)
type forbidding struct {
	fs.FS
	forbidden []string
}

var errDenied = deniedError{}

type deniedError struct{}

func (deniedError) Error() string        { return "permission denied" }
func (deniedError) Is(target error) bool { return target == fs.ErrPermission }

func (f forbidding) Open(name string) (fs.File, error) {
	if slices.Contains(f.forbidden, name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errDenied}
	}
	return f.FS.Open(name)
}

func (f forbidding) ReadDir(name string) ([]fs.DirEntry, error) {
	if slices.Contains(f.forbidden, name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errDenied}
	}
	return fs.ReadDir(f.FS, name)
}

func (f forbidding) Stat(name string) (fs.FileInfo, error) { return fs.Stat(f.FS, name) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
