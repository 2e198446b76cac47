package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// svg is a picture in the making; its lengths are pixels.
type svg struct{ strings.Builder }

const (
	black = "#1f2328"
	grey  = "#59636e"
	faint = "#d1d9e0"
	shade = "#f3f5f7"
	white = "#ffffff"
)

// A face without serifs, whatever of them is there.
const face = "Arial, Helvetica, Liberation Sans, sans-serif"

// writeTo writes the picture, whose size is known by now, with what those read to
// whom it is read out.
func (s *svg) writeTo(w io.Writer, width, height float64, about string) error {
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %[1]g %[2]g" role="img" aria-label="%[3]s" font-family="%[4]s">
<rect width="100%%" height="100%%" fill="%[5]s"/>
%[6]s</svg>
`, width, height, escape(about), face, white, s.String())
	return err
}

// text writes on the line y, from x, up to it ("end"), or around it ("middle").
func (s *svg) text(x, y float64, anchor string, size int, color, text string) {
	fmt.Fprintf(s, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" fill="%s">%s</text>`+"\n", x, y, anchor, size, color, escape(text))
}

func (s *svg) line(x1, y1, x2, y2, thick float64, color string) {
	fmt.Fprintf(s, `<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-width="%g"/>`+"\n", x1, y1, x2, y2, color, thick)
}

func (s *svg) box(x, y, width, height float64, color string) {
	fmt.Fprintf(s, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, width, height, color)
}

// glyph draws what stands for somebody, and says something to who points at it.
func (s *svg) glyph(x, y float64, l look, says string) {
	paint := fmt.Sprintf(`fill="%s"`, l.color)
	if l.hollow {
		paint = fmt.Sprintf(`fill="none" stroke="%s" stroke-width="1.6"`, l.color)
	}
	fmt.Fprintf(s, `<path d="%s" transform="translate(%.1f %.1f)" %s><title>%s</title></path>`+"\n", l.shape, x, y, paint, escape(says))
}

func escape(text string) string {
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(text)) // a Builder takes all
	return escaped.String()
}

// look is how somebody is drawn: told apart by shape and by colour.
type look struct {
	shape  string // a path around 0 0
	color  string
	hollow bool
}

// looks has everybody but raw, who is the line at 1.
var looks = map[string]look{
	Subject:      {"M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z", "#1b7f3b", false},
	"suture":     {"M-3.5 -3.5h7v7h-7z", "#d97b00", false},
	"protoactor": {"M0 -4L4 3H-4z", "#1f5fbf", true},
	"erlang":     {"M-3.5 -3.5L3.5 3.5M-3.5 3.5L3.5 -3.5", "#b0245a", true},
}

var goalLook = look{"M-7 0a7 7 0 1 0 14 0a7 7 0 1 0 -14 0z", grey, true}
