internal import Glibc

/// Reads by a pool of threads in `pread`: what is used where io_uring is forbidden.
///
/// The same contract as the ring, at the price of a system call and two thread switches per read.
/// These readers and the workers of the arithmetic are the process's only other threads.
@safe package final class PreadReadEngine: ReadEngine {
  /// More readers than this cost more in switching than a deeper queue brings.
  package static let readerLimit = 32

  package let description: ReadEngineDescription
  package let files: [FlashFile]
  package var statistics: ReadStatistics { pool.locked { $0.statistics } }
  package var recorder: TraceRecorder? {
    get { pool.locked { $0.recorder } }
    set { pool.locked { $0.recorder = newValue } }
  }

  private let pool: ReaderPool
  private var owner = ThreadOwner()

  /// Starts the readers: `queueDepth` of them, at most `readerLimit`.
  /// - Parameter reasons: why it is not io_uring.
  ///
  /// - Throws: `ReaderFailure` when no thread can be started.
  package init(
    files: [FlashFile], queueDepth: Int = 64, capacity: Int = 8192, reasons: [String] = []
  ) throws(ReaderFailure) {
    precondition(queueDepth > 0, "a queue depth is at least 1")
    precondition(capacity > 0, "a read engine needs room for at least one read")
    self.files = files
    pool = try ReaderPool(
      table: ReadTable(files: files, capacity: capacity),
      readerCount: min(queueDepth, Self.readerLimit))
    description = ReadEngineDescription(
      kind: .pread, queueDepth: pool.readerCount, capacity: capacity,
      directUnit: files.commonDirectUnit, reasons: reasons + files.compactMap(\.fallbackSentence))
  }

  deinit {
    pool.stop()
  }

  package func submit(_ requests: UnsafeBufferPointer<ReadRequest>) throws(ReadFailure) -> ReadBatch
  {
    owner.check()
    let batch = pool.locked { table in
      defer { table.noteInFlight() }
      return unsafe table.open(requests)
    }
    pool.announceWork(count: requests.count)
    return batch
  }

  package func submit(
    _ requests: UnsafeBufferPointer<ReadRequest>, addingTo batch: ReadBatch
  ) throws(ReadFailure) {
    owner.check()
    pool.locked { unsafe $0.extend(batch, with: requests) }
    pool.announceWork(count: requests.count)
  }

  package func wait(for batch: ReadBatch) throws(ReadFailure) {
    owner.check()
    pool.await(batch)
    let failure = pool.locked { table in
      do throws(ReadFailure) {
        try table.close(batch)
        return ReadFailure?.none
      } catch {
        return error
      }
    }
    if let failure { throw failure }
  }

  package func isComplete(_ batch: ReadBatch) -> Bool {
    owner.check()
    return pool.locked { $0.isComplete(batch) }
  }

  package func collectReads() { pool.locked { $0.recorder?.collect() } }

  package func drain() { pool.drain() }
}

/// Threads for reading that the kernel does not give.
package struct ReaderFailure: Error, Sendable, Equatable, CustomStringConvertible {
  package var code: Int32

  package var description: String { "no reader thread can be started: \(Errno.text(code))" }
}
