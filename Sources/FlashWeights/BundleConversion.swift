internal import FlashIO
internal import FlashKernels
internal import Synchronization

/// Converts the feed-forward part of one layer: rows of up and gate, and columns of down, become
/// the bundles of neurons.
///
/// A down projection `[model width, neurons]` lies row by row in the source, so a neuron's
/// column is scattered over all of it. As many columns as `ConversionMemory.columnByteCount` holds
/// are read at a time, as they are encoded: all of them, in order, for ordinary models; else a
/// block of columns, one piece a row, with the pieces announced to the kernel ahead so that the
/// reads overlap. They are turned tile by tile; ggml's blocks, which lie along the neurons, are
/// decoded on the way. Where the source has it column by column it is read as up and gate are.
struct BundleConversion {
  /// Pieces of a column block that are announced before the first is read.
  private static let readAheadCount = 256

  let conversion: RowConversion
  let layer: Int
  let layout: BundleLayout
  let up: RowSource
  let gate: RowSource?
  let down: RowSource

  init(_ conversion: RowConversion, layer: Int) {
    self.conversion = conversion
    self.layer = layer
    layout = conversion.plan.bundles[layer]
    let isGated = conversion.plan.configuration.isGated
    up = conversion.source(conversion.map.source(.up, layer: layer))
    down = conversion.source(conversion.map.source(.down, layer: layer))
    gate = isGated ? conversion.source(conversion.map.source(.gate, layer: layer)) : nil
  }

  /// What lies in the source neuron by neuron; down only where the source has it so.
  private var rowSources: [RowSource] {
    [up] + (down.tensor.isTurned ? [down] : []) + (gate.map { [$0] } ?? [])
  }

  var sourceByteCount: Int {
    ([up, down] + (gate.map { [$0] } ?? [])).reduce(0) { $0 + $1.tensor.usedByteCount }
  }

  /// Writes the layer and finishes it. `advance` gets the bytes of the source read.
  func run(advance: (Int) -> Void) throws(StoreError) {
    let faults = Mutex(Array(repeating: ValueFaults(), count: layout.parts.count))
    let perStride = layout.neuronsPerStride
    for first in stride(from: 0, to: layout.neuronCount, by: columnsPerBlock) {
      let neurons = first..<min(first + columnsPerBlock, layout.neuronCount)
      let columns =
        down.tensor.isTurned
        ? Bytes(count: 0, from: conversion.stock) : try readColumns(neurons, advance: advance)
      let strideCount = (neurons.count + perStride - 1) / perStride
      var left = neurons.count
      try conversion.inParallel(count: strideCount, sliceCount: stridesPerSlice) {
        strides throws(StoreError) in
        let slice =
          first + strides.lowerBound
          * perStride..<min(first + strides.upperBound * perStride, neurons.upperBound)
        let found = try convert(slice, columns: columns, of: neurons)
        faults.withLock { for part in found.indices { $0[part] += found[part] } }
      } progress: { strides in
        let done = min(left, strides * perStride)
        left -= done
        advance(done * rowSources.reduce(0) { $0 + $1.rowByteCount(layout.width) })
      }
    }
    var notes: [String] = []
    var losses: [ConversionLoss] = []
    for (part, faults) in zip(layout.parts, faults.withLock { $0 }) {
      let source = source(part.role)
      notes += source.notes(faults, storedAs: part.format)
      losses.append(source.loss(faults, part.role, storedAs: part.format))
    }
    try conversion.writer.finish(
      layer: layer, notes: notes, losses: conversion.source.spelling == .gguf ? losses : [])
  }

  private func source(_ role: TensorRole) -> RowSource {
    switch role {
    case .up: up
    case .down: down
    default: gate!
    }
  }

  /// What is read, in order: extents that are read side by side are one group. Columns that are
  /// read piece by piece are announced when they are.
  var reads: [[(file: Int, extent: FileExtent)]] {
    func place(_ source: RowSource) -> (file: Int, extent: FileExtent) {
      (source.tensor.fileIndex, source.extent)
    }
    let rows = rowSources.map(place)
    let isWhole = !down.tensor.isTurned && columnsPerBlock >= layout.neuronCount
    return isWhole ? [[place(down)], rows] : [rows]
  }

  /// Columns of down held at a time: whole strides and whole blocks of them.
  private var columnsPerBlock: Int {
    if down.tensor.isTurned { return layout.neuronCount }
    let unit = layout.neuronsPerStride * down.encoding.valuesPerBlock
    let unitByteCount = layout.width * down.rowByteCount(unit)
    return max(1, conversion.memory.columnByteCount / unitByteCount) * unit
  }

  /// Neurons whose columns are turned together: whole blocks where a slice has room for that many,
  /// and no less than a cache line of f32.
  private var tileNeuronCount: Int {
    if down.tensor.isTurned { return ColumnTile.leastCount }
    var count = max(ColumnTile.leastCount, down.encoding.valuesPerBlock)
    while count > ColumnTile.leastCount, 4 * count * layout.width > conversion.memory.sliceByteCount
    {
      count /= 2
    }
    return count
  }

  private var stridesPerSlice: Int {
    let neuronByteCount = 4 * layout.width * layout.parts.count
    let neurons = (conversion.memory.sliceByteCount / neuronByteCount).roundedUp(
      to: tileNeuronCount)
    return max(1, neurons / layout.neuronsPerStride)
  }

