package figures_test

import (
	"encoding/json"
	"testing"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/figures"
)

func TestFigures(t *testing.T) {
	var samples figures.Samples
	for workload, contenders := range map[string]map[string][]float64{
		"send-1-1":         {"coppice": {30, 10, 20}, "raw": {5, 10, 8, 6}}, // medians 20 and 7
		"bytes-idle":       {"coppice": {3000}, "raw": {4000, 2000, 4000}, "suture": {5000}},
		"bytes-hibernated": {"coppice": {1000}},
		"call":             {"coppice": {1}},
	} {
		for contender, values := range contenders {
			for _, value := range values {
				samples.Add(workload, contender, value)
			}
		}
	}
	got := samples.Figures([]string{"coppice", "raw", "suture"})
	want := []string{
		`{"workload":"send-1-1","contender":"coppice","unit":"msg/s","median":20,"min":10,"max":30,"n":3,"ratio_to_raw":2.857142857142857}`,
		`{"workload":"send-1-1","contender":"raw","unit":"msg/s","median":7,"min":5,"max":10,"n":4,"ratio_to_raw":1}`,
		`{"workload":"call","contender":"coppice","unit":"ns","median":1,"min":1,"max":1,"n":1,"ratio_to_raw":null}`,
		`{"workload":"bytes-idle","contender":"coppice","unit":"B","median":3000,"min":3000,"max":3000,"n":1,"ratio_to_raw":0.75}`,
		`{"workload":"bytes-idle","contender":"raw","unit":"B","median":4000,"min":2000,"max":4000,"n":3,"ratio_to_raw":1}`,
		`{"workload":"bytes-idle","contender":"suture","unit":"B","median":5000,"min":5000,"max":5000,"n":1,"ratio_to_raw":1.25}`,
		`{"workload":"bytes-hibernated","contender":"coppice","unit":"B","median":1000,"min":1000,"max":1000,"n":1,"ratio_to_raw":0.25}`,
	}
	if len(got) != len(want) {
		t.Fatalf("got %d figures, want %d: %+v", len(got), len(want), got)
	}
	for i, f := range got {
		line, err := json.Marshal(f)
		if err != nil || string(line) != want[i] {
			t.Errorf("got %s, %v\nwant %s", line, err, want[i])
		}
	}
}

func TestWhoIsNotAskedForHasNoFigure(t *testing.T) {
	var samples figures.Samples
	samples.Add("send-1-1", "raw", 10)
	samples.Add("send-1-1", "coppice", 20)
	got := samples.Figures([]string{"coppice"})
	if len(got) != 1 || got[0].Contender != "coppice" || *got[0].RatioToRaw != 2 {
		t.Errorf("got %+v, want coppice at 2x", got)
	}
	if got := new(figures.Samples).Figures([]string{"coppice"}); got != nil {
		t.Errorf("without samples: got %+v", got)
	}
}
