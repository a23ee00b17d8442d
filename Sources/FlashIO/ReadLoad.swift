internal import Glibc

/// A constant load of reads on one file, to measure it: so many reads are in flight, each is timed
/// alone, and the next goes in as soon as one is complete.
///
/// The engines of a run are given batches and report totals; here every read's own latency counts.
/// What is read is thrown away.
package struct ReadLoad: Sendable {
  package enum Method: String, Sendable, CaseIterable {
    /// One thread and a ring, as in runs.
    case uring = "io_uring"
    /// As many threads as reads in flight.
    case pread
    /// As many threads, each touching every page of its read in a mapping of the file. There an
    /// unreadable sector ends the process with SIGBUS, so it is measured last.
    case mmap
  }

  package enum Places: Sendable, Equatable {
    /// Anywhere, at multiples of the read's size.
    case random(seed: UInt64)
    /// One behind the other from an offset on, from the start again at the file's end.
    case sequential(from: Int)
    /// These offsets once each, then the load is over.
    case listed([Int])
  }

  package var method: Method
  package var places: Places
  /// Of each read; whole units of the file.
  package var byteCount: Int
  /// Reads in flight.
  package var depth: Int
  /// No read begins later than this, except the first of each thread.
  package var duration: Duration
  /// Whether buffered reads leave nothing in the page cache, as in runs. It matters only where
  /// direct reads are refused.
  package var forgetsPages = true
  /// Whether all the reads that a ring has room for go in with one call, and those that are
  /// complete are seen together, as a run's. They then all complete at once on a fast device, which
  /// stands still until the next are there: 8 reads of 4 KiB were 0.87 of what the device could.
  package var isInBatches = false

  package init(
    method: Method, places: Places, byteCount: Int, depth: Int, duration: Duration
  ) {
    self.method = method
    self.places = places
    self.byteCount = byteCount
    self.depth = depth
    self.duration = duration
  }

  /// Reads that go to a ring with one call, at most, where they do not go in batches.
  package static func submissionCount(depth: Int) -> Int { max(1, depth / 4) }

  /// Reads until the time is over or `isCancelled`, and waits for what is in flight.
  ///
  /// - Parameters:
  ///   - arena: where the bytes go; where it is smaller than all reads in flight they share it.
  ///   - isCancelled: asked before every read, from any thread.
  /// - Throws: `ReadFailure` for the first read that fails; for a ring, threads or a mapping that
  ///   cannot be had it names those instead of the file.
  package func run(
    file: FlashFile, arena: DirectArena, isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws(ReadFailure) -> ReadLoadResult {
    precondition(byteCount > 0 && byteCount % file.unit == 0, "a read is of whole units")
    precondition(byteCount <= file.byteCount, "the file holds a read")
    precondition(byteCount <= arena.byteCount || method == .mmap, "the arena holds a read")
    precondition((1...UringReadEngine.maximumQueueDepth).contains(depth), "a depth is 1 to 4096")
    return switch method {
    case .uring: try runRing(file: file, arena: arena, isCancelled: isCancelled)
    case .pread, .mmap: try runThreads(file: file, arena: arena, isCancelled: isCancelled)
    }
  }

  /// Where in the arena the read of a slot goes.
  func bufferOffset(slot: Int, arena: DirectArena) -> Int {
    let stride = (byteCount + 4095) / 4096 * 4096
    return slot % max(1, arena.byteCount / stride) * stride
  }

  /// What a read that did not bring all its bytes means; nil where it did, or may be repeated.
  func failure(
    result: Int, offset: Int, file: FlashFile, missed: inout Int
  ) -> ReadFailure? {
    if result == byteCount { return nil }
    let code = result < 0 ? Int32(-result) : nil
    let isPassing = code == EINTR || code == EAGAIN || result > 0
    missed += 1
    if isPassing, missed < ReadTable.fruitlessLimit { return nil }
    return ReadFailure(
      code: code, path: file.path, extent: FileExtent(offset: offset, byteCount: byteCount),
      foundByteCount: max(0, result))
  }
}

/// One read of a load.
package struct ReadSample: Sendable, Equatable {
  /// When it was seen to be complete, in nanoseconds since the load began.
  package var completion: Int
  /// From when the kernel had it until it was seen to be complete, in nanoseconds.
  package var latency: Int
  /// From when it was wanted until the kernel had it, in nanoseconds; 0 where that is one call.
  package var submission: Int

  /// From when it was wanted until it was seen to be complete, in nanoseconds.
  package var total: Int { submission + latency }

  package init(completion: Int, latency: Int, submission: Int = 0) {
    self.completion = completion
    self.latency = latency
    self.submission = submission
  }
}

/// What a load did.
package struct ReadLoadResult: Sendable, Equatable {
  /// In the order of completion for a ring, thread by thread otherwise.
  package var samples: [ReadSample]
  /// Of each read.
  package var byteCount: Int
  /// From the first read to the last completion.
  package var nanoseconds: Int

  package init(samples: [ReadSample], byteCount: Int, nanoseconds: Int) {
    self.samples = samples
    self.byteCount = byteCount
    self.nanoseconds = nanoseconds
  }

  package var seconds: Double { Double(max(1, nanoseconds)) / 1e9 }
  package var readsPerSecond: Double { Double(samples.count) / seconds }
  package var bytesPerSecond: Double { readsPerSecond * Double(byteCount) }
}

/// The offsets of one worker's reads, without end unless they are listed.
struct PlaceSequence {
  private var places: ReadLoad.Places
  private let byteCount: Int
  private let placeCount: Int
  private let step: Int
  private var index: Int
  private var state: UInt64

  /// - Parameters:
  ///   - worker: of `workers` that share the places; a ring is one worker.
  init(_ load: ReadLoad, file: FlashFile, worker: Int = 0, of workers: Int = 1) {
    places = load.places
    byteCount = load.byteCount
    placeCount = file.byteCount / load.byteCount
    step = workers
    index = worker
    state = 0
    switch load.places {
    case .random(let seed): state = seed &+ UInt64(worker) &* 0x9E37_79B9_7F4A_7C15
    case .sequential(let start): index = start / load.byteCount + worker
    case .listed: break
    }
  }

  mutating func next() -> Int? {
    switch places {
    case .random:
      // Knuth's MMIX generator; its high bits are random enough to scatter reads.
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(placeCount)) * byteCount
    case .sequential:
      defer { index += step }
      return index % placeCount * byteCount
    case .listed(let offsets):
      defer { index += step }
      return index < offsets.count ? offsets[index] : nil
    }
  }
}
