package import FlashIO
internal import Glibc

/// A read engine without a device: bytes come from real files, but when and how they come is drawn
/// by seed. One seed gives one history, so that a failing run can be repeated.
///
/// Time is virtual: `wait` jumps to the next completion, and completions overtake each other. A
/// destination is filled with garbage when its read goes in and gets its bytes when the read
/// completes, so that whoever looks too early computes nonsense.
@safe package final class SimulatedReadEngine: ReadEngine {
  package let description: ReadEngineDescription
  package var files: [FlashFile] { table.files }
  package var statistics: ReadStatistics { table.statistics }
  package var recorder: TraceRecorder? {
    get { table.recorder }
    set { table.recorder = newValue }
  }
  /// What has gone wrong so far.
  package private(set) var faultCount = 0

  private var table: ReadTable
  private var random: SplitMix
  /// May change between reads; those in flight keep their fate.
  package var faults: SimulatedFaults
  private let queueDepth: Int
  private var now = 0
  /// Reads put in flight so far.
  package private(set) var takenCount = 0
  private var inFlight: [Flight] = []

  private struct Flight {
    var finish: Int
    var fate: Fate
    var fileIndex: Int
    var offset: Int
    var byteCount: Int
    var entry: Int
    var address: Int
  }

  private enum Fate {
    case bytes(Int)
    case error(Int32)
  }

  package init(
    files: [FlashFile], queueDepth: Int = 64, capacity: Int = 8192, seed: UInt64,
    faults: SimulatedFaults = SimulatedFaults()
  ) {
    table = ReadTable(files: files, capacity: capacity)
    random = SplitMix(seed: seed)
    self.faults = faults
    self.queueDepth = queueDepth
    inFlight.reserveCapacity(queueDepth)
    description = ReadEngineDescription(
      kind: .simulated, queueDepth: queueDepth, capacity: capacity,
      directUnit: files.commonDirectUnit, reasons: files.compactMap(\.fallbackSentence))
  }

  package func submit(_ requests: UnsafeBufferPointer<ReadRequest>) throws(ReadFailure) -> ReadBatch
  {
    let batch = unsafe table.open(requests)
    fill()
    return batch
  }

  package func submit(
    _ requests: UnsafeBufferPointer<ReadRequest>, addingTo batch: ReadBatch
  ) throws(ReadFailure) {
    unsafe table.extend(batch, with: requests)
    fill()
  }

  package func wait(for batch: ReadBatch) throws(ReadFailure) {
    let start = now
    table.favoredBatch = batch
    let isBlocking = !table.isComplete(batch)
    while !table.isComplete(batch) {
      fill()
      landNext()
    }
    if isBlocking { table.noteWait(.nanoseconds(now - start)) }
    try table.close(batch)
  }

  /// Every look costs a virtual microsecond, so that a loop of looks ends.
  package func isComplete(_ batch: ReadBatch) -> Bool {
    now += 1000
    fill()
    while let next = nextFlight, inFlight[next].finish <= now { landNext() }
    return table.isComplete(batch)
  }

  package func collectReads() { table.recorder?.collect() }

  package func drain() {
    table.dropQueued()
    while !inFlight.isEmpty {
      landNext()
      table.dropQueued()
    }
    table.closeAll()
  }

  private func fill() {
    while table.inFlightCount < queueDepth, let read = unsafe table.take() {
      takenCount += 1
      unsafe memset(read.destination, 0xEE, read.byteCount)
      unsafe inFlight.append(
        Flight(
          finish: now + random.next(in: faults.latency), fate: fate(byteCount: read.byteCount),
          fileIndex: read.fileIndex, offset: read.offset, byteCount: read.byteCount,
          entry: read.entry, address: Int(bitPattern: read.destination)))
    }
  }

  private func fate(byteCount: Int) -> Fate {
    if let last = faults.deviceGoneAfter, takenCount > last { return fault(.error(ENODEV)) }
    if random.chance(faults.failureChance) { return fault(.error(faults.failureCode)) }
    if random.chance(faults.interruptionChance) { return fault(.error(EINTR)) }
    if random.chance(faults.shortReadChance) {
      return fault(.bytes(random.next(in: 1...byteCount)))
    }
    return .bytes(byteCount)
  }

  private func fault(_ fate: Fate) -> Fate {
    faultCount += 1
    return fate
  }

  private var nextFlight: Int? {
    inFlight.indices.min { inFlight[$0].finish < inFlight[$1].finish }
  }

  /// Completes the read that is due first.
  private func landNext() {
    guard let index = nextFlight else { return }
    let flight = inFlight[index]
    inFlight.swapAt(index, inFlight.count - 1)
    inFlight.removeLast()
    now = max(now, flight.finish)
    switch flight.fate {
    case .error(let code):
      table.complete(entry: flight.entry, result: -Int(code))
    case .bytes(let count):
      table.complete(entry: flight.entry, result: land(flight, byteCount: count))
    }
  }

  /// Brings the first `byteCount` bytes of a read; the others stay garbage.
  private func land(_ flight: Flight, byteCount: Int) -> Int {
    let destination = unsafe UnsafeMutableRawPointer(bitPattern: flight.address)!
    let found = unsafe files[flight.fileIndex].readOnce(
      offset: flight.offset, byteCount: flight.byteCount, into: destination)
    guard found > byteCount else { return found }
    unsafe memset(destination + byteCount, 0xEE, found - byteCount)
    return byteCount
  }
}
