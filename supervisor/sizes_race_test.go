//go:build race

package supervisor_test

// crowd is how many healthy actors there are beside the stuck ones. The race
// detector ends a program with more than 8,128 goroutines.
const crowd = 5_000
