package index_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/coppice-go/coppice/examples/codesearch/internal/index"
	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
)

func library(t testing.TB) *index.Index {
	t.Helper()
	x := open(t, newPath(t))
	server := source.Parsed{File: source.File{Path: "net/http/server.go"}, Package: "http", Declarations: []source.Declaration{
		{Kind: source.Type, Name: "ServeMux", Line: 10, Doc: "ServeMux is a multiplexer. It matches patterns.\n"},
		{Kind: source.Method, Name: "ServeMux.Handle", Line: 20, Doc: "Handle registers the handler for the given pattern.\n"},
		{Kind: source.Func, Name: "NewServeMux", Line: 30, Doc: "NewServeMux gives a new one.\n"},
		{Kind: source.Const, Name: "StatusNotFound", Line: 40},
		{Kind: source.Func, Name: "readHTTPHeader", Line: 50, Doc: "readHTTPHeader reads.\n"},
	}}
	test := file("net/http/server_test.go", "TestServeMux", "StatusNotFound")
	flags := file("os/file.go", "O_RDONLY", "NOT", "NEAR")
	put(t, x, server, test, flags)
	return x
}

func TestSearch(t *testing.T) {
	x := library(t)
	tests := []struct {
		question string
		want     []string
		loose    bool
	}{
		{question: "ServeMux pattern", want: []string{"ServeMux", "ServeMux.Handle"}},
		{question: "servemux PATTERNS", want: []string{"ServeMux", "ServeMux.Handle"}},
		{question: "http.ServeMux.Handle", want: []string{"ServeMux.Handle"}},
		{question: "mux given", want: []string{"ServeMux.Handle"}},
		{question: "new mux", want: []string{"NewServeMux"}},
		{question: "header", want: []string{"readHTTPHeader"}},
		{question: "StatusNotFound", want: []string{"StatusNotFound", "StatusNotFound"}},
		{question: "O_RDONLY", want: []string{"O_RDONLY"}},
		{question: "teapot multiplexer", want: []string{"ServeMux"}, loose: true},
		{question: "teapot"},
		// No question is a syntax error.
		{question: "NOT", want: []string{"NOT", "StatusNotFound", "StatusNotFound"}},
		{question: "NEAR", want: []string{"NEAR"}},
		{question: `"multiplexer`, want: []string{"ServeMux"}},
		{question: `multiplexer*`, want: []string{"ServeMux"}},
		{question: `name:multiplexer`, want: []string{"ServeMux"}, loose: true},
		{question: `-(multiplexer) ^ {x y} : + '; DROP TABLE files; --`, want: []string{"ServeMux"}, loose: true},
		{question: "½ multiplexer \x00\xff", want: []string{"ServeMux"}},
	}
	for _, test := range tests {
		t.Run(test.question, func(t *testing.T) {
			answer, err := x.Search(t.Context(), test.question, 10)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, hit := range answer.Hits {
				got = append(got, hit.Name)
			}
			if !slices.Equal(got, test.want) || answer.Loose != test.loose || answer.Total != len(test.want) {
				t.Errorf("got %q, total %d, loose %v; want %q, loose %v", got, answer.Total, answer.Loose, test.want, test.loose)
			}
		})
	}
}

func TestSearchGivesWhatIsKnown(t *testing.T) {
	answer, err := library(t).Search(t.Context(), "registers", 10)
	want := index.Hit{
		Path: "net/http/server.go", Line: 20, Kind: "method", Name: "ServeMux.Handle", Package: "http",
		Doc: "Handle registers the handler for the given pattern.\n",
	}
	if err != nil || !slices.Equal(answer.Hits, []index.Hit{want}) {
		t.Errorf("got %+v, %v, want %+v", answer, err, want)
	}
}

func TestSearchLimit(t *testing.T) {
	answer, err := library(t).Search(t.Context(), "does something", 2)
	if err != nil || len(answer.Hits) != 2 || answer.Total != 5 {
		t.Errorf("got %+v, %v, want 2 hits of 5", answer, err)
	}
}

func TestSearchForNothing(t *testing.T) {
	x := library(t)
	for _, question := range []string{"", " ", "***", `""`, "\x00"} {
		if _, err := x.Search(t.Context(), question, 10); !errors.Is(err, index.ErrNothingToSearch) {
			t.Errorf("%q: %v, want ErrNothingToSearch", question, err)
		}
	}
}

func FuzzSearch(f *testing.F) {
	f.Add(`"NEAR(a b, 3) ^* name : {x}'`)
	x := library(f)
	f.Fuzz(func(t *testing.T, question string) {
		if _, err := x.Search(t.Context(), question, 1); err != nil && !errors.Is(err, index.ErrNothingToSearch) {
			t.Errorf("%q: %v", question, err)
		}
	})
}
