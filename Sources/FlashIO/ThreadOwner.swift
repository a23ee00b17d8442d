internal import Glibc

/// Remembers the thread that came first and stops every other: a ring's requests die with the
/// thread that submitted them, and no engine locks its caller's side.
struct ThreadOwner {
  private var owner: pthread_t?

  mutating func check() {
    let caller = pthread_self()
    if let owner {
      precondition(
        pthread_equal(owner, caller) != 0, "a read engine is used by the thread that used it first")
    } else {
      owner = caller
    }
  }
}