  /// The columns of down of some neurons as the source encodes them, `[model width, neurons]`, read
  /// on all threads.
  private func readColumns(
    _ neurons: Range<Int>, advance: (Int) -> Void
  ) throws(StoreError) -> Bytes {
    let pieceByteCount = down.rowByteCount(neurons.count)
    let rowByteCount = down.rowByteCount(layout.neuronCount)
    let start = down.extent.offset + down.rowByteCount(neurons.lowerBound)
    let columns = Bytes(count: layout.width * pieceByteCount, from: conversion.stock)
    let target = unsafe columns.buffer
    let isWhole = neurons.count == layout.neuronCount
    let rowsPerSlice =
      isWhole ? max(1, conversion.memory.sliceByteCount / rowByteCount) : Self.readAheadCount
    try conversion.inParallel(count: layout.width, sliceCount: rowsPerSlice) {
      rows throws(StoreError) in
      func read(_ rows: Range<Int>) throws(StoreError) {
        let place = rows.lowerBound * pieceByteCount..<rows.upperBound * pieceByteCount
        try unsafe down.file.file.read(
          into: UnsafeMutableRawBufferPointer(rebasing: target[place]),
          at: start + rows.lowerBound * rowByteCount)
      }
      if isWhole {
        try read(rows)
        return conversion.readAhead.advance(rows.count * pieceByteCount)
      }
      for row in rows {
        down.file.file.willRead(start + row * rowByteCount, byteCount: pieceByteCount)
      }
      for row in rows { try read(row..<row + 1) }
    } progress: { rows in
      advance(rows * pieceByteCount)
    }
    return columns
  }

  /// Encodes and writes the strides of some neurons; `columns` holds down's columns of `held`.
  /// Returns the faults of each part's values.
  private func convert(
    _ neurons: Range<Int>, columns: borrowing Bytes, of held: Range<Int>
  ) throws(StoreError) -> [ValueFaults] {
    let firstStride = neurons.lowerBound / layout.neuronsPerStride
    let strideCount = (neurons.count + layout.neuronsPerStride - 1) / layout.neuronsPerStride
    let output = Bytes(count: strideCount * layout.stride, from: conversion.stock)
    clearPadding(strideCount, lastNeuron: neurons.count - 1, in: output)
    var buffers = RowBuffers(
      width: layout.width, kernels: conversion.kernels, stock: conversion.stock)
    var faults: [ValueFaults] = []
    for (part, description) in layout.parts.enumerated() {
      buffers.faults = ValueFaults()
      let source = source(description.role)
      if description.role == .down, !source.tensor.isTurned {
        encodeColumns(neurons, part: part, columns, of: held, &buffers, into: output)
      } else {
        let input = try source.rows(neurons, width: layout.width, stock: conversion.stock)
        conversion.readAhead.advance(unsafe input.buffer.count)
        for neuron in 0..<neurons.count {
          unsafe buffers.encode(
            input.start + neuron * source.rowByteCount(layout.width), source.encoding,
            multiplier: source.tensor.multiplier, to: description.format,
            into: output.start + place(ofPart: part, neuron: neuron))
        }
      }
      faults.append(buffers.faults)
    }
    try unsafe conversion.writer.write(
      layer: layer, firstStride: firstStride, strides: UnsafeRawBufferPointer(output.buffer))
    return faults
  }

  /// Bytes from the first stride of a slice to a part of its neuron.
  private func place(ofPart part: Int, neuron: Int) -> Int {
    neuron / layout.neuronsPerStride * layout.stride
      + layout.offset(ofPart: part, neuron: neuron % layout.neuronsPerStride)
  }

  /// Makes zero what holds no neuron: the ends of strides, and of the last more.
  private func clearPadding(_ strideCount: Int, lastNeuron: Int, in output: borrowing Bytes) {
    let perStride = layout.neuronsPerStride
    let payload = perStride * (layout.frontBytesPerNeuron + layout.lastPartByteCount)
    for stride in 0..<strideCount {
      let isShort = stride == strideCount - 1 && lastNeuron % perStride != perStride - 1
      let start = stride * layout.stride + (isShort ? 0 : payload)
      let end = (stride + 1) * layout.stride
      unsafe UnsafeMutableRawBufferPointer(rebasing: output.buffer[start..<end])
        .initializeMemory(as: UInt8.self, repeating: 0)
    }
  }

  private func encodeColumns(
    _ neurons: Range<Int>, part: Int, _ columns: borrowing Bytes, of held: Range<Int>,
    _ buffers: inout RowBuffers, into output: borrowing Bytes
  ) {
    let tileCount = tileNeuronCount
    let tile = ColumnTile(
      down.encoding, rows: layout.width, heldCount: held.count, capacity: tileCount,
      stock: conversion.stock)
    var first = neurons.lowerBound
    while first < neurons.upperBound {
      // Tiles end at multiples of their size, so that no block is decoded for two of them.
      let column = first - held.lowerBound
      let count = min(tileCount - column % tileCount, neurons.upperBound - first)
      unsafe tile.fill(column..<column + count, from: columns.start)
      for index in 0..<count {
        unsafe buffers.encode(
          tile.column(index), tile.encoding, multiplier: down.tensor.multiplier,
          to: layout.parts[part].format,
          into: output.start + place(ofPart: part, neuron: first - neurons.lowerBound + index))
      }
      first += count
    }
  }
}
