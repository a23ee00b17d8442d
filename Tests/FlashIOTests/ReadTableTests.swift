import FlashIO
import FlashTestSupport
import Glibc
import Testing

/// The bookkeeping all engines share, with a device that answers what the test wants.
struct ReadTableTests {
  /// A file of three units and a half.
  private let fixture: Fixture
  private let unit = 4096

  init() throws {
    fixture = try Fixture(byteCount: 3 * 4096 + 2048, support: .unit(4096))
  }

  private func open(_ table: inout ReadTable, _ units: [Range<Int>]) -> ReadBatch {
    let requests = unsafe units.map { unsafe fixture.request(units: $0) }
    return unsafe requests.withUnsafeBufferPointer { unsafe table.open($0) }
  }

  @Test func shortReadIsRequeuedInWholeUnits() throws {
    // Every way a read of the whole file can come in, in steps of half a unit.
    var pathCount = 0
    func follow(_ answers: [Int]) throws {
      var table = ReadTable(files: [fixture.file], capacity: 1)
      let batch = open(&table, [0..<4])
      var done = 0
      for answer in answers {
        let read = try unsafe #require(table.take())
        unsafe #expect(read.offset == done && read.byteCount == 4 * unit - done)
        unsafe #expect(read.destination == fixture.arena.base + done)
        unsafe table.complete(entry: read.entry, result: answer)
        done = (done + answer) / unit * unit
        if done + answer % unit >= fixture.file.byteCount { break }
      }
      let reached = answers.reduce(0) {
        ($0 + $1 >= fixture.file.byteCount) ? $0 + $1 : ($0 + $1) / unit * unit
      }
      guard reached < fixture.file.byteCount else {
        pathCount += 1
        #expect(table.isComplete(batch))
        #expect(table.statistics.retryCount == answers.count - 1)
        #expect(table.statistics.byteCount == fixture.file.byteCount)
        return try table.close(batch)
      }
      #expect(!table.isComplete(batch))
      guard answers.count < 5 else { return }
      for halves in 1...(2 * (4 * unit - reached) / unit)
      where reached + halves * unit / 2 <= fixture.file.byteCount {
        try follow(answers + [halves * unit / 2])
      }
    }
    try follow([])
    #expect(pathCount > 50)
  }

  @Test func aReadThatNeverGetsOnFails() throws {
    for (answer, code) in [(100, EIO), (-Int(EINTR), EINTR), (-Int(EAGAIN), EAGAIN)] {
      var table = ReadTable(files: [fixture.file], capacity: 1)
      let batch = open(&table, [0..<2])
      var count = 0
      while let read = unsafe table.take() {
        unsafe table.complete(entry: read.entry, result: answer)
        count += 1
      }
      #expect(count == ReadTable.fruitlessLimit)
      let failure = try #require(throws: ReadFailure.self) { try table.close(batch) }
      #expect(failure.code == code && failure.foundByteCount == 0)
    }
  }

  @Test func theEndOfTheFileTooEarlyIsAFailureWithoutANumber() throws {
    var table = ReadTable(files: [fixture.file], capacity: 1)
    let batch = open(&table, [0..<4])
    let first = try unsafe #require(table.take())
    unsafe table.complete(entry: first.entry, result: unit)
    let rest = try unsafe #require(table.take())
    unsafe table.complete(entry: rest.entry, result: 0)
    let failure = try #require(throws: ReadFailure.self) { try table.close(batch) }
    #expect(failure.code == nil && failure.foundByteCount == unit)
    #expect(failure.extent == FileExtent(offset: 0, byteCount: 4 * unit))
    #expect(failure.path == fixture.content.path)
  }

  @Test func aFailureDropsTheBatchsQueuedReadsAndNoOthers() throws {
    var table = ReadTable(files: [fixture.file], capacity: 8)
    let bad = open(&table, [0..<1, 1..<2, 2..<3])
    let good = open(&table, [3..<4])
    let first = try unsafe #require(table.take())
    let second = try unsafe #require(table.take())
    unsafe table.complete(entry: second.entry, result: -Int(ENODEV))
    #expect(!table.isComplete(bad))
    #expect(table.queuedCount(of: bad) == 0)
    // What comes back short now is not put in again, and an earlier read's failure is the one told.
    unsafe table.complete(entry: first.entry, result: -Int(EIO))
    #expect(table.isComplete(bad))
    let failure = try #require(throws: ReadFailure.self) { try table.close(bad) }
    #expect(failure.code == EIO && failure.extent.offset == 0)
    let other = try unsafe #require(table.take())
    unsafe table.complete(entry: other.entry, result: unit / 2)
    try table.close(good)
  }

  @Test func theBatchWaitedForGoesFirstAndOthersInTheirOrder() throws {
    var table = ReadTable(files: [fixture.file], capacity: 8)
    let batches = [0..<1, 1..<2, 2..<3].map { open(&table, [$0, $0]) }
    table.favoredBatch = batches[1]
    var order: [Int] = []
    while let read = unsafe table.take() {
      unsafe order.append(read.offset / unit)
      unsafe table.complete(entry: read.entry, result: unit)
    }
    #expect(order == [1, 1, 0, 0, 2, 2])
    for batch in batches { try table.close(batch) }
  }

  /// A device that posts exactly the completions it is waited for: the worst there is for the
  /// number of calls. One call submits, and each later one submits and waits.
  @Test func aLayerTakesTwoCallsForEachQueueDepthAtWorst() throws {
    for queueDepth in 1...20 {
      for count in 1...100 {
        var table = ReadTable(files: [fixture.file], capacity: 100)
        let batch = open(&table, Array(repeating: 0..<1, count: count))
        var inFlight: [Int] = []
        var calls = 1
        func fill() {
          while table.inFlightCount < queueDepth, let read = unsafe table.take() {
            unsafe inFlight.append(read.entry)
          }
        }
        fill()
        while !table.isComplete(batch) {
          fill()
          calls += 1
          for _ in 0..<table.completionsToAwait(for: batch, queueDepth: queueDepth) {
            table.complete(entry: inFlight.removeFirst(), result: unit)
          }
        }
        try table.close(batch)
        #expect(calls <= 2 * ((count + queueDepth - 1) / queueDepth), "\(count), \(queueDepth)")
      }
    }
  }
}
