internal import FlashIO
internal import FlashKernels
internal import Synchronization

/// Converts the feed-forward part of one layer: rows of up and gate, and columns of down, become
/// the bundles of neurons, one expert after another where there are experts.
///
/// A down projection `[model width, neurons]` lies row by row in the source, so a neuron's
/// column is scattered over all of it. As many columns as `ConversionMemory.columnByteCount` holds
/// are read at a time, as they are encoded: all of them, in order, for ordinary models, and those
/// of several experts; else a block of columns, one piece a row, with the pieces announced to the
/// kernel ahead so that the reads overlap. They are turned tile by tile; ggml's blocks, which lie
/// along the neurons, are decoded on the way. Where the source has it column by column it is read
/// as up and gate are, and those as down where the source has them so.
struct BundleConversion {
  /// Pieces of a column block that are announced before the first is read.
  static let readAheadCount = 256
  /// Bytes of experts whose columns are held at a time, or one: they are read in order however few
  /// they are, and what memory is left keeps pages that were read ahead.
  static let expertsByteCount = 64 << 20

  let conversion: RowConversion
  let layer: Int
  let layout: BundleLayout
  /// For each part of a bundle the experts' sources; one where there are no experts.
  let sources: [[RowSource]]

  init(_ conversion: RowConversion, layer: Int) {
    self.conversion = conversion
    self.layer = layer
    let layout = conversion.plan.bundles[layer]
    self.layout = layout
    sources = layout.parts.map { part in
      conversion.map.experts(part.role, layer: layer).map(conversion.source)
    }
  }

  /// Whether a neuron is a column of the file's matrix; the same for all experts.
  func liesByColumn(_ part: Int) -> Bool {
    (layout.parts[part].role == .down) != sources[part][0].tensor.isTurned
  }

  /// Parts of which a neuron is a column, and those of which it is a row.
  var columnParts: [Int] { sources.indices.filter(liesByColumn) }
  private var rowParts: [Int] { sources.indices.filter { !liesByColumn($0) } }

  var sourceByteCount: Int { sources.joined().reduce(0) { $0 + $1.tensor.usedByteCount } }

  /// Writes the layer and finishes it. `advance` gets the bytes of the source read.
  func run(advance: (Int) -> Void) throws(StoreError) {
    let faults = Mutex(sources.map { $0.map { _ in ValueFaults() } })
    let perStride = layout.neuronsPerStride
    for neurons in blocks {
      let columns = try HeldColumns(neurons, of: self, advance: advance)
      let strideCount = (neurons.count + perStride - 1) / perStride
      var next = neurons.lowerBound
      try conversion.inParallel(count: strideCount, sliceCount: stridesPerSlice) {
        strides throws(StoreError) in
        let start = neurons.lowerBound
        let slice =
          start + strides.lowerBound
          * perStride..<min(start + strides.upperBound * perStride, neurons.upperBound)
        let found = try convert(slice, columns: columns)
        faults.withLock { all in
          for (part, expert, new) in found { all[part][expert] += new }
        }
      } progress: { strides in
        let done = next..<min(neurons.upperBound, next + strides * perStride)
        next = done.upperBound
        advance(rowByteCount(done))
      }
    }
    var notes: [String] = []
    var losses: [ConversionLoss] = []
    for (part, faults) in faults.withLock({ $0 }).enumerated() {
      let (role, format) = (layout.parts[part].role, layout.parts[part].format)
      for (source, faults) in zip(sources[part], faults) {
        notes += source.notes(faults, storedAs: format)
        // Folders' values are rounded by wish, but the down blocks of MXFP4 need be.
        if conversion.source.spelling == .gguf || source.encoding.valuesPerBlock > 1 {
          losses.append(source.loss(faults, role, storedAs: format))
        }
      }
    }
    try conversion.writer.finish(layer: layer, notes: notes, losses: losses)
  }

  /// What is read, in order: extents that are read side by side are one group. Columns that are
  /// read piece by piece are announced when they are.
  var reads: [[(file: Int, extent: FileExtent)]] {
    /// What some parts of an expert take, each place once.
    func places(_ parts: [Int], _ expert: Int) -> [(file: Int, extent: FileExtent)] {
      var sources: [RowSource] = []
      for part in parts
      where !sources.contains(where: { $0.sharesBytes(with: self.sources[part][expert]) }) {
        sources.append(self.sources[part][expert])
      }
      return sources.flatMap(\.places)
    }
    var groups: [[(file: Int, extent: FileExtent)]] = []
    for block in blocks {
      let segments = segments(of: block)
      for segment in segments where segment.neurons.count == layout.neuronsPerExpert {
        groups += places(columnParts, segment.expert).map { [$0] }
      }
      for segment in segments where segment.neurons.lowerBound == 0 {
        groups.append(places(rowParts, segment.expert))
      }
    }
    return groups
  }

  /// The experts that some of the layer's neurons belong to, and their places inside them.
  func segments(of neurons: Range<Int>) -> [(expert: Int, neurons: Range<Int>)] {
    let perExpert = layout.neuronsPerExpert
    var segments: [(expert: Int, neurons: Range<Int>)] = []
    var first = neurons.lowerBound
    while first < neurons.upperBound {
      let expert = first / perExpert
      let end = min(neurons.upperBound, (expert + 1) * perExpert)
      segments.append((expert, first - expert * perExpert..<end - expert * perExpert))
      first = end
    }
    return segments
  }

