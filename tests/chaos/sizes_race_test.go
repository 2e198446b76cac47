//go:build race

package chaos_test

// actorsByDefault are fewer with the race detector: each quiet moment takes longer
// with it, and in the few seconds they would have less to do each.
const actorsByDefault = 300
