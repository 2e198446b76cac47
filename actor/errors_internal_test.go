package actor

import (
	"strings"
	"testing"

	"github.com/coppice-go/coppice/mailbox"
)

func TestARequestThatIsADeadLetterHasAnErrorWhyever(t *testing.T) {
	for why := mailbox.Why(0); !strings.HasPrefix(why.String(), "why("); why++ {
		if (failures[why].err == nil) != (why == mailbox.CallerGone) { // then nobody is there to hear it
			t.Errorf("%v: got the error %v", why, failures[why].err)
		}
	}
}
