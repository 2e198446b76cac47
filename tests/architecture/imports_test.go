package architecture_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// listed is what go list says of a package.
type listed struct {
	ImportPath  string
	Standard    bool
	Export      string // file of export data
	Imports     []string
	Deps        []string
	TestImports []string
	// of the external test package
	XTestImports []string
}

// list runs go list in the root of the module.
func list(t *testing.T, arguments ...string) []listed {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"list"}, arguments...)...)
	command.Dir = root
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v", command, err)
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatalf("%v: %v", command, err)
		}
		packages = append(packages, p)
	}
}

// roomOf is the room an import path of this module lies in.
func roomOf(importPath string) (name string, ok bool) {
	path, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return "", false
	}
	parts := strings.SplitN(path, "/", 3)
	if parts[0] == "internal" && len(parts) > 1 {
		return "internal/" + parts[1], true
	}
	return parts[0], true
}

func isBelow(path, door string) bool { return path == door || strings.HasPrefix(path, door+"/") }

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	standard := map[string]bool{"unsafe": true}
	for _, p := range list(t, "-json=ImportPath,Standard", "std") {
		standard[p.ImportPath] = p.Standard
	}
	for _, p := range list(t, "-json=ImportPath,Imports", "./...") {
		name, ok := roomOf(p.ImportPath)
		self, known := rooms[name]
		if !ok || !known {
			t.Errorf("%s: is in no room of the table", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			other, ours := roomOf(imported)
			allowed := standard[imported] ||
				ours && (other == name || slices.Contains(self.rooms, other)) ||
				slices.ContainsFunc(self.doors, func(door string) bool { return isBelow(imported, door) })
			if !allowed {
				t.Errorf("%s: imports %s, which room %s may not", p.ImportPath, imported, name)
			}
		}
	}
}

func TestRoomsLinkNothingForbidden(t *testing.T) {
	for _, p := range list(t, "-json=ImportPath,Deps", "./...") {
		for path, why := range forbidden {
			if slices.Contains(p.Deps, path) {
				t.Errorf("%s: links %s: %s", p.ImportPath, path, why)
			}
		}
	}
}

func TestBlackBoxTestsUseTheExportedAPI(t *testing.T) {
	for _, p := range list(t, "-json=ImportPath,TestImports,XTestImports", "./tests/...") {
		for _, imported := range append(p.TestImports, p.XTestImports...) {
			if name, _ := roomOf(imported); strings.HasPrefix(name, "internal/") {
				t.Errorf("%s: imports %s, want public rooms only", p.ImportPath, imported)
			}
		}
	}
}

// asBuilt is the flag with which this test was built, if it was: what is built with
// it need not be built once more.
func asBuilt() []string {
	info, ok := debug.ReadBuildInfo()
	if ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return []string{"-race"}
	}
	return nil
}

func TestExportedInterfacesAreNarrow(t *testing.T) {
	exports := map[string]string{}
	for _, p := range list(t, append(asBuilt(), "-export", "-deps", "-json=ImportPath,Export", "./...")...) {
		exports[p.ImportPath] = p.Export
	}
	load := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	for path, export := range exports {
		name, ours := roomOf(path)
		if !ours || strings.HasPrefix(name, "internal/") || export == "" { // "": only tests inside
			continue
		}
		p, err := load.Import(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		for _, exported := range p.Scope().Names() {
			object, isType := p.Scope().Lookup(exported).(*types.TypeName)
			if !isType || !object.Exported() {
				continue
			}
			face, isInterface := object.Type().Underlying().(*types.Interface)
			if !isInterface {
				continue
			}
			methods := 0
			for method := range face.Methods() { // embedded ones too
				if method.Exported() {
					methods++
				}
			}
			if methods > widest {
				t.Errorf("%s.%s: has %d methods, want at most %d", path, exported, methods, widest)
			}
		}
	}
}
