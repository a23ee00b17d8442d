internal import FlashIO
internal import Synchronization

/// Tells the kernel what a conversion will read next, a bounded way ahead, so that the device reads
/// while the processor turns and packs what is there.
final class ReadAhead: Sendable {
  /// Bytes that are announced beyond those that have been read.
  private static let distance = 48 << 20
  /// Bytes of one announcement.
  private static let pieceByteCount = 2 << 20

  private let files: [SourceFile]
  private let state = Mutex(State())

  private struct State {
    var pieces: [(file: Int, extent: FileExtent)] = []
    var next = 0
    /// Bytes of the source that have been announced, and read.
    var announced = 0
    var read = 0
  }

  init(files: [SourceFile]) { self.files = files }

  /// Adds what is read next: extents that are read side by side, from their fronts on.
  func append(_ group: [(file: Int, extent: FileExtent)]) {
    state.withLock { state in
      var rest = group
      while !rest.isEmpty {
        for index in rest.indices {
          var piece = rest[index]
          piece.extent.byteCount = min(piece.extent.byteCount, Self.pieceByteCount)
          rest[index].extent.offset += piece.extent.byteCount
          rest[index].extent.byteCount -= piece.extent.byteCount
          state.pieces.append(piece)
        }
        rest.removeAll { $0.extent.byteCount == 0 }
      }
    }
  }

  /// Counts bytes that have been read, and announces what lies within the distance then. Any thread
  /// may call it; it may wait for the device's queue.
  func advance(_ byteCount: Int) {
    state.withLock { $0.read += byteCount }
    while true {
      let piece = state.withLock { state -> (file: Int, extent: FileExtent)? in
        guard state.next < state.pieces.count, state.announced < state.read + Self.distance
        else { return nil }
        let piece = state.pieces[state.next]
        state.next += 1
        state.announced += piece.extent.byteCount
        return piece
      }
      guard let piece else { return }
      files[piece.file].file.willRead(piece.extent.offset, byteCount: piece.extent.byteCount)
    }
  }
}