  /// Neurons whose columns are held at a time: several experts, or of one whole strides and whole
  /// blocks of columns.
  private var blocks: [Range<Int>] {
    let perExpert = layout.neuronsPerExpert
    let held = columnParts.map { sources[$0][0] }
    func byteCount(_ neurons: Int) -> Int {
      var bytes = 0
      for (index, source) in held.enumerated()
      where !held[..<index].contains(where: source.sharesBytes) {
        bytes += layout.width * source.rowByteCount(source.tensor.columns(of: 0..<neurons).count)
      }
      return bytes
    }
    let limit = conversion.memory.columnByteCount
    let whole = byteCount(perExpert)
    guard whole > limit else {
      let most = layout.expertCount == nil ? limit : min(limit, Self.expertsByteCount)
      let count = whole == 0 ? layout.neuronCount : max(1, most / whole) * perExpert
      return stride(from: 0, to: layout.neuronCount, by: count).map {
        $0..<min($0 + count, layout.neuronCount)
      }
    }
    let unit = layout.neuronsPerStride * (held.map(\.encoding.valuesPerBlock).max() ?? 1)
    let count = max(1, limit / byteCount(unit)) * unit
    return stride(from: 0, to: layout.neuronCount, by: perExpert).flatMap { start in
      stride(from: start, to: start + perExpert, by: count).map {
        $0..<min($0 + count, start + perExpert)
      }
    }
  }

  /// Neurons whose columns are turned together: whole blocks where a slice has room for that many,
  /// and no less than a cache line of f32.
  private func tileNeuronCount(_ source: RowSource) -> Int {
    var count = max(ColumnTile.leastCount, source.encoding.valuesPerBlock)
    while count > ColumnTile.leastCount, 4 * count * layout.width > conversion.memory.sliceByteCount
    {
      count /= 2
    }
    return count
  }

  private var stridesPerSlice: Int {
    let neuronByteCount = 4 * layout.width * layout.parts.count
    let tile = columnParts.map { tileNeuronCount(sources[$0][0]) }.max() ?? ColumnTile.leastCount
    let neurons = (conversion.memory.sliceByteCount / neuronByteCount).roundedUp(to: tile)
    return max(1, neurons / layout.neuronsPerStride)
  }

  /// Bytes of the source that hold neurons as rows.
  private func rowByteCount(_ neurons: Range<Int>) -> Int {
    segments(of: neurons).reduce(0) { sum, segment in
      rowParts.reduce(sum) {
        $0 + segment.neurons.count * sources[$1][segment.expert].rowByteCount(layout.width)
      }
    }
  }

  /// Encodes and writes the strides of some neurons. Returns the faults of each part of each
  /// expert.
  private func convert(
    _ neurons: Range<Int>, columns: borrowing HeldColumns
  ) throws(StoreError) -> [(part: Int, expert: Int, faults: ValueFaults)] {
    let firstStride = neurons.lowerBound / layout.neuronsPerStride
    let strideCount = (neurons.count + layout.neuronsPerStride - 1) / layout.neuronsPerStride
    let output = Bytes(count: strideCount * layout.stride, from: conversion.stock)
    clearPadding(strideCount, lastNeuron: neurons.count - 1, in: output)
    var buffers = RowBuffers(
      width: layout.width, kernels: conversion.kernels, stock: conversion.stock)
    var faults: [(part: Int, expert: Int, faults: ValueFaults)] = []
    for (part, description) in layout.parts.enumerated() {
      for (expert, own) in segments(of: neurons) {
        buffers.faults = ValueFaults()
        let source = sources[part][expert]
        let first = expert * layout.neuronsPerExpert + own.lowerBound - neurons.lowerBound
        if liesByColumn(part) {
          encodeColumns(own, part: part, source, columns, &buffers, into: output, at: first)
        } else {
          let input = try source.rows(own, width: layout.width, stock: conversion.stock)
          conversion.readAhead.advance(unsafe input.buffer.count)
          for neuron in 0..<own.count {
            unsafe buffers.encode(
              input.start + neuron * source.rowByteCount(layout.width), source.encoding,
              multiplier: source.tensor.multiplier, to: description.format,
              into: output.start + place(ofPart: part, neuron: first + neuron))
          }
        }
        faults.append((part, expert, buffers.faults))
      }
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

  /// Turns columns of an expert's neurons, and encodes them as the slice's neurons from `place` on.
  private func encodeColumns(
    _ neurons: Range<Int>, part: Int, _ source: RowSource, _ columns: borrowing HeldColumns,
    _ buffers: inout RowBuffers, into output: borrowing Bytes, at place: Int
  ) {
    let held = columns.piece(of: source)
    let tileCount = tileNeuronCount(source)
    let tile = ColumnTile(
      source.encoding, rows: layout.width, heldCount: held.columns.count,
      capacity: source.tensor.columns(of: 0..<tileCount).count, stock: conversion.stock)
    var first = neurons.lowerBound
    while first < neurons.upperBound {
      // Tiles end at multiples of their size, so that no block is decoded for two of them.
      let count = min(
        tileCount - (first - held.neurons.lowerBound) % tileCount, neurons.upperBound - first)
      let turned = source.tensor.columns(of: first..<first + count)
      let start = held.columns.lowerBound
      unsafe tile.fill(
        turned.lowerBound - start..<turned.upperBound - start, from: columns.start(of: held))
      for neuron in first..<first + count {
        let column = source.tensor.order.source(of: neuron) - turned.lowerBound
        unsafe buffers.encode(
          tile.column(column), tile.encoding, multiplier: source.tensor.multiplier,
          to: layout.parts[part].format,
          into: output.start
            + self.place(ofPart: part, neuron: place + neuron - neurons.lowerBound))
      }
      first += count
    }
  }
}
