//go:build !race

package otp_test

// scenariosByDefault is how many random scenarios are compared with OTP.
const scenariosByDefault = 2000
