internal import FlashIO
internal import FlashKernels
internal import FlashWeights

/// Reads what calibration needs of a layer's weights, past the page cache: the rows that decide
/// what fires, their biases, and how long each neuron's down row is.
struct LayerReader {
  private let manifest: StoreManifest
  private let bundles: FlashFile
  private let dense: FlashFile
  private let buffer: DirectArena
  private let kernels: Kernels

  /// Bytes read at a time.
  static let bufferByteCount = 4 << 20

  struct Layer {
    var gates: GateRows
    /// Of the pre-activation, `[neurons]`; nil where there is none.
    var decidingBias: [Float]?
    /// Euclidean norms of the down rows, `[neurons]`.
    var downNorms: [Float]
  }

  /// - Throws: `FileFailure` and `ArenaFailure`.
  init(_ store: WeightStore, kernels: Kernels) throws {
    manifest = store.manifest
    self.kernels = kernels
    bundles = try FlashFile(path: store.bundlesPath)
    dense = try FlashFile(path: store.densePath)
    buffer = try DirectArena(byteCount: Self.bufferByteCount)
  }

  /// A layer, or one of its experts.
  ///
  /// - Throws: `StoreError` where the file cannot be read.
  func layer(_ index: Int, expert: Int = 0) throws(StoreError) -> Layer {
    let layout = manifest.bundles[index].experts[expert]
    let part = layout.parts[layout.parts.count - 1]
    let (rows, norms) = try neurons(of: layout, keepsGates: true)
    let first = expert * layout.neuronCount
    return Layer(
      gates: GateRows(format: part.format, width: layout.width, bytes: rows, kernels: kernels),
      decidingBias: try bias(part.role, layer: index).map {
        Array($0[first..<first + layout.neuronCount])
      }, downNorms: norms)
  }

  /// The norms of all of a layer's neurons, which take no memory to speak of.
  ///
  /// - Throws: as `layer`.
  func downNorms(_ index: Int) throws(StoreError) -> [Float] {
    try neurons(of: manifest.bundles[index], keepsGates: false).downNorms
  }

  private func neurons(
    of layout: BundleLayout, keepsGates: Bool
  ) throws(StoreError) -> (gates: [UInt8], downNorms: [Float]) {
    let deciding = layout.parts.count - 1
    guard let down = layout.parts.firstIndex(where: { $0.role == .down }) else {
      preconditionFailure("a bundle has a down row")
    }
    var rows: [UInt8] = []
    if keepsGates { rows.reserveCapacity(layout.neuronCount * layout.lastPartByteCount) }
    var norms: [Float] = []
    norms.reserveCapacity(layout.neuronCount)
    let values = FloatMatrix(1, layout.width)
    let stridesAtATime = max(1, (Self.bufferByteCount - 2 * bundles.unit) / layout.stride)
    for first in stride(from: 0, to: layout.strideCount, by: stridesAtATime) {
      let count = min(stridesAtATime, layout.strideCount - first)
      let extent = FileExtent(
        offset: layout.extent.offset + first * layout.stride, byteCount: count * layout.stride)
      let base = try unsafe read(extent, of: bundles)
      for stride in 0..<count {
        for place in 0..<layout.neuronsPerStride where norms.count < layout.neuronCount {
          let start = unsafe base + stride * layout.stride
          let gate = unsafe start + layout.offset(ofPart: deciding, neuron: place)
          if keepsGates {
            unsafe rows.append(
              contentsOf: UnsafeRawBufferPointer(start: gate, count: layout.lastPartByteCount))
          }
          unsafe kernels.decodeRow(
            layout.parts[down].format, width: layout.width,
            row: start + layout.offset(ofPart: down, neuron: place), into: values.values)
          var sum: Float = 0
          for column in 0..<layout.width {
            sum += unsafe values.values[column] * values.values[column]
          }
          norms.append(sum.squareRoot())
        }
      }
    }
    return (rows, norms)
  }

  private func bias(_ role: TensorRole, layer: Int) throws(StoreError) -> [Float]? {
    guard
      let tensor = manifest.tensors.first(where: {
        $0.role == role && $0.layer == layer && $0.isBias
      })
    else { return nil }
    let base = try unsafe read(tensor.extent, of: dense).assumingMemoryBound(to: Float.self)
    return (0..<tensor.width).map { unsafe base[$0] }
  }

  /// The address of an extent's bytes in the buffer, valid until the next read.
  private func read(
    _ extent: FileExtent, of file: FlashFile
  ) throws(StoreError) -> UnsafeRawPointer {
    let widened = file.widened(extent)
    precondition(widened.byteCount <= buffer.byteCount, "an extent fits the buffer")
    var done = 0
    while done < widened.byteCount, widened.offset + done < file.byteCount {
      let count = unsafe file.readOnce(
        offset: widened.offset + done, byteCount: widened.byteCount - done,
        into: buffer.base + done)
      guard count > 0 else {
        throw StoreError(
          .inputOutput, count == 0 ? "the file ends early" : "cannot be read (errno \(-count))",
          file: file.path, offset: widened.offset + done)
      }
      done += count
    }
    return unsafe UnsafeRawPointer(buffer.base + (extent.offset - widened.offset))
  }
}
