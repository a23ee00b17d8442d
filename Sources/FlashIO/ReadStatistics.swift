/// Totals of a read engine since it was made; a run's share is the difference of two.
package struct ReadStatistics: Sendable, Equatable {
  /// Requests completed without failure.
  package var readCount = 0
  /// Bytes the files delivered, with what reads were widened by.
  package var byteCount = 0
  /// Calls of `io_uring_enter`; zero for the other engines.
  package var ringCallCount = 0
  /// Calls of `wait(for:)` that had to block.
  package var waitCount = 0
  /// Time spent blocked in `wait(for:)`.
  package var waited = Duration.zero
  /// Time in which reads were in flight, at least: where completions are only looked for now and
  /// then, the time from the last look that found reads in flight to the one that found none is
  /// left out, unless somebody waited for them.
  package var busy = Duration.zero
  /// The most reads ever in flight at a time.
  package var maximumInFlight = 0
  /// Reads put in again: the rest of a short read, or one that was interrupted.
  package var retryCount = 0

  package init() {}

  /// What happened between `earlier` and `later`; the maximum in flight is the later one.
  package static func - (later: Self, earlier: Self) -> Self {
    var difference = later
    difference.readCount -= earlier.readCount
    difference.byteCount -= earlier.byteCount
    difference.ringCallCount -= earlier.ringCallCount
    difference.waitCount -= earlier.waitCount
    difference.waited -= earlier.waited
    difference.busy -= earlier.busy
    difference.retryCount -= earlier.retryCount
    return difference
  }
}
