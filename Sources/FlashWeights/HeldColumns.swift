internal import FlashIO

/// Columns of some neurons' matrices as the source encodes them, held while they are turned.
struct HeldColumns: ~Copyable {
  /// Columns of one matrix, `[model width, columns]`.
  struct Piece {
    let source: RowSource
    /// Inside their expert.
    let neurons: Range<Int>
    /// The file's.
    let columns: Range<Int>
    /// Where they lie in what is held.
    let offset: Int

    var rowByteCount: Int { source.rowByteCount(columns.count) }
  }

  private let pieces: [Piece]
  private let bytes: Bytes

  /// Reads, on all threads, the columns of neurons of a layer. `advance` gets the bytes read.
  init(
    _ neurons: Range<Int>, of bundle: BundleConversion, advance: (Int) -> Void
  ) throws(StoreError) {
    let rowCount = bundle.layout.width
    var pieces: [Piece] = []
    var byteCount = 0
    for (expert, own) in bundle.segments(of: neurons) {
      let first = pieces.count
      for part in bundle.columnParts {
        let source = bundle.sources[part][expert]
        // Roles that take turns lie in the same columns.
        if pieces[first...].contains(where: { $0.source.sharesBytes(with: source) }) { continue }
        let piece = Piece(
          source: source, neurons: own, columns: source.tensor.columns(of: own),
          offset: byteCount)
        byteCount += rowCount * piece.rowByteCount
        pieces.append(piece)
      }
    }
    self.pieces = pieces
    let conversion = bundle.conversion
    bytes = Bytes(count: byteCount, from: conversion.stock)
    guard let largest = pieces.map(\.rowByteCount).max() else { return }
    let target = unsafe bytes.buffer
    let isWhole = pieces.allSatisfy { $0.columns.count == $0.source.tensor.fileWidth }
    let rowsPerSlice =
      isWhole
      ? max(1, conversion.memory.sliceByteCount / largest) : BundleConversion.readAheadCount
    /// Some rows of all pieces, counted through.
    func split(_ rows: Range<Int>) -> [(piece: Piece, rows: Range<Int>)] {
      (rows.lowerBound / rowCount...(rows.upperBound - 1) / rowCount).map { index in
        let own = rows.clamped(to: index * rowCount..<(index + 1) * rowCount)
        return (
          pieces[index], own.lowerBound - index * rowCount..<own.upperBound - index * rowCount
        )
      }
    }
    var next = 0
    try conversion.inParallel(count: pieces.count * rowCount, sliceCount: rowsPerSlice) {
      rows throws(StoreError) in
      for (piece, rows) in split(rows) {
        let size = piece.rowByteCount
        let place = piece.offset + rows.lowerBound * size..<piece.offset + rows.upperBound * size
        try unsafe piece.source.read(
          rows, columns: piece.columns,
          into: UnsafeMutableRawBufferPointer(rebasing: target[place]), stock: conversion.stock)
        if isWhole { conversion.readAhead.advance(rows.count * size) }
      }
    } progress: { count in
      for (piece, rows) in split(next..<next + count) { advance(rows.count * piece.rowByteCount) }
      next += count
    }
  }

  /// What is held of a matrix. Traps where nothing is.
  func piece(of source: RowSource) -> Piece {
    guard let piece = pieces.first(where: { $0.source.sharesBytes(with: source) }) else {
      preconditionFailure("no columns of \(source.tensor.name) are held")
    }
    return piece
  }

  @unsafe func start(of piece: Piece) -> UnsafeRawPointer {
    unsafe UnsafeRawPointer(bytes.start + piece.offset)
  }
}
