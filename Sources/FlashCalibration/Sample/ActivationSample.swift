internal import FlashKernels
internal import FlashWeights

/// What all layers saw and answered at some positions, on disk; memory holds one layer at a time.
///
/// The file has a region for each layer's states (f16 or f32), masks, and outputs of neurons that
/// fire (bf16: outputs reach over more than f16's range), written from the front of each region, so
/// that what is never written takes no disk.
final class ActivationSample {
  let width: Int
  let neuronCounts: [Int]
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
    var masks: Int
    var outputs: Int
    var positionCount = 0
    var outputCount = 0
  }

  /// - Parameter stateFormat: f16 is enough to train; f32 loses nothing.
  /// - Throws: `StoreError` where the folder takes no files.
  init(
    width: Int, neuronCounts: [Int], capacity: Int, folder: String, kernels: Kernels,
    stateFormat: RowFormat = .f16
  ) throws(StoreError) {
    self.stateFormat = stateFormat
    self.width = width
    self.neuronCounts = neuronCounts
    self.capacity = capacity
    self.kernels = kernels
    file = try ScratchFile(in: folder)
    var offset = 0
    func take(_ byteCount: Int) -> Int {
      defer { offset += (byteCount + 4095) / 4096 * 4096 }
      return offset
    }
    layers = neuronCounts.map { count in
      Layer(
        states: take(capacity * stateFormat.byteCount(width: width)),
        masks: take(capacity * LayerSample.wordCount(count) * 8),
        outputs: take(capacity * count * 2))
    }
  }

  /// Bytes on disk for each position, where this part of the neurons fires.
  static func byteCountPerPosition(width: Int, neuronCounts: [Int], activity: Double) -> Int {
    neuronCounts.reduce(0) {
      $0 + 2 * width + 8 * LayerSample.wordCount($1) + Int(2 * activity * Double($1))
    }
  }

  func positionCount(layer: Int) -> Int { layers[layer].positionCount }

  /// Notes that the next position begins a chunk.
  func beginChunk(at position: Int) { chunkStarts.append(position) }

  /// Appends positions of a layer.
  ///
  /// - Parameters:
  ///   - states: `[count, width]`.
  ///   - masks: `[count, wordCount]`.
  ///   - outputs: of the neurons that fire, ascending, one position after another.
  func append(
    layer: Int, states: [Float], masks: [UInt64], outputs: [Float]
  ) throws(StoreError) {
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
    // Round to nearest: a bf16 is the upper half of an f32.
    let short = outputs.map { UInt16(truncatingIfNeeded: ($0.bitPattern &+ 0x8000) >> 16) }
    let region = layers[layer]
    try write(rows, at: region.states + region.positionCount * rowByteCount)
    let wordCount = LayerSample.wordCount(neuronCounts[layer])
    try write(masks, at: region.masks + 8 * region.positionCount * wordCount)
    try write(short, at: region.outputs + 2 * region.outputCount)
    layers[layer].positionCount += count
    layers[layer].outputCount += outputs.count
  }

  /// Reads a layer into memory.
  ///
  /// - Parameter downNorms: of the neurons' down rows, by which outputs become contributions.
  func load(layer: Int, downNorms: [Float]) throws(StoreError) -> LayerSample {
    let region = layers[layer]
    let count = region.positionCount
    let inputs = FloatMatrix(count, width)
    let rowByteCount = stateFormat.byteCount(width: width)
    for first in stride(from: 0, to: count, by: 256) {
      let rows = min(256, count - first)
      let encoded: [UInt8] = try read(
        rows * rowByteCount, at: region.states + first * rowByteCount)
      unsafe encoded.withUnsafeBytes { bytes in
        for row in 0..<rows {
          unsafe kernels.decodeRow(
            stateFormat, width: width, row: bytes.baseAddress! + row * rowByteCount,
            into: inputs.row(first + row))
        }
      }
    }
    let neuronCount = neuronCounts[layer]
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
      inputs: inputs, neuronCount: neuronCount, masks: masks, contributions: contributions,
      chunkStarts: chunkStarts)
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
