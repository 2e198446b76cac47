//go:build !race

package supervisor_test

// crowd is how many healthy actors there are beside the stuck ones.
const crowd = 100_000
