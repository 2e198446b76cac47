package actor

// EndWith is how the ctx of a call ends with that of its server.
var EndWith = endWith
