package chaos_test

import (
	"context"
	"fmt"
	"path"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// end is how the events say that an incarnation has ended.
type end uint8

const (
	running end = iota
	exited
	terminated
	abandoned
)

// life is one incarnation as it has noted itself, and what events tell of it.
type life struct {
	lives  *lives
	of     *watched
	path   string
	number int
	tree   string          // the run of a tree it belongs to
	ctx    context.Context // that Start was given

	// What follows is guarded by lives.
	present   int  // goroutines that have not returned
	up        bool // Start has succeeded
	crew      bool // it has started goroutines
	clean     bool // run has returned with a clean reason
	told      end
	concluded bool // it was abandoned when it had ended by itself, and an event tells of that end too
	returned  bool // an event says so
	stale     bool // it was over in a quiet moment
	overlaps  bool // the next began while this was there
	unsettled bool // an event has to come
}

// owes says whether an event has to come.
func (l *life) owes() bool {
	return !l.of.tree.unheard && (l.present == 0 && l.up && l.told == running || l.told == abandoned && !l.returned)
}

// lost says whether it may have been abandoned, where no event would tell.
func (l *life) lost() bool { return l.of.tree.unheard && l.ctx.Err() != nil }

func (l *life) String() string {
	return fmt.Sprintf("%s (incarnation %d, tree %s, %d goroutines, told %d)", l.path, l.number, l.tree, l.present, l.told)
}

type incarnationKey struct {
	path   string
	number int
}

// lives are all incarnations that are not over and told of.
type lives struct {
	soak *soak
	mu   sync.Mutex
	all  map[incarnationKey][]*life // several if a tree, or a child, began anew

	// early are incarnations that were abandoned before their goroutine came to
	// run: how many of them.
	early map[incarnationKey]int
	log   map[string][]string // of each path, with -chaos.trace
}

func newLives(s *soak) *lives {
	return &lives{soak: s, all: make(map[incarnationKey][]*life), early: make(map[incarnationKey]int), log: make(map[string][]string)}
}

// begin notes an incarnation that begins. Whatever was there before must have been
// asked to stop, and is told to have been abandoned by the next quiet moment.
func (w *lives) begin(ctx context.Context, of *watched) *life {
	place, _ := pprof.Label(ctx, "coppice.path")
	tree, _ := pprof.Label(ctx, "coppice.tree")
	text, _ := pprof.Label(ctx, "coppice.incarnation")
	number, err := strconv.Atoi(text)
	if err != nil || place == "" || tree == "" {
		w.soak.violation("the ctx of %s tells no incarnation: %q %q %q", of.Name(), tree, place, text)
	}
	l := &life{lives: w, of: of, path: place, number: number, tree: tree, ctx: ctx, present: 1}
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() == nil { // else it may be a late one of a run before
		of.tree.run = tree
	}
	of.latest = slices.DeleteFunc(of.latest, func(l *life) bool { return l.present == 0 })
	key := incarnationKey{place, number}
	if w.early[key] > 0 && ctx.Err() != nil {
		w.early[key]--
		l.told = abandoned
	}
	for _, before := range of.latest {
		old := before
		if l.told == abandoned || ctx.Err() != nil && before.ctx.Err() == nil { // it comes late, beside its successor
			old = l
		}
		old.overlaps = true
		if old.ctx.Err() == nil {
			w.soak.violation("%v begins while %v is there, and was not even asked to stop", l, before)
		}
		if of.exclusive {
			w.soak.violation("%v begins while %v is there, under an Exclusive supervisor", l, before)
		}
	}
	of.latest = append(of.latest, l)
	w.trace(place, "begins", l)
	w.all[key] = append(w.all[key], l)
	w.soak.figures.incarnations.Add(1)
	return l
}

// change changes a life, and counts what is to be told of it.
func (w *lives) change(l *life, edit func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	edit()
	w.count(l)
}

func (w *lives) count(l *life) {
	if owes := l.owes(); owes != l.unsettled {
		l.unsettled = owes
		if owes {
			w.soak.untold.add(1)
		} else {
			w.soak.untold.add(-1)
		}
	}
}

// ends takes the event of an end. Every incarnation has one of them, once, save
// that one which had ended by itself and left goroutines that had to be abandoned
// has both.
func (w *lives) ends(head tracing.Head, how end, reason exit.Reason) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := incarnationKey{head.Path, head.Incarnation}
	l, sure := w.ending(key, how)
	switch {
	case l == nil && w.soak.forest.isSupervisor(head.Path):
	case l == nil && how == abandoned:
		w.early[key]++
	case l == nil:
		w.soak.violation("%v: an event tells of an end (%d) that nobody had: %v\n%s", key, how, w.all[key], w.traced(head.Path))
	case l.told == abandoned:
		l.concluded = true
	default:
		l.told = how
		if how == exited && sure && !l.crew && l.clean != reason.Clean() {
			w.soak.violation("%v: the event says %v, its run has returned clean=%t", l, reason, l.clean)
		}
		w.count(l)
	}
}

