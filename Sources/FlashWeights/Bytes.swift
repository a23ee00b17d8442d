internal import FlashIO
internal import Synchronization

/// Memory of one owner, given back with it: to the kernel, or to the stock it was taken from.
///
/// Mapped, not allocated: the C library keeps freed slices of a few megabytes for each thread,
/// which took the converter's peak with 16 threads from 259 MB to 526 MB.
@safe
struct Bytes: ~Copyable {
  let buffer: UnsafeMutableRawBufferPointer
  private let arena: DirectArena
  private let stock: ByteStock?

  /// Zero at first. Traps where the kernel has no memory left.
  init(count: Int) {
    self.init(arena: ByteStock.map(count), count: count, stock: nil)
  }

  /// Memory that may hold anything. Traps where the kernel has no memory left.
  init(count: Int, from stock: ByteStock) {
    self.init(arena: stock.take(count), count: count, stock: stock)
  }

  private init(arena: DirectArena, count: Int, stock: ByteStock?) {
    self.arena = arena
    self.stock = stock
    unsafe buffer = UnsafeMutableRawBufferPointer(start: arena.base, count: count)
  }

  deinit { stock?.give(arena) }

  @unsafe var start: UnsafeMutableRawPointer { unsafe arena.base }
}

/// Memory that is used again for the slices of one work, so that its pages are cleared and mapped
/// once and not for each slice. It holds no more than was ever in use at a time, a size and its
/// neighbours up to twice as large taken for one.
final class ByteStock: Sendable {
  private let arenas = Mutex<[DirectArena]>([])

  fileprivate static func map(_ count: Int) -> DirectArena {
    do throws(ArenaFailure) {
      return try DirectArena(byteCount: max(count, 1), hugePages: false)
    } catch {
      preconditionFailure(error.description)
    }
  }

  fileprivate func take(_ count: Int) -> DirectArena {
    // Powers of two: pages that are never touched cost nothing.
    var size = 4096
    while size < count { size *= 2 }
    let kept = arenas.withLock { arenas in
      arenas.lastIndex { $0.byteCount == size }.map { arenas.remove(at: $0) }
    }
    return kept ?? Self.map(size)
  }

  fileprivate func give(_ arena: DirectArena) { arenas.withLock { $0.append(arena) } }
}
