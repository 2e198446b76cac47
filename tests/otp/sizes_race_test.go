//go:build race

package otp_test

// scenariosByDefault is how many random scenarios are compared with OTP. What the
// race detector looks for shows in fewer of them.
const scenariosByDefault = 400
