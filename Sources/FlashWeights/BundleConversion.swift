internal import FlashIO
internal import FlashKernels
internal import Synchronization

/// Converts the feed-forward part of one layer: rows of up and gate, and columns of down, become
/// the bundles of neurons.
///
/// A down projection `[model width, neurons]` lies row by row in the source, so a neuron's
/// column is scattered over all of it. As many columns as `ConversionMemory.columnByteCount` holds
/// are read at a time: all of them, in order, for ordinary models; else a block of columns, one
/// piece a row, with the pieces announced to the kernel ahead so that the reads overlap. Columns of
/// ggml's blocks, which lie along the neurons, are decoded to f32 as they are read.
struct BundleConversion {
  /// Neurons whose columns are gathered together: a cache line of f32 source values.
  private static let tileNeuronCount = 16
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

  private var sources: [RowSource] { [up, down] + (gate.map { [$0] } ?? []) }

  var sourceByteCount: Int { sources.reduce(0) { $0 + $1.extent.byteCount } }

  /// Writes the layer and finishes it. `advance` gets the bytes of the source read.
  func run(advance: (Int) -> Void) throws(StoreError) {
    let faults = Mutex(Array(repeating: ValueFaults(), count: layout.parts.count))
    let perStride = layout.neuronsPerStride
    for first in stride(from: 0, to: layout.neuronCount, by: columnsPerBlock) {
      let neurons = first..<min(first + columnsPerBlock, layout.neuronCount)
      let columns = try readColumns(neurons, advance: advance)
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
        advance(done * (up.rowByteCount(layout.width) + (gate?.rowByteCount(layout.width) ?? 0)))
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

  /// How the columns of down are held.
  private var columnEncoding: SourceEncoding {
    if case .blocks = down.encoding { .plain(.f32) } else { down.encoding }
  }

  /// Columns of down held at a time: whole strides and whole blocks of them.
  private var columnsPerBlock: Int {
    let columnByteCount = columnEncoding.byteCount(width: layout.width)
    let unit = layout.neuronsPerStride * down.encoding.valuesPerBlock
    return max(1, conversion.memory.columnByteCount / (columnByteCount * unit)) * unit
  }

  private var stridesPerSlice: Int {
    let strideByteCount = 4 * layout.width * layout.parts.count * layout.neuronsPerStride
    return max(1, conversion.memory.sliceByteCount / strideByteCount)
  }

  /// The columns of down of some neurons: `[model width, neurons]`, read on all threads.
  private func readColumns(
    _ neurons: Range<Int>, advance: (Int) -> Void
  ) throws(StoreError) -> Bytes {
    let pieceByteCount = down.rowByteCount(neurons.count)
    let rowByteCount = down.rowByteCount(layout.neuronCount)
    let start = down.extent.offset + down.rowByteCount(neurons.lowerBound)
    let heldByteCount = columnEncoding.byteCount(width: neurons.count)
    let columns = Bytes(count: layout.width * heldByteCount)
    let target = unsafe columns.buffer
    let isWhole = neurons.count == layout.neuronCount
    let rowsPerSlice =
      isWhole ? max(1, conversion.memory.sliceByteCount / rowByteCount) : Self.readAheadCount
    try conversion.inParallel(count: layout.width, sliceCount: rowsPerSlice) {
      rows throws(StoreError) in
      func read(_ rows: Range<Int>) throws(StoreError) {
        let place = rows.lowerBound * heldByteCount..<rows.upperBound * heldByteCount
        let part = unsafe UnsafeMutableRawBufferPointer(rebasing: target[place])
        guard case .blocks(let type) = down.encoding else {
          return try unsafe down.file.file.read(
            into: part, at: start + rows.lowerBound * rowByteCount)
        }
        let blocks = Bytes(count: rows.count * pieceByteCount)
        try unsafe down.file.file.read(
          into: blocks.buffer, at: start + rows.lowerBound * rowByteCount)
        unsafe BlockDecoder.decode(
          type, blocks.start, blockCount: rows.count * neurons.count / type.block.valueCount,
          into: part.baseAddress!.assumingMemoryBound(to: Float.self))
      }
      if isWhole { return try read(rows) }
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
    let output = Bytes(count: strideCount * layout.stride)
    var buffers = RowBuffers(width: layout.width, kernels: conversion.kernels)
    var faults: [ValueFaults] = []
    for (part, description) in layout.parts.enumerated() {
      buffers.faults = ValueFaults()
      let source = source(description.role)
      if description.role == .down {
        encodeColumns(neurons, part: part, columns, of: held, &buffers, into: output)
      } else {
        let input = try source.rows(neurons, width: layout.width)
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

  private func encodeColumns(
    _ neurons: Range<Int>, part: Int, _ columns: borrowing Bytes, of held: Range<Int>,
    _ buffers: inout RowBuffers, into output: borrowing Bytes
  ) {
    let elementByteCount = columnEncoding.byteCount(width: 1)
    let rowByteCount = layout.width * elementByteCount
    let tile = Bytes(count: Self.tileNeuronCount * rowByteCount)
    for first in stride(from: neurons.lowerBound, to: neurons.upperBound, by: Self.tileNeuronCount)
    {
      let count = min(Self.tileNeuronCount, neurons.upperBound - first)
      let column = first - held.lowerBound
      if elementByteCount == 2 {
        gather(UInt16.self, columns, rowLength: held.count, column: column, count, into: tile)
      } else {
        gather(UInt32.self, columns, rowLength: held.count, column: column, count, into: tile)
      }
      for index in 0..<count {
        let neuron = first - neurons.lowerBound + index
        unsafe buffers.encode(
          tile.start + index * rowByteCount, columnEncoding, multiplier: down.tensor.multiplier,
          to: layout.parts[part].format, into: output.start + place(ofPart: part, neuron: neuron))
      }
    }
  }

  /// Transposes `count` columns of `[model width, rowLength]` from `column` on into rows of `tile`.
  private func gather<Element: FixedWidthInteger>(
    _: Element.Type, _ columns: borrowing Bytes, rowLength: Int, column: Int, _ count: Int,
    into tile: borrowing Bytes
  ) {
    let source = unsafe columns.start.assumingMemoryBound(to: Element.self)
    let target = unsafe tile.start.assumingMemoryBound(to: Element.self)
    for row in 0..<layout.width {
      let piece = unsafe source + row * rowLength + column
      for index in 0..<count {
        unsafe target[index * layout.width + row] = piece[index]
      }
    }
  }
}
