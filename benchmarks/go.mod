module github.com/coppice-go/coppice/benchmarks

go 1.26.0

require go.uber.org/goleak v1.3.0

replace github.com/coppice-go/coppice => ../
