package import FlashIO

/// The recorded reads issued again without arithmetic, in the same order and with the same
/// dependencies: how fast the run could be if arithmetic took no time.
///
/// A layer's demands are submitted together and awaited before the next layer's; guesses go out
/// when the demands before them are in, and are awaited with the layer they are for; weights that
/// pass through the ring are read as far ahead as they were.
@safe package final class ReadReplay {
  /// What replaying came to.
  package struct Outcome: Sendable, Equatable {
    /// Seconds of the prompt's chunks and of the decoded tokens.
    package var promptSeconds = 0.0
    package var decodeSeconds = 0.0
    package var decodedTokenCount = 0
    /// Of the decoded tokens.
    package var readCount = 0
    package var byteCount = 0

    package var tokensPerSecond: Double? {
      decodeSeconds > 0 ? Double(decodedTokenCount) / decodeSeconds : nil
    }
    package var bandwidth: Double? {
      decodeSeconds > 0 ? Double(byteCount) / decodeSeconds : nil
    }
  }

  private let run: RecordedRun
  private let engine: any ReadEngine
  private let target: ReplayTarget
  private let memory: UnsafeMutableRawBufferPointer
  /// Bytes of `memory` handed out; what was read is never looked at, so it is used round and round.
  private var used = 0
  /// Reads ahead of their use, oldest first, one batch each.
  private var ahead: [ReadBatch] = []
  private var guesses: ReadBatch?
  private let depth: Int

  /// - Parameters:
  ///   - engine: over `target.files`.
  ///   - memory: in the engine's arena; at least as large as the largest read.
  package init(
    _ run: RecordedRun, target: ReplayTarget, engine: any ReadEngine,
    memory: UnsafeMutableRawBufferPointer
  ) {
    self.run = run
    self.target = target
    self.engine = engine
    unsafe self.memory = unsafe memory
    depth = min(Self.largestInFlight(run), engine.description.capacity / 2)
  }

  /// Reads every group in order.
  ///
  /// - Parameter isCancelled: asked before each group.
  /// - Throws: `ReadFailure`.
  package func replay(isCancelled: () -> Bool = { false }) throws(ReadFailure) -> Outcome {
    var outcome = Outcome()
    var forward = -1
    var start = ContinuousClock.now
    var index = 0
    func finishForward() {
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      if forward >= 0 {
        if run.forwards[forward].isPrompt {
          outcome.promptSeconds += seconds
        } else {
          outcome.decodeSeconds += seconds
        }
      }
      start = ContinuousClock.now
    }
    while index < run.reads.count, !isCancelled() {
      let group = group(from: index)
      if run.reads[index].forward != forward {
        finishForward()
        forward = run.reads[index].forward
      }
      try issue(group)
      if !run.forwards[forward].isPrompt {
        outcome.readCount += group.count
        outcome.byteCount += run.reads[group].reduce(0) { $0 + $1.read.extent.byteCount }
      }
      index = group.upperBound
    }
    try drain()
    finishForward()
    outcome.decodedTokenCount = run.forwards.reduce(0) { $1.isPrompt ? $0 : $0 + $1.tokenCount }
    return outcome
  }

  /// Reads from `first` on that were for the same layer of the same chunk and purpose.
  private func group(from first: Int) -> Range<Int> {
    let (read, forward) = run.reads[first]
    var end = first + 1
    while end < run.reads.count, run.reads[end].forward == forward,
      run.reads[end].read.label == read.label
    {
      end += 1
    }
    return first..<end
  }

  private func issue(_ group: Range<Int>) throws(ReadFailure) {
    switch run.reads[group.lowerBound].read.label.purpose {
    case .stream:
      for index in group {
        if ahead.count >= depth { try engine.wait(for: ahead.removeFirst()) }
        ahead.append(try submit(index..<index + 1))
      }
    case .guess:
      if let earlier = guesses {
        guesses = nil
        try engine.wait(for: earlier)
      }
      guesses = try submit(group)
    case .demand, .row:
      // More than the engine takes at a time goes in parts.
      let most = engine.description.capacity / 4
      for first in stride(from: group.lowerBound, to: group.upperBound, by: most) {
        let batch = try submit(first..<min(group.upperBound, first + most))
        try engine.wait(for: batch)
      }
      if let earlier = guesses {
        guesses = nil
        try engine.wait(for: earlier)
      }
    }
  }

  private func submit(_ group: Range<Int>) throws(ReadFailure) -> ReadBatch {
    var requests: [ReadRequest] = unsafe []
    unsafe requests.reserveCapacity(group.count)
    for index in group {
      let read = run.reads[index].read
      let file = target.fileIndices[read.fileIndex]
      let extent = target.files[file].widened(read.extent)
      let byteCount = (extent.byteCount + 4095) / 4096 * 4096
      if unsafe used + byteCount > memory.count { used = 0 }
      unsafe requests.append(
        ReadRequest(
          fileIndex: file, extent: extent, destination: memory.baseAddress! + used))
      used += byteCount
    }
    return try unsafe engine.submit(requests)
  }

  private func drain() throws(ReadFailure) {
    for batch in ahead { try engine.wait(for: batch) }
    ahead = []
    if let batch = guesses {
      guesses = nil
      try engine.wait(for: batch)
    }
  }

  /// The most reads ahead of their use that were in flight at a time, at least 1.
  private static func largestInFlight(_ run: RecordedRun) -> Int {
    let streamed = run.reads.lazy.map(\.read).filter { $0.label.purpose == .stream }
    var changes: [(time: Int, change: Int)] = []
    for read in streamed { changes += [(read.start, 1), (read.end, -1)] }
    changes.sort { ($0.time, $0.change) < ($1.time, $1.change) }
    var (now, most) = (0, 1)
    for change in changes {
      now += change.change
      most = max(most, now)
    }
    return most
  }

  /// Bytes of memory that a replay wants: as much as is in flight, and not so little that reads
  /// share pages.
  package static func memoryByteCount(_ run: RecordedRun, unit: Int) -> Int {
    let largest = run.reads.reduce(0) { max($0, $1.read.extent.byteCount) }
    return max(64 << 20, largest + 2 * unit + 4096)
  }
}