// ending finds the incarnation of which an event tells. There may be several with
// one path and number, and then it is not sure which: a child that was deleted and
// comes back with its supervisor begins to count anew, and so does a tree. What is
// told late is an abandonment, so other ends are those of the latest.
func (w *lives) ending(key incarnationKey, how end) (of *life, sure bool) {
	all := slices.Clone(w.all[key])
	fits := []func(*life) bool{func(l *life) bool { return l.told == running && l.up && l.present == 0 }}
	switch how {
	case abandoned:
		fits = []func(*life) bool{
			func(l *life) bool { return l.told == running && l.present > 0 && l.ctx.Err() != nil },
			func(l *life) bool { return l.told == running && l.present == 0 && (l.up || l.overlaps) },
		}
	case exited: // perhaps what had to be abandoned after that
		fits = append(fits, func(l *life) bool { return l.told == abandoned && l.crew && !l.concluded })
		slices.Reverse(all)
	case terminated: // perhaps in its Start
		fits = append(fits, func(l *life) bool { return l.told == running && !l.up && l.present == 0 })
		slices.Reverse(all)
	}
	for _, fit := range fits {
		if i := slices.IndexFunc(all, fit); i >= 0 {
			return all[i], !slices.ContainsFunc(all[i+1:], fit)
		}
	}
	return nil, false
}

// comesBack takes the event of a return.
func (w *lives) comesBack(head tracing.Head) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := incarnationKey{head.Path, head.Incarnation}
	for _, l := range w.all[key] {
		if l.told == abandoned && !l.returned && l.present == 0 {
			l.returned = true
			w.count(l)
			return
		}
	}
	switch {
	case w.soak.forest.isSupervisor(head.Path):
	case w.early[key] > 0: // it has never begun
		w.early[key]--
	default:
		w.soak.violation("%v: an event tells of a return that nobody had: %v", key, w.traced(head.Path))
	}
}

// trace keeps what happened last at a path, to look at when something is wrong.
func (w *lives) trace(place string, what ...any) {
	if !*flagTrace {
		return
	}
	log := append(w.log[place], time.Now().Format("05.000000 ")+fmt.Sprintln(what...))
	w.log[place] = log[max(0, len(log)-20):]
}

// traced is what happened last at a path and above.
func (w *lives) traced(of string) string {
	var text strings.Builder
	for ; of != "."; of = path.Dir(of) {
		fmt.Fprintf(&text, "%s:\n%s\n", of, strings.Join(w.log[of], ""))
	}
	return text.String()
}

// there are the incarnations of a run of a tree that have not returned.
func (w *lives) there(tree string) map[incarnationKey]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	there := make(map[incarnationKey]bool)
	for key, all := range w.all {
		for _, l := range all {
			if l.tree == tree && l.present > 0 {
				there[key] = true
			}
		}
	}
	return there
}

// settle checks what is there in a quiet moment, and forgets what is over.
func (w *lives) settle() (alive int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, n := range w.early {
		if n > 0 {
			w.soak.violation("%v was abandoned, but never began, and does not return", key)
		}
		delete(w.early, key)
	}
	for key, all := range w.all {
		var left []*life
		for _, l := range all {
			if l.overlaps && l.told != abandoned && !l.unsettled && !l.of.tree.unheard {
				w.soak.violation("%v was there when the next began, and is not abandoned", l)
			}
			switch {
			case l.present > 0:
				left = append(left, l)
				alive++
			case l.unsettled: // it has ended this moment: a supervisor may give up whenever it likes
				left = append(left, l)
			case !l.up && !l.stale: // its Start has failed, and if it was being stopped an event will tell
				l.stale = true
				left = append(left, l)
			}
		}
		if len(left) == 0 {
			delete(w.all, key)
		} else {
			w.all[key] = left
		}
	}
	seen := make(map[*watched]bool)
	for _, all := range w.all {
		for _, l := range all {
			if seen[l.of] {
				continue
			}
			seen[l.of] = true
			w.settleChild(l.of)
		}
	}
	return alive
}

func (w *lives) settleChild(of *watched) {
	whole := 0
	for _, l := range of.latest {
		if l.present > 0 && l.told == running && !l.lost() {
			whole++
		}
	}
	if whole > 1 {
		w.soak.violation("%d incarnations of one child: %v", whole, of.latest)
	}
}

// newRun says that a tree begins anew. How its run is called, the first leaf of it
// that begins will see.
func (w *lives) newRun(t *tree) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t.run = ""
}

// runOf is the latest run of a tree.
func (w *lives) runOf(t *tree) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return t.run
}

// knows says whether there is an incarnation of which no event has told that it
// has ended otherwise than by being abandoned.
func (w *lives) knows(key incarnationKey, tree string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.all[key], func(l *life) bool {
		return l.tree == tree && (l.told == abandoned || l.told == running)
	})
}

// of tells what is known of an incarnation.
func (w *lives) of(key incarnationKey) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprint(w.all[key], "\n", w.traced(key.path))
}

// hasBeenUp says whether a child has ever been up.
func (w *lives) hasBeenUp(of *watched) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return of.up
}

// alive says whether a child has an incarnation.
func (w *lives) alive(of *watched) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(of.latest, func(l *life) bool { return l.present > 0 })
}
