package source

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// Kind is what a declaration declares.
type Kind string

// The kinds of declarations.
const (
	Package Kind = "package" // a package clause with a doc comment
	Func    Kind = "func"
	Method  Kind = "method"
	Type    Kind = "type"
	Const   Kind = "const"
	Var     Kind = "var"
)

// Declaration is one name that a file declares at its top level. Blank names
// are left out.
type Declaration struct {
	Kind Kind
	Name string // a method's is "Receiver.Method"
	Line int    // of the name, starting at 1, regardless of //line comments
	Doc  string // the text of the comment, or ""
}

// Parsed is what the index keeps of a file.
type Parsed struct {
	File
	Hash         Hash
	Package      string        // from the package clause, or ""
	Declarations []Declaration // in the order of the text
	Failure      string        // the syntax errors in one line, or ""
}

// Parse finds the declarations of a file. A file that is not correct Go gives
// the declarations that the parser could make out, which are the same each
// time, and says in Failure what is wrong.
//
// The doc of a declaration is the comment above it, else the comment at the
// end of its line. The comment above a group belongs to the group's first
// member. Texts are made valid UTF-8 without NUL bytes, whatever the file
// holds, so that every store can keep them unchanged.
func (c Content) Parse() Parsed {
	parsed := Parsed{File: c.File, Hash: c.Hash}
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, c.Path, c.Text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		parsed.Failure = storable(err.Error())
	}
	if file == nil {
		return parsed
	}
	parsed.Package = named(file.Name)
	found := collector{positions: positions}
	if file.Doc != nil {
		found.add(Package, file.Name, "", text(file.Doc))
	}
	for _, declaration := range file.Decls {
		found.visit(declaration)
	}
	parsed.Declarations = found.declarations
	return parsed
}

type collector struct {
	positions    *token.FileSet
	declarations []Declaration
}

func (c *collector) visit(declaration ast.Decl) {
	switch declaration := declaration.(type) {
	case *ast.FuncDecl:
		if receiver := receiverOf(declaration); receiver != "" {
			c.add(Method, declaration.Name, receiver+".", text(declaration.Doc))
			return
		}
		c.add(Func, declaration.Name, "", text(declaration.Doc))
	case *ast.GenDecl:
		group := text(declaration.Doc)
		for _, spec := range declaration.Specs {
			c.visitSpec(declaration.Tok, spec, group)
			group = ""
		}
	}
}

func (c *collector) visitSpec(keyword token.Token, spec ast.Spec, group string) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		c.add(Type, spec.Name, "", docOf(group, spec.Doc, spec.Comment))
	case *ast.ValueSpec:
		kind := Var
		if keyword == token.CONST {
			kind = Const
		}
		doc := docOf(group, spec.Doc, spec.Comment)
		for _, name := range spec.Names {
			c.add(kind, name, "", doc)
		}
	}
}

func (c *collector) add(kind Kind, name *ast.Ident, prefix, doc string) {
	if named(name) == "" {
		return
	}
	c.declarations = append(c.declarations, Declaration{
		Kind: kind,
		Name: storable(prefix + name.Name),
		Line: c.positions.PositionFor(name.Pos(), false).Line,
		Doc:  doc,
	})
}

func docOf(group string, above, beside *ast.CommentGroup) string {
	own := text(above)
	if own == "" {
		own = text(beside)
	}
	if group != "" && own != "" {
		return group + "\n" + own
	}
	return group + own
}

// receiverOf is the name of a method's receiver type, or "" for a function and
// for a receiver that the parser could not make out.
func receiverOf(function *ast.FuncDecl) string {
	if function.Recv == nil || len(function.Recv.List) == 0 {
		return ""
	}
	receiver := function.Recv.List[0].Type
	for {
		switch shape := receiver.(type) {
		case *ast.StarExpr:
			receiver = shape.X
		case *ast.ParenExpr:
			receiver = shape.X
		case *ast.IndexExpr:
			receiver = shape.X
		case *ast.IndexListExpr:
			receiver = shape.X
		case *ast.Ident:
			return named(shape)
		default:
			return ""
		}
	}
}

// named is the name of an identifier that names something, else "".
func named(name *ast.Ident) string {
	if name == nil || name.Name == "_" {
		return ""
	}
	return storable(name.Name)
}

func text(comment *ast.CommentGroup) string { return storable(comment.Text()) }

func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
