package actor

// An actor is compiled in the package that makes it, because its type of messages is
// there. What is inlined there of others' functions, such as the methods of
// sync/atomic, is what that package imports itself, or what its imports have inlined
// in turn. As actors are nothing but types with parameters, they inline nothing until
// there is one here: without it each message would cost some calls more in whichever
// package does not happen to import sync or sync/atomic. No program contains it.
var _ = New[int]
