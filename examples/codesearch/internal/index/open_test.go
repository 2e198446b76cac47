package index_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/examples/codesearch/internal/index"
)

func TestWhatIsNotAnIndexIsRefusedAndKept(t *testing.T) {
	tests := []struct {
		name  string
		make  func(t *testing.T, path string)
		wants error // nil: any
	}{
		{"a text file", func(t *testing.T, path string) { overwrite(t, path, []byte("dear diary")) }, index.ErrForeign},
		{"a long file", func(t *testing.T, path string) { overwrite(t, path, bytes.Repeat([]byte("dear diary"), 1000)) }, index.ErrForeign},
		{"another program's database", func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err == nil {
				_, err = db.Exec(`CREATE TABLE diary (text)`)
			}
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
		}, index.ErrForeign},
		{"a directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := newPath(t)
			test.make(t, path)
			before := content(path)
			_, openErr := index.Open(t.Context(), path, root)
			_, existingErr := index.OpenExisting(t.Context(), path)
			_, lockErr := index.Acquire(t.Context(), path)
			for does, err := range map[string]error{"Open": openErr, "OpenExisting": existingErr, "Acquire": lockErr, "Discard": index.Discard(path)} {
				if err == nil || test.wants != nil && !errors.Is(err, test.wants) || !strings.Contains(err.Error(), path) {
					t.Errorf("%s: error %v, want %v that names %s", does, err, test.wants, path)
				}
			}
			if after := content(path); after != before {
				t.Errorf("the file was changed from %q to %q", before, after)
			}
			if names, _ := filepath.Glob(path + "*"); len(names) != 1 {
				t.Errorf("files were left beside it: %q", names)
			}
		})
	}
}

func overwrite(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func content(path string) string {
	data, err := os.ReadFile(path)
	return fmt.Sprint(string(data), err)
}

func TestMissingIndex(t *testing.T) {
	for _, make := range []func(path string){
		func(string) {},
		func(path string) { overwrite(t, path, nil) },
	} {
		path := newPath(t)
		make(path)
		if _, err := index.OpenExisting(t.Context(), path); !errors.Is(err, index.ErrMissing) {
			t.Errorf("OpenExisting: %v, want ErrMissing", err)
		}
		if err := index.Discard(path); err != nil {
			t.Errorf("Discard: %v", err)
		}
	}
}

func TestMissingDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "test.db")
	if _, err := index.Open(t.Context(), path, root); !errors.Is(err, index.ErrUnwritable) {
		t.Errorf("Open: %v, want ErrUnwritable", err)
	}
	if _, err := index.Acquire(t.Context(), path); !errors.Is(err, index.ErrUnwritable) {
		t.Errorf("Acquire: %v, want ErrUnwritable", err)
	}
}

func TestAnIndexStaysAndLeavesOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd ? # % name.db")
	x, err := index.Open(t.Context(), path, root)
	if err != nil {
		t.Fatal(err)
	}
	put(t, x, file("a.go", "A"))
	closeIt(t, x)
	onlyFile(t, path)
	existing, err := index.OpenExisting(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, existing, file("a.go", "A"))
	if err := existing.SetComplete(t.Context(), true); !errors.Is(err, index.ErrUnwritable) {
		t.Errorf("a change of an index that is open for reading: %v, want ErrUnwritable", err)
	}
	closeIt(t, existing)
	onlyFile(t, path)
	expect(t, open(t, path), file("a.go", "A"))
}

func onlyFile(t *testing.T, path string) {
	t.Helper()
	if names, _ := os.ReadDir(filepath.Dir(path)); len(names) != 1 || names[0].Name() != filepath.Base(path) {
		t.Errorf("files after Close: %v", names)
	}
}

func TestAnotherTree(t *testing.T) {
	path := newPath(t)
	open(t, path)
	_, err := index.Open(t.Context(), path, "/other")
	other, ok := errors.AsType[*index.OtherTreeError](err)
	if !ok || other.Root != root || other.Path != path {
		t.Errorf("error %v, want OtherTreeError for %s", err, root)
	}
}

