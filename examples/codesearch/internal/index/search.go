package index

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"unicode"
)

// ErrNothingToSearch is a question without a single letter or digit.
var ErrNothingToSearch = errors.New("nothing to search for: the question has no letter and no digit")

// Hit is one answer of a search.
type Hit struct {
	Path    string // of the file, relative to the tree's root
	Line    int
	Kind    string
	Name    string
	Package string
	Doc     string
}

// Answer is what a search found.
type Answer struct {
	Hits  []Hit // best first
	Total int   // how many there are, beyond the limit too
	Loose bool  // no declaration has all the words: these have some
}

// Search finds the declarations that have all words of text in their name,
// package or doc comment, or else those that have some of them, and gives at
// most limit of them. Words match without regard to case and English endings.
//
// No text is a syntax error: what is not a letter or a digit separates words.
func (x *Index) Search(ctx context.Context, text string, limit int) (Answer, error) {
	words := questionWords(text)
	if len(words) == 0 {
		return Answer{}, ErrNothingToSearch
	}
	answer, err := x.match(ctx, strings.Join(words, " AND "), words, limit)
	if err == nil && answer.Total == 0 && len(words) > 1 {
		answer, err = x.match(ctx, strings.Join(words, " OR "), words, limit)
		answer.Loose = true
	}
	return answer, err
}

// questionWords quotes each word, so that none is an operator of FTS5. The
// tokenizer would separate them in the same places, but would then take
// "http.ServeMux" for a phrase that stands so in one column.
func questionWords(text string) []string {
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, word := range words {
		words[i] = `"` + word + `"`
	}
	return words
}

// own is the SQL for a declaration's name without its receiver.
const own = `substr(d.name, instr(d.name, '.') + 1)`

// match finds what fits an expression of FTS5. It ranks by bm25, where less is
// better and nothing is above zero: a word in a name is worth ten in a doc
// comment, a name that was asked for counts fourfold, and double counts each of
// being exported, being documented, and being open to the tree's users. Path
// and ordinal make the order the same for all databases of the same tree.
func (x *Index) match(ctx context.Context, expression string, words []string, limit int) (Answer, error) {
	const doing = "searching"
	var answer Answer
	err := x.db.QueryRowContext(ctx, `SELECT count(*) FROM search WHERE search MATCH ?`, expression).Scan(&answer.Total)
	if err != nil || answer.Total == 0 {
		return answer, explain(x.path, doing, err)
	}
	err = x.each(ctx, doing, func(rows *sql.Rows) error {
		var hit Hit
		err := rows.Scan(&hit.Path, &hit.Line, &hit.Kind, &hit.Name, &hit.Package, &hit.Doc)
		answer.Hits = append(answer.Hits, hit)
		return err
	}, `
		SELECT f.path, d.line, d.kind, d.name, f.package, d.doc
		FROM search JOIN declarations d ON d.id = search.rowid JOIN files f ON f.id = d.file
		WHERE search MATCH ?
		ORDER BY bm25(search, 10, 5, 3, 1)
			* iif(instr(?, '"' || lower(`+own+`) || '"'), 4, 1)
			* iif(`+own+` GLOB '[A-Z]*', 2, 1)
			* iif(d.doc = '', 1, 2)
			* iif(f.path GLOB '*_test.go' OR f.path GLOB '*testdata/*' OR f.path GLOB '*internal/*' OR f.path GLOB '*vendor/*', 1, 2),
			f.path, d.ordinal
		LIMIT ?`, expression, strings.ToLower(strings.Join(words, " ")), limit)
	return answer, err
}
