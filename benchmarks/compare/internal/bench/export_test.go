package bench

// Paced is the load of the steady state: so many messages, given as numbers.
var Paced = paced