func TestAnOutdatedIndexIsEmptied(t *testing.T) {
	path := newPath(t)
	x := open(t, path)
	put(t, x, file("a.go", "A"))
	if _, err := x.DB().Exec(`UPDATE meta SET made_with = 'an older one'`); err != nil {
		t.Fatal(err)
	}
	if _, err := index.OpenExisting(t.Context(), path); !errors.Is(err, index.ErrOutdated) {
		t.Errorf("OpenExisting: %v, want ErrOutdated", err)
	}
	expect(t, open(t, path))
}

func TestDiscard(t *testing.T) {
	path := newPath(t)
	x, err := index.Open(t.Context(), path, root)
	if err != nil {
		t.Fatal(err)
	}
	put(t, x, file("a.go", "A"))
	closeIt(t, x)
	if err := index.Discard(path); err != nil {
		t.Fatal(err)
	}
	if names, _ := filepath.Glob(path + "*"); len(names) != 0 {
		t.Errorf("files after Discard: %q", names)
	}
	expect(t, open(t, path))
}

func TestDamage(t *testing.T) {
	path := newPath(t)
	x, err := index.Open(t.Context(), path, root)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		put(t, x, file(fmt.Sprintf("%d.go", i), "A", "B", "C"))
	}
	closeIt(t, x)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const header = 100
	for i := header; i < len(data); i++ {
		data[i] ^= 0xff
	}
	overwrite(t, path, data)

	_, openErr := index.Open(t.Context(), path, root)
	_, existingErr := index.OpenExisting(t.Context(), path)
	for does, err := range map[string]error{"Open": openErr, "OpenExisting": existingErr} {
		if !errors.Is(err, index.ErrDamaged) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want ErrDamaged that names %s", does, err, path)
		}
	}
	if err := index.Discard(path); err != nil {
		t.Fatalf("a damaged index cannot be discarded: %v", err)
	}
	expect(t, open(t, path))
}

func TestLateDamageIsFound(t *testing.T) {
	path := newPath(t)
	x := open(t, path)
	put(t, x, file("a.go", "A"))
	if _, err := x.DB().Exec(`DELETE FROM search_data WHERE id > 10`); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Check(t.Context()); !errors.Is(err, index.ErrDamaged) {
		t.Errorf("Check: %v, want ErrDamaged", err)
	}
}

// TestAKilledProcess copies the files of an index that is being written, as if
// the process had ended there, and goes on with the copy.
func TestAKilledProcess(t *testing.T) {
	path, copied := newPath(t), newPath(t)
	x := open(t, path)
	put(t, x, file("a.go", "A"))
	tx, err := x.DB().Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`DELETE FROM files`); err == nil {
		t.Fatal("a file was deleted under its declarations")
	}
	if _, err := tx.Exec(`DELETE FROM declarations`); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		overwrite(t, copied+suffix, data)
	}
	expect(t, open(t, copied), file("a.go", "A"))
}

func TestLock(t *testing.T) {
	path := newPath(t)
	lock, err := index.Acquire(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := index.Acquire(t.Context(), path); !errors.Is(err, index.ErrLocked) {
		t.Errorf("a second Acquire: %v, want ErrLocked", err)
	}
	put(t, open(t, path), file("a.go", "A")) // the lock is for runs, not for transactions
	for range 2 {
		if err := lock.Release(); err != nil {
			t.Error(err)
		}
	}
	again, err := index.Acquire(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}

func TestAWriterElsewhere(t *testing.T) {
	path := newPath(t)
	writer, x := open(t, path), open(t, path)
	put(t, x, file("a.go", "A"))
	tx, err := writer.DB().Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	expect(t, x, file("a.go", "A")) // reading does not wait

	if _, err := x.DB().Exec(`PRAGMA busy_timeout = 0`); err != nil { // not to wait here
		t.Fatal(err)
	}
	if err := x.SetComplete(t.Context(), true); !errors.Is(err, index.ErrLocked) {
		t.Errorf("a change while another is under way: %v, want ErrLocked", err)
	}
}