/// The files that reads go to: those of the recording, or others in their place.
package struct ReplayTarget: Sendable {
  /// Why reads cannot go there.
  package enum Failure: Error, Sendable, Equatable, CustomStringConvertible {
    case cannotOpen(FileFailure)
    /// The file is shorter than what was read of it.
    case tooSmall(path: String, byteCount: Int, readEnd: Int)
    /// A read names a file that the trace's header does not have.
    case unknownFile(index: Int)

    package var description: String {
      switch self {
      case .cannotOpen(let failure): failure.description
      case .tooSmall(let path, let byteCount, let readEnd):
        "\(path) has \(byteCount) bytes, and the recorded reads go up to \(readEnd)"
      case .unknownFile(let index):
        "a read is of file \(index), which the trace does not name"
      }
    }
  }

  package let files: [FlashFile]
  /// For each file of the recording, the one in its place.
  package let fileIndices: [Int]

  /// - Parameters:
  ///   - device: a store, whose files of the same names are read; or a file, from which all is
  ///     read; nil reads the recorded files.
  ///   - isFolder: whether `device` is a folder.
  package init(
    _ run: RecordedRun, device: String?, isFolder: Bool, direct: DirectMode
  ) throws(Failure) {
    let recorded = run.header.files.map(\.path)
    let paths: [String]
    switch device {
    case nil: paths = recorded
    case let folder? where isFolder:
      paths = recorded.map { folder + "/" + ($0.split(separator: "/").last.map(String.init) ?? $0) }
    case let file?: paths = recorded.map { _ in file }
    }
    var unique: [String] = []
    fileIndices = paths.map { path in
      if let index = unique.firstIndex(of: path) { return index }
      unique.append(path)
      return unique.count - 1
    }
    // Only what is read has to be there.
    var ends = [Int](repeating: 0, count: unique.count)
    for (read, _) in run.reads {
      guard fileIndices.indices.contains(read.fileIndex) else {
        throw .unknownFile(index: read.fileIndex)
      }
      let file = fileIndices[read.fileIndex]
      ends[file] = max(ends[file], read.extent.end)
    }
    var files: [FlashFile] = []
    for (path, end) in zip(unique, ends) {
      let file: FlashFile
      do throws(FileFailure) {
        file = try FlashFile(path: path, direct: direct)
      } catch {
        throw .cannotOpen(error)
      }
      // A read may pass the end by less than a unit.
      guard end < file.byteCount + max(4096, file.unit) else {
        throw .tooSmall(path: path, byteCount: file.byteCount, readEnd: end)
      }
      files.append(file)
    }
    self.files = files
  }
}
