//go:build race

package actor_test

const notUsedAgain = 2
