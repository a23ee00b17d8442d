internal import FlashIO
internal import FlashKernels

/// A tensor of the source as rows, in the model's order.
struct RowSource: Sendable {
  /// Bytes of rows lying together from which on they are read without what lies between them.
  private static let longRunByteCount = 16 << 10

  let file: SourceFile
  let tensor: SourceTensor
  /// The file of the scales, where they lie in a tensor of their own.
  private let scaleFile: SourceFile?

  init(_ tensor: SourceTensor, files: [SourceFile]) {
    self.tensor = tensor
    file = files[tensor.fileIndex]
    scaleFile = tensor.scales.map { files[$0.fileIndex] }
  }

  var extent: FileExtent { tensor.extent }
  var encoding: SourceEncoding { tensor.encoding }

  func rowByteCount(_ width: Int) -> Int { encoding.byteCount(width: width) }

  /// What is read of the tensor, whole.
  var places: [(file: Int, extent: FileExtent)] {
    [(tensor.fileIndex, extent)] + (tensor.scales.map { [($0.fileIndex, $0.extent)] } ?? [])
  }

  /// Whether another part of the same tensor lies in the same bytes.
  func sharesBytes(with other: RowSource) -> Bool {
    tensor.fileIndex == other.tensor.fileIndex && extent == other.extent
  }

  /// Whole rows of the model, encoded as in the file, or as ggml has MXFP4.
  func rows(_ rows: Range<Int>, width: Int, stock: ByteStock) throws(StoreError) -> Bytes {
    let size = rowByteCount(width)
    let bytes = Bytes(count: rows.count * size, from: stock)
    switch tensor.order {
    case .asStored:
      try unsafe read(rows, columns: 0..<width, into: bytes.buffer, stock: stock)
    case _ where tensor.shape.count == 1:
      return try vector(width: width)
    case .runs(let count, _, _) where count * size >= Self.longRunByteCount:
      try readRuns(rows, width: width, into: bytes, stock: stock)
    case .runs:
      let first = tensor.order.source(of: rows.lowerBound)
      let last = tensor.order.source(of: rows.upperBound - 1)
      try pick(rows, from: first..<last + 1, width: width, into: bytes, stock: stock)
    case .neighbours(let headDimension, _):
      // Rows change places inside their heads only: whole heads are read at once.
      let first = rows.lowerBound / headDimension * headDimension
      let end = min(rows.upperBound.roundedUp(to: headDimension), tensor.shape[0])
      try pick(rows, from: first..<end, width: width, into: bytes, stock: stock)
    }
    return bytes
  }

  /// Columns of the file's rows, one row after another, as ggml or the store's formats have them.
  ///
  /// Columns that are not whole rows are read row by row, announced to the kernel before, so that
  /// the reads overlap. Of blocks the columns are whole ones.
  func read(
    _ rows: Range<Int>, columns: Range<Int>, into target: UnsafeMutableRawBufferPointer,
    stock: ByteStock
  ) throws(StoreError) {
    // Bytes from the start of a row.
    func place(_ size: (Int) -> Int) -> Range<Int> {
      size(columns.lowerBound)..<size(columns.upperBound)
    }
    guard let scales = tensor.scales, let scaleFile else {
      return try unsafe Self.read(
        place(rowByteCount), ofRows: rows, rowByteCount: rowByteCount(tensor.fileWidth),
        from: file.file, at: extent.offset, into: target)
    }
    let codePlace = place { $0 / MXFP4.valueCount * MXFP4.codeByteCount }
    let scalePlace = place { $0 / MXFP4.valueCount }
    let blockCount = tensor.fileWidth / MXFP4.valueCount
    let codeBytes = Bytes(count: rows.count * codePlace.count, from: stock)
    let scaleBytes = Bytes(count: rows.count * scalePlace.count, from: stock)
    try unsafe Self.read(
      codePlace, ofRows: rows, rowByteCount: blockCount * MXFP4.codeByteCount, from: file.file,
      at: extent.offset, into: codeBytes.buffer)
    try unsafe Self.read(
      scalePlace, ofRows: rows, rowByteCount: blockCount, from: scaleFile.file,
      at: scales.extent.offset, into: scaleBytes.buffer)
    unsafe MXFP4.join(
      codes: UnsafeRawBufferPointer(codeBytes.buffer),
      scales: UnsafeRawBufferPointer(scaleBytes.buffer), into: target)
  }

