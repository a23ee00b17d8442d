internal import FlashKernels
internal import FlashWeights

/// What all layers saw and answered at some positions, on disk; memory holds one layer, or one
/// expert, at a time.
///
/// The file has regions for each layer's states (f16 or f32), and for each of its experts (or all
/// its neurons) the places of the positions that used it among the layer's, masks, and outputs of
/// neurons that fire (bf16: outputs reach over more than f16's range), written from the front of
/// each region, so that what is never written takes no disk.
final class ActivationSample {
  let bundles: [BundleLayout]
  let width: Int
  /// The most positions.
  let capacity: Int
  private let stateFormat: RowFormat
  private let file: ScratchFile
  private let kernels: Kernels
  private var layers: [Layer]
  /// Places among the positions at which a chunk of text begins.
  private(set) var chunkStarts: [Int] = []

  private struct Layer {
    var states: Int
    var positionCount = 0
    var experts: [Expert]
  }

  private struct Expert {
    var places: Int
    var masks: Int
    var outputs: Int
    var positionCount = 0
    var outputCount = 0
  }

  /// - Parameters:
  ///   - bundles: of all layers.
  ///   - stateFormat: f16 is enough to train; f32 loses nothing.
  /// - Throws: `StoreError` where the folder takes no files.
  init(
    bundles: [BundleLayout], width: Int, capacity: Int, folder: String, kernels: Kernels,
    stateFormat: RowFormat = .f16
  ) throws(StoreError) {
    self.bundles = bundles
    self.width = width
    self.stateFormat = stateFormat
    self.capacity = capacity
    self.kernels = kernels
    file = try ScratchFile(in: folder)
    var offset = 0
    func take(_ byteCount: Int) -> Int {
      defer { offset += (byteCount + 4095) / 4096 * 4096 }
      return offset
    }
    layers = bundles.map { bundle in
      Layer(
        states: take(capacity * stateFormat.byteCount(width: width)),
        experts: bundle.neuronsByExpert.map { neurons in
          Expert(
            places: take(capacity * 4),
            masks: take(capacity * LayerSample.wordCount(neurons.count) * 8),
            outputs: take(capacity * neurons.count * 2))
        })
    }
  }

  /// Bytes on disk for each position, where this part of the neurons fires.
  ///
  /// - Parameter neuronCounts: of each layer those that a position uses.
  static func byteCountPerPosition(width: Int, neuronCounts: [Int], activity: Double) -> Int {
    neuronCounts.reduce(0) {
      $0 + 2 * width + 8 * LayerSample.wordCount($1) + Int(2 * activity * Double($1))
    }
  }

  func positionCount(layer: Int) -> Int { layers[layer].positionCount }

  /// Positions that used an expert.
  func positionCount(layer: Int, expert: Int) -> Int {
    layers[layer].experts[expert].positionCount
  }

  /// Notes that the next position begins a chunk.
  func beginChunk(at position: Int) { chunkStarts.append(position) }

  /// Appends positions of a layer.
  ///
  /// - Parameter states: `[count, width]`.
  func append(layer: Int, states: [Float]) throws(StoreError) {
    let count = states.count / width
    precondition(layers[layer].positionCount + count <= capacity, "the sample has room")
    let rowByteCount = stateFormat.byteCount(width: width)
    var rows = [UInt8](repeating: 0, count: count * rowByteCount)
    let encoder = RowEncoder(kernels)
    unsafe rows.withUnsafeMutableBytes { bytes in
      unsafe states.withUnsafeBufferPointer { states in
        for row in 0..<count {
          unsafe encoder.encode(
            states.baseAddress! + row * width, width: width, stateFormat,
            into: bytes.baseAddress! + row * rowByteCount)
        }
      }
    }
    try write(rows, at: layers[layer].states + layers[layer].positionCount * rowByteCount)
    layers[layer].positionCount += count
  }

