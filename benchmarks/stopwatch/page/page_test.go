package page_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/benchmarks/stopwatch"
	"github.com/coppice-go/coppice/benchmarks/stopwatch/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// report has values of all latencies but the last.
func report(scale time.Duration) *stopwatch.Report {
	r := &stopwatch.Report{Parameters: map[string]string{"depth": "2", "name": `<script>alert("x")</script>`}}
	for _, l := range []*stopwatch.Latency{&r.Ready, &r.Handled, &r.Stopped} {
		for i := range 5000 {
			l.Add(time.Duration(i)*time.Millisecond, scale*time.Duration(i%997))
		}
	}
	return r
}

func write(t *testing.T, r, before *stopwatch.Report, limits ...stopwatch.Limit) string {
	t.Helper()
	var out bytes.Buffer
	if err := page.Write(&out, r, before, limits...); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, out.String())
	return out.String()
}

// wellFormed checks that all elements are closed, and that nothing is loaded from
// elsewhere.
func wellFormed(t *testing.T, html string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(html))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, []string{"meta"}, xml.HTMLEntity
	depth := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		switch element := token.(type) {
		case xml.StartElement:
			depth++
			switch element.Name.Local {
			case "script", "link", "img", "iframe", "object", "image":
				t.Errorf("there is a <%s>", element.Name.Local)
			}
			for _, a := range element.Attr {
				if name := a.Name.Local; name == "src" || name == "href" {
					t.Errorf("there is a reference to %s", a.Value)
				}
			}
		case xml.EndElement:
			depth--
		}
	}
	if depth != 0 {
		t.Errorf("%d elements are not closed", depth)
	}
	for _, address := range regexp.MustCompile(`\w+://[^"\s]+|url\(|@import`).FindAllString(html, -1) {
		if !strings.HasPrefix(address, "http://www.w3.org/") { // names, which nobody loads
			t.Errorf("there is a reference to %s", address)
		}
	}
}

func TestAPageHasAllThatWasMeasured(t *testing.T) {
	html := write(t, report(time.Microsecond), nil)
	if n := strings.Count(html, "<svg"); n != 9 {
		t.Errorf("got %d plots, want three of each of three latencies", n)
	}
	for _, want := range []string{"crash to ready", "stop asked to gone", "996µs", "p99.99", "<td>depth</td><td>2</td>", "&lt;script&gt;"} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(html, "message due to handled</h2>") || strings.Contains(html, "Before and after") {
		t.Error("there is a part for what was not measured")
	}
}

func TestAPageSaysWhoWasSlow(t *testing.T) {
	r := report(time.Microsecond)
	r.SlowStopped = []stopwatch.Slow{{Path: "tree/<b>", Took: 3 * time.Second, Abandoned: true}, {Path: "tree/a", Took: time.Second}}
	html := write(t, r, nil)
	if want := "<tr><td>tree/&lt;b&gt;</td><td>3s</td><td>abandoned</td></tr>\n<tr><td>tree/a</td><td>1s</td><td></td></tr>"; !strings.Contains(html, want) {
		t.Errorf("%q is missing", want)
	}
	if strings.Contains(html, "Slowest to be ready") {
		t.Error("there is a part for nobody")
	}
}

func TestAPageComparesWithBefore(t *testing.T) {
	before := report(time.Microsecond)
	before.Parameters["depth"] = "3"
	html := write(t, report(2*time.Microsecond), before, stopwatch.Limit{Latency: "ready", Figure: "p99", Growth: .5})
	for _, want := range []string{"Before and after", "grey is before", `depth was &#34;3&#34;, is &#34;2&#34;`, "<td>2.00</td><td>ready.p99=50% crossed</td>"} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if n := strings.Count(html, `<tr class="crossed">`); n != 1 {
		t.Errorf("got %d rows marked, want 1", n)
	}
}

func TestAPageOfWhatIsAllTheSame(t *testing.T) {
	for _, d := range []time.Duration{0, 100 * time.Millisecond, 2 * time.Hour} {
		var r stopwatch.Report
		r.Ready.Add(0, d)
		r.Failure = "interrupted"
		html := write(t, &r, nil)
		if strings.Contains(html, "NaN") || strings.Contains(html, "Inf") || !strings.Contains(html, "Not measured to the end: interrupted") {
			t.Errorf("%v: there are numbers that are none, or the failure is missing", d)
		}
	}
}

func TestAPageOfNothing(t *testing.T) {
	if html := write(t, new(stopwatch.Report), nil); strings.Contains(html, "<svg") {
		t.Error("there are plots of nothing")
	}
}

func TestAPageThatCannotBeWritten(t *testing.T) {
	if err := page.Write(full{}, report(1), nil); !errors.Is(err, errFull) {
		t.Errorf("got %v, want the error of the writer", err)
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
