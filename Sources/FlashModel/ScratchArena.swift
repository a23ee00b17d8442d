import FlashIO

/// One reservation of memory from which a decoder's buffers are cut, so that a forward pass
/// allocates nothing.
///
/// A first pass over the same calls with no memory behind it (`measure`) gives the size; buffers
/// live as long as the arena.
@safe final class ScratchArena {
  private let arena: DirectArena?
  private(set) var byteCount = 0

  /// An arena that only counts.
  init() { arena = nil }

  /// - Throws: `ArenaFailure` when the memory cannot be had.
  init(byteCount: Int) throws(ArenaFailure) {
    arena = try DirectArena(byteCount: max(1, byteCount), prefault: true)
  }

  /// A buffer of `count` values, zero at first, on its own cache lines.
  ///
  /// While measuring the address is not to be used.
  func take<Value: BitwiseCopyable>(_ type: Value.Type, _ count: Int) -> UnsafeMutablePointer<Value>
  {
    let offset = byteCount
    byteCount += (count * MemoryLayout<Value>.stride + 63) / 64 * 64
    guard let arena else {
      return unsafe UnsafeMutablePointer(bitPattern: 64).unsafelyUnwrapped
    }
    precondition(byteCount <= arena.byteCount, "scratch was measured by the same calls")
    return unsafe (arena.base + offset).bindMemory(to: type, capacity: max(1, count))
  }
}