  /// Appends what an expert's neurons did.
  ///
  /// - Parameters:
  ///   - places: of the positions among the layer's, ascending.
  ///   - masks: `[places, wordCount]`.
  ///   - outputs: of the neurons that fire, ascending, one position after another.
  func append(
    layer: Int, expert: Int, places: [Int32], masks: [UInt64], outputs: [Float]
  ) throws(StoreError) {
    // Round to nearest: a bf16 is the upper half of an f32.
    let short = outputs.map { UInt16(truncatingIfNeeded: ($0.bitPattern &+ 0x8000) >> 16) }
    let region = layers[layer].experts[expert]
    let wordCount = LayerSample.wordCount(bundles[layer].neuronsPerExpert)
    try write(places, at: region.places + 4 * region.positionCount)
    try write(masks, at: region.masks + 8 * region.positionCount * wordCount)
    try write(short, at: region.outputs + 2 * region.outputCount)
    layers[layer].experts[expert].positionCount += places.count
    layers[layer].experts[expert].outputCount += outputs.count
  }

  /// Reads a layer, or one of its experts, into memory.
  ///
  /// - Parameter downNorms: of the neurons' down rows, by which outputs become contributions.
  func load(layer: Int, expert: Int = 0, downNorms: [Float]) throws(StoreError) -> LayerSample {
    let region = layers[layer].experts[expert]
    let count = region.positionCount
    let stored: [Int32] = try read(count, at: region.places)
    let places = stored.map { Int($0) }
    let neuronCount = bundles[layer].neuronsPerExpert
    let wordCount = LayerSample.wordCount(neuronCount)
    let masks: [UInt64] = try read(count * wordCount, at: region.masks)
    let outputs: [UInt16] = try read(region.outputCount, at: region.outputs)
    var contributions = outputs.map { abs(Float(bitPattern: UInt32($0) << 16)) }
    var place = 0
    for index in masks.indices {
      var bits = masks[index]
      while bits != 0 {
        contributions[place] *= downNorms[index % wordCount * 64 + bits.trailingZeroBitCount]
        place += 1
        bits &= bits - 1
      }
    }
    return LayerSample(
      inputs: try states(at: places, layer: layer), neuronCount: neuronCount, masks: masks,
      contributions: contributions, chunkStarts: chunkStarts, places: places,
      placeCount: layers[layer].positionCount)
  }

  /// Reads the states at some places, neighbours together.
  private func states(at places: [Int], layer: Int) throws(StoreError) -> FloatMatrix {
    let states = FloatMatrix(places.count, width)
    let rowByteCount = stateFormat.byteCount(width: width)
    var first = 0
    while first < places.count {
      var end = first + 1
      while end < min(first + 256, places.count), places[end] == places[end - 1] + 1 { end += 1 }
      let encoded: [UInt8] = try read(
        (end - first) * rowByteCount, at: layers[layer].states + places[first] * rowByteCount)
      unsafe encoded.withUnsafeBytes { bytes in
        for row in first..<end {
          unsafe kernels.decodeRow(
            stateFormat, width: width, row: bytes.baseAddress! + (row - first) * rowByteCount,
            into: states.row(row))
        }
      }
      first = end
    }
    return states
  }

  private func write<Value: BitwiseCopyable>(_ values: [Value], at offset: Int) throws(StoreError) {
    let result = unsafe values.withUnsafeBytes { bytes in
      Result { () throws(StoreError) in try unsafe file.write(bytes, at: offset) }
    }
    try result.get()
  }

  private func read<Value: BitwiseCopyable & FixedWidthInteger>(
    _ count: Int, at offset: Int
  ) throws(StoreError) -> [Value] {
    var values = [Value](repeating: 0, count: count)
    let result = unsafe values.withUnsafeMutableBytes { bytes in
      Result { () throws(StoreError) in try unsafe file.read(into: bytes, at: offset) }
    }
    try result.get()
    return values
  }
}
