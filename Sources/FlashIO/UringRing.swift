internal import CUring
internal import Glibc

/// The ring itself: the only file that calls liburing.
///
/// Owns the kernel's ring and what is registered with it. Knows reads and completions, not batches.
@safe final class UringRing {
  private(set) var hasRegisteredBuffers = false
  private(set) var hasRegisteredFiles = false

  /// At a fixed address: liburing keeps pointers into it.
  private let ring: UnsafeMutablePointer<io_uring>
  private static let fixedFile = UInt32(1) << UInt32(IOSQE_FIXED_FILE_BIT)

  private var isOpen = true
  private let isOneThread: Bool
  private var descriptors: [Int32] = []
  /// Addresses of the registered buffers.
  private var bufferAddresses: [Range<Int>] = []

  /// Asks the kernel for a ring with `queueDepth` entries.
  ///
  /// - Parameter isOneThread: whether the thread that makes the ring is the only one to use it. The
  ///   kernel then wakes it for as many completions as it awaits; otherwise it comes back when all
  ///   of a queue of short reads are complete, and the device stands still until the next.
  init(queueDepth: Int, isOneThread: Bool = false) throws(UringRefusal) {
    unsafe ring = .allocate(capacity: 1)
    unsafe ring.initialize(to: unsafe io_uring())
    self.isOneThread = isOneThread
    // Completions are booked by the waiting thread when it enters the kernel, not by interrupting
    // the arithmetic; kernels before 5.19 refuse those flags with EINVAL, and before 6.1 the
    // others.
    let cooperative = UInt32(IORING_SETUP_COOP_TASKRUN) | UInt32(IORING_SETUP_TASKRUN_FLAG)
    let deferred = cooperative | UInt32(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
    var result = -EINVAL
    for flags in (isOneThread ? [deferred] : []) + [cooperative, 0] where result == -EINVAL {
      unsafe ring.pointee = io_uring()
      result = unsafe io_uring_queue_init(UInt32(queueDepth), ring, flags)
    }
    if result < 0 {
      isOpen = false
      throw UringRefusal(code: -result)
    }
  }

  deinit {
    close()
    unsafe ring.deallocate()
  }

  func close() {
    guard isOpen else { return }
    isOpen = false
    // The kernel takes a ring apart when it finds the time. Until then registered memory counts
    // against a memory cgroup though it is unmapped: 64 MiB of a probe of a slow device did while
    // the model that was opened next filled its limit, which was killed.
    if hasRegisteredBuffers { unsafe io_uring_unregister_buffers(ring) }
    unsafe io_uring_queue_exit(ring)
  }

  /// Registers the arenas' memory. Returns a sentence where that is refused.
  func register(arenas: [DirectArena]) -> String? {
    let buffers = unsafe arenas.flatMap { unsafe $0.registeredBuffers }
    guard unsafe !buffers.isEmpty else { return nil }
    bufferAddresses = unsafe buffers.map {
      let start = Int(bitPattern: $0.baseAddress)
      return start..<start + $0.count
    }
    let vectors = unsafe buffers.map {
      unsafe iovec(iov_base: $0.baseAddress, iov_len: $0.count)
    }
    let result = unsafe io_uring_register_buffers(ring, vectors, UInt32(vectors.count))
    hasRegisteredBuffers = result == 0
    guard result != 0 else { return nil }
    let limit = ResourceLimit.lockedMemory.current.map { "RLIMIT_MEMLOCK is \($0) bytes" }
    return "the arena is not registered (\(Errno.symbol(-result)); \(limit ?? "no limit is set"))"
  }

  /// Registers the files. Returns a sentence where that is refused.
  func register(files: [FlashFile]) -> String? {
    descriptors = files.map(\.descriptor)
    guard !descriptors.isEmpty else { return nil }
    let result = unsafe io_uring_register_files(ring, descriptors, UInt32(descriptors.count))
    hasRegisteredFiles = result == 0
    return result == 0 ? nil : "the files are not registered (\(Errno.symbol(-result)))"
  }

  /// Reads prepared and not yet given to the kernel.
  var preparedCount: Int { isOpen ? unsafe Int(io_uring_sq_ready(ring)) : 0 }

  /// Whether the kernel holds completions that it posts only when it is entered.
  var hasHiddenCompletions: Bool {
    unsafe isOpen && ring.pointee.sq.kflags.pointee & UInt32(IORING_SQ_TASKRUN) != 0
  }

  /// Puts a read into the submission queue, which has room: no more reads are in flight than it
  /// has entries.
  func prepare(_ read: ReadTable.Read) {
    guard let entry = unsafe io_uring_get_sqe(ring) else {
      preconditionFailure("the submission queue holds the queue depth")
    }
    let file = unsafe hasRegisteredFiles ? Int32(read.fileIndex) : descriptors[read.fileIndex]
    let offset = unsafe UInt64(read.offset)
    let count = unsafe UInt32(read.byteCount)
    if let buffer = unsafe registeredBuffer(of: read) {
      unsafe io_uring_prep_read_fixed(entry, file, read.destination, count, offset, Int32(buffer))
    } else {
      unsafe io_uring_prep_read(entry, file, read.destination, count, offset)
    }
    if hasRegisteredFiles { unsafe io_uring_sqe_set_flags(entry, Self.fixedFile) }
    unsafe io_uring_sqe_set_data64(entry, UInt64(read.entry))
  }

  /// Gives prepared reads to the kernel and blocks until `count` completions are posted, or fewer
  /// where a signal comes. Returns an error number, or nil.
  func enter(waitingFor count: Int) -> Int32? {
    let result: Int32
    if count > 0 {
      result = unsafe io_uring_submit_and_wait(ring, UInt32(count))
    } else if preparedCount == 0 {
      result = unsafe io_uring_get_events(ring)
    } else {
      result = unsafe isOneThread ? io_uring_submit_and_get_events(ring) : io_uring_submit(ring)
    }
    return result < 0 ? -result : nil
  }

  /// The next posted completion: bytes read, or a negated error number.
  func nextCompletion() -> (entry: Int, result: Int)? {
    guard isOpen else { return nil }
    var completion: UnsafeMutablePointer<io_uring_cqe>?
    // Not `io_uring_peek_cqe`, which may make a system call of its own.
    guard unsafe __io_uring_peek_cqe(ring, &completion, nil) == 0,
      let completion = unsafe completion
    else {
      return nil
    }
    let found = unsafe (
      entry: Int(completion.pointee.user_data), result: Int(completion.pointee.res)
    )
    unsafe io_uring_cqe_seen(ring, completion)
    return found
  }

  /// The registered buffer that holds all of the read's destination.
  private func registeredBuffer(of read: ReadTable.Read) -> Int? {
    guard hasRegisteredBuffers else { return nil }
    let start = unsafe Int(bitPattern: read.destination)
    let end = unsafe start + read.byteCount
    return bufferAddresses.firstIndex { $0.lowerBound <= start && end <= $0.upperBound }
  }
}
