internal import Glibc

/// A load by threads that block: `pread`, or touching a mapping.
extension ReadLoad {
  func runThreads(
    file: FlashFile, arena: DirectArena, isCancelled: @escaping @Sendable () -> Bool
  ) throws(ReadFailure) -> ReadLoadResult {
    let mapping = try method == .mmap ? FileMapping(file) : nil
    let start = MonotonicClock.nanoseconds
    let workers = (0..<depth).map { index in
      unsafe LoadWorker(
        load: self, file: file, mapping: mapping,
        buffer: arena.base + bufferOffset(slot: index, arena: arena),
        places: PlaceSequence(self, file: file, worker: index, of: depth), start: start,
        isCancelled: isCancelled)
    }
    var threads: [pthread_t] = []
    var code: Int32 = 0
    for worker in workers where code == 0 {
      var thread = pthread_t()
      let context = unsafe Unmanaged.passRetained(worker)
      code = unsafe pthread_create(&thread, nil, runWorker, context.toOpaque())
      if code == 0 { threads.append(thread) } else { unsafe context.release() }
    }
    for thread in threads { pthread_join(thread, nil) }
    if code != 0 { throw Self.failure(code, of: "the measuring threads") }
    for worker in workers { if let failure = worker.failure { throw failure } }
    let samples = workers.flatMap(\.samples)
    return ReadLoadResult(
      samples: samples, byteCount: byteCount,
      nanoseconds: samples.reduce(0) { max($0, $1.completion) })
  }

  fileprivate static func failure(_ code: Int32, of what: String) -> ReadFailure {
    ReadFailure(code: code, path: what, extent: FileExtent(offset: 0, byteCount: 0))
  }
}

/// One thread of a load. Sendable: after `init` only its own thread touches it, until it is joined.
@safe private final class LoadWorker: @unchecked Sendable {
  let load: ReadLoad
  let file: FlashFile
  let mapping: FileMapping?
  let buffer: UnsafeMutableRawPointer
  var places: PlaceSequence
  let start: Int
  let isCancelled: @Sendable () -> Bool
  var samples: [ReadSample] = []
  var failure: ReadFailure?
  /// What was touched, so that touching is not left out.
  var sum: UInt8 = 0

  init(
    load: ReadLoad, file: FlashFile, mapping: FileMapping?, buffer: UnsafeMutableRawPointer,
    places: PlaceSequence, start: Int, isCancelled: @escaping @Sendable () -> Bool
  ) {
    self.load = load
    self.file = file
    self.mapping = mapping
    unsafe self.buffer = unsafe buffer
    self.places = places
    self.start = start
    self.isCancelled = isCancelled
    samples.reserveCapacity(1 << 12)
  }

  func run() {
    let end = start + Int(load.duration / .nanoseconds(1))
    var missed = 0
    var hasRead = false
    while failure == nil, !isCancelled() {
      let before = MonotonicClock.nanoseconds
      guard before < end || !hasRead, let offset = places.next() else { return }
      hasRead = true
      var result = load.byteCount
      if let mapping {
        sum &+= mapping.touch(offset: offset, byteCount: load.byteCount)
      } else {
        result = unsafe file.readOnce(offset: offset, byteCount: load.byteCount, into: buffer)
      }
      let now = MonotonicClock.nanoseconds
      failure = load.failure(result: result, offset: offset, file: file, missed: &missed)
      guard result == load.byteCount else { continue }
      samples.append(ReadSample(completion: now - start, latency: now - before))
      if load.forgetsPages, mapping == nil {
        file.forgetPages(of: FileExtent(offset: offset, byteCount: load.byteCount))
      }
    }
  }
}

private func runWorker(_ worker: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let worker = unsafe worker {
    unsafe Unmanaged<LoadWorker>.fromOpaque(worker).takeRetainedValue().run()
  }
  return nil
}

/// A file mapped for reading, whose pages leave the page cache before and after. Sendable: nothing
/// of it changes, and threads only read.
@safe private final class FileMapping: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  private let file: FlashFile

  init(_ file: FlashFile) throws(ReadFailure) {
    self.file = file
    posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED)
    guard
      let base = unsafe mmap(nil, file.byteCount, PROT_READ, MAP_SHARED, file.descriptor, 0),
      unsafe base != MAP_FAILED
    else {
      throw ReadLoad.failure(errno, of: "a mapping of \(file.path)")
    }
    unsafe self.base = unsafe base
  }

  deinit {
    unsafe munmap(base, file.byteCount)
    posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED)
  }

  /// One byte of every page.
  func touch(offset: Int, byteCount: Int) -> UInt8 {
    var sum: UInt8 = 0
    for place in stride(from: offset, to: offset + byteCount, by: 4096) {
      unsafe sum &+= base.load(fromByteOffset: place, as: UInt8.self)
    }
    return sum
  }
}
