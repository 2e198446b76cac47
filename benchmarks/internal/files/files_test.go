package files_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/benchmarks/internal/files"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// says writes a text, and then fails with err.
func says(text string, err error) func(io.Writer) error {
	return func(w io.Writer) error {
		_, failed := io.WriteString(w, text)
		return errors.Join(failed, err)
	}
}

func check(t *testing.T, path, want string) {
	t.Helper()
	if text, err := os.ReadFile(path); err != nil || string(text) != want {
		t.Errorf("%s: got %q, %v, want %q", path, text, err, want)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.*")); err != nil || len(left) > 0 {
		t.Errorf("got %q left behind, %v, want nothing", left, err)
	}
}

func TestAFileIsWrittenAsAWholeOrNotAtAll(t *testing.T) {
	path, broken := filepath.Join(t.TempDir(), "report"), errors.New("broken")
	for _, test := range []struct {
		text string
		err  error
		want string
	}{{"one", nil, "one"}, {"two", broken, "one"}, {"three", nil, "three"}} {
		if err := files.Check(path); err != nil {
			t.Error(err)
		}
		if err := files.Replace(path, says(test.text, test.err)); !errors.Is(err, test.err) {
			t.Errorf("%s: got %v, want %v", test.text, err, test.err)
		}
		check(t, path, test.want)
	}
}

// A device would be gone for all others, and a link would lead nowhere else.
func TestWhatIsNoPlainFileStaysWhatItIs(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(target, []byte("something longer"), 0o600), os.Symlink(target, link)); err != nil {
		t.Skip("no links here: ", err)
	}
	if err := errors.Join(files.Check(link), files.Replace(link, says("short", nil))); err != nil {
		t.Error(err)
	}
	check(t, target, "short")
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("got %v, %v, want the link", info.Mode(), err)
	}
}

func TestWhatCannotBeWrittenIsToldBefore(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "no", "where"): "there is no directory for",
		dir:                               "is a directory",
	} {
		if err := files.Check(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
		if err := files.Replace(path, says("x", nil)); err == nil {
			t.Errorf("%s: got no error", path)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("got %v left behind, %v, want nothing", left, err)
	}
}

func TestTheSamePlace(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := errors.Join(os.WriteFile("there", nil, 0o600), os.WriteFile("other", nil, 0o600), os.Mkdir("below", 0o700),
		os.Symlink("there", "link"), os.Symlink(dir, "way")); err != nil {
		t.Skip("no links here: ", err)
	}
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"there", "there", true},
		{"there", filepath.Join(dir, "there"), true},
		{"there", "below/../there", true},
		{"there", "link", true},
		{"there", "other", false},
		{"there", "none", false},
		{"none", "there", false},
		{"none", "./none", true},
		{"none", "way/none", true},
		{"none", "below/none", false},
		{"nowhere/none", "nowhere/./none", true},
		{os.DevNull, os.DevNull, false},
	} {
		if got := files.Same(test.a, test.b); got != test.want {
			t.Errorf("%s, %s: got %v, want %v", test.a, test.b, got, test.want)
		}
	}
}
