internal import Glibc

/// Counts what one thread asks the C allocator for: objects, arrays, closures' contexts, boxes, and
/// what C code asks for itself.
///
/// Every loaded library calls the allocator through a slot of its own that the dynamic linker
/// fills (ELF, "Procedure Linkage Table"); the counter puts itself into these slots and passes
/// every call on. glibc's calls of its own allocator are not seen.
package enum AllocationCounter {
  private typealias Malloc = @convention(c) (Int) -> UnsafeMutableRawPointer?
  private typealias Calloc = @convention(c) (Int, Int) -> UnsafeMutableRawPointer?
  private typealias Realloc =
    @convention(c) (UnsafeMutableRawPointer?, Int) -> UnsafeMutableRawPointer?
  private typealias Align =
    @convention(c) (UnsafeMutablePointer<UnsafeMutableRawPointer?>, Int, Int) -> Int32

  nonisolated(unsafe) private static var isInstalled = false
  nonisolated(unsafe) private static var thread: pthread_t = 0
  nonisolated(unsafe) private static var allocationCount = 0

  /// Runs `body` and returns how many allocations it made on this thread. One test at a time may
  /// count.
  package static func count(_ body: () throws -> Void) rethrows -> Int {
    install()
    unsafe allocationCount = 0
    unsafe thread = pthread_self()
    defer { unsafe thread = 0 }
    try body()
    return unsafe allocationCount
  }

  private static func note() {
    if unsafe thread == pthread_self() { unsafe allocationCount += 1 }
  }

  private static func install() {
    guard unsafe !isInstalled else { return }
    unsafe isInstalled = true
    var slotCount = 0
    let malloc: Malloc = {
      AllocationCounter.note()
      return unsafe Glibc.malloc($0)
    }
    let calloc: Calloc = {
      AllocationCounter.note()
      return unsafe Glibc.calloc($0, $1)
    }
    let realloc: Realloc = {
      AllocationCounter.note()
      return unsafe Glibc.realloc($0, $1)
    }
    let align: Align = {
      AllocationCounter.note()
      return unsafe Glibc.posix_memalign($0, $1, $2)
    }
    let replacements = unsafe [
      "malloc": unsafeBitCast(malloc, to: UInt.self),
      "calloc": unsafeBitCast(calloc, to: UInt.self),
      "realloc": unsafeBitCast(realloc, to: UInt.self),
      "posix_memalign": unsafeBitCast(align, to: UInt.self),
    ]
    for library in LoadedLibrary.all() { slotCount += library.replaceSlots(replacements) }
    precondition(slotCount > 0, "some library calls the allocator")
  }
}
