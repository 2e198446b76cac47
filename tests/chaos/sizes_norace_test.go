//go:build !race

package chaos_test

const actorsByDefault = 1000