  /// Reads the bytes `part` of each of some rows that begin at `start`.
  private static func read(
    _ part: Range<Int>, ofRows rows: Range<Int>, rowByteCount: Int, from file: borrowing File,
    at start: Int, into target: UnsafeMutableRawBufferPointer
  ) throws(StoreError) {
    let first = start + rows.lowerBound * rowByteCount + part.lowerBound
    if part.count == rowByteCount {
      let place = 0..<rows.count * rowByteCount
      return try unsafe file.read(
        into: UnsafeMutableRawBufferPointer(rebasing: target[place]), at: first)
    }
    for row in 0..<rows.count {
      file.willRead(first + row * rowByteCount, byteCount: part.count)
    }
    for row in 0..<rows.count {
      let place = row * part.count..<(row + 1) * part.count
      try unsafe file.read(
        into: UnsafeMutableRawBufferPointer(rebasing: target[place]),
        at: first + row * rowByteCount)
    }
  }

  /// Reads some of the file's rows at once, and takes the model's out of them.
  private func pick(
    _ rows: Range<Int>, from span: Range<Int>, width: Int, into bytes: borrowing Bytes,
    stock: ByteStock
  ) throws(StoreError) {
    let size = rowByteCount(width)
    let held = Bytes(count: span.count * size, from: stock)
    try unsafe read(span, columns: 0..<width, into: held.buffer, stock: stock)
    for row in rows {
      unsafe (bytes.start + (row - rows.lowerBound) * size).copyMemory(
        from: held.start + (tensor.order.source(of: row) - span.lowerBound) * size,
        byteCount: size)
    }
  }

  /// Rows of a part of the tensor, each run of neighbours at once.
  private func readRuns(
    _ rows: Range<Int>, width: Int, into bytes: borrowing Bytes, stock: ByteStock
  ) throws(StoreError) {
    let size = rowByteCount(width)
    var row = rows.lowerBound
    while row < rows.upperBound {
      let source = tensor.order.source(of: row)
      var end = row + 1
      while end < rows.upperBound, tensor.order.source(of: end) == source + end - row { end += 1 }
      let place = (row - rows.lowerBound) * size..<(end - rows.lowerBound) * size
      try unsafe read(
        source..<source + end - row, columns: 0..<width,
        into: UnsafeMutableRawBufferPointer(rebasing: bytes.buffer[place]), stock: stock)
      row = end
    }
  }

  /// A bias, whose values are in the order of its weight's rows.
  private func vector(width: Int) throws(StoreError) -> Bytes {
    let bytes = Bytes(count: rowByteCount(width))
    let source = try file.file.bytes(at: extent.offset, byteCount: extent.byteCount)
    let size = rowByteCount(1)
    let target = unsafe bytes.buffer
    for index in 0..<width {
      let place = tensor.order.source(of: index) * size
      for byte in 0..<size { unsafe target[index * size + byte] = source[place + byte] }
    }
    return bytes
  }

  /// Remarks on values that are no finite numbers, or are none in the store's format.
  func notes(_ faults: ValueFaults, storedAs format: RowFormat) -> [String] {
    var notes: [String] = []
    if faults.nonFinite > 0 {
      notes.append("\(tensor.name) holds \(faults.nonFinite) NaN or infinite values (\(file.path))")
    }
    if faults.overflowed > 0 {
      notes.append(
        "\(tensor.name) is too large for \(format): \(faults.overflowed) finite values became "
          + "NaN, infinite or zero (\(file.path))")
    }
    return notes
  }

  /// What storing the tensor in another form has cost.
  func loss(
    _ faults: ValueFaults, _ role: TensorRole, storedAs format: RowFormat
  ) -> ConversionLoss {
    loss(faults, of: role.rawValue, storedAs: format)
  }

  /// The same of what the user knows by this name.
  func loss(
    _ faults: ValueFaults, of part: String, storedAs format: RowFormat
  ) -> ConversionLoss {
    ConversionLoss(
      part: part, source: encoding.name, stored: format.rawValue, error: faults.error)
  }
}

/// How far weights of one kind have moved from the source's.
struct ConversionLoss: Codable, Equatable, Sendable {
  /// What the weights are for: a role, or `predictors`.
  var part: String
  /// Names of the source's encoding and of the store's format.
  var source: String
  var stored: String
  var error: RoundingError

  /// One remark for each kind of weights and pair of formats that lost something.
  static func notes(_ losses: [ConversionLoss]) -> [String] {
    var sums: [ConversionLoss] = []
    for loss in losses where loss.error.squares > 0 {
      let index = sums.firstIndex {
        ($0.part, $0.source, $0.stored) == (loss.part, loss.source, loss.stored)
      }
      if let index { sums[index].error += loss.error } else { sums.append(loss) }
    }
    return sums.map { sum in
      "\(sum.part): \(sum.source) became \(sum.stored), relative RMS error "
        + Self.threeDigits(sum.error.relative)
    }
  }

  /// Three significant digits: 0.00312.
  private static func threeDigits(_ value: Double) -> String {
    guard value > 0, value.isFinite else { return "\(value)" }
    var scale = 1.0
    while value * scale < 100, scale < 1e12 { scale *= 10 }
    return "\((value * scale).rounded() / scale)"
  }
}
