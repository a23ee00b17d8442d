internal import FlashIO
internal import FlashKernels

/// Predictors that come with a model on their way into its store: planned and checked first, then
/// written in slices.
///
/// Ranks are padded with zeros to whole blocks of 32, and to the largest of a layer's experts,
/// which changes no score. PowerInfer computes a neuron whose score is the threshold or more, a
/// store one whose score plus b is above zero: b is the number next below the threshold, negated,
/// and the sum of two floats has the sign of the exact one.
struct PredictorConversion: Sendable {
  /// One layer's, or one expert's, with the shape it has in the file.
  private struct Matrices {
    var reduction: SourceTensor
    var expansion: SourceTensor
    var rank: Int { reduction.shape[0] }
  }

  let plan: PredictorPlan
  /// Of each layer, one for each expert; none where it has no neurons.
  private let layers: [[Matrices]]
  private let source: SourcePredictors

  /// Throws `missingTensor`, `unexpectedTensor`, `tensorShape` or `unknownDataType`, naming the
  /// tensor.
  ///
  /// - Parameter format: of all rows; nil keeps what the file has. Where such rows cannot be
  ///   narrow, the nearest that can.
  init(
    _ predictors: SourcePredictors, configuration: ModelConfiguration, format: RowFormat?,
    path: String
  ) throws(StoreError) {
    var unused = Set(predictors.tensors.keys)
    var layers: [[Matrices]] = []
    var planned: [PredictorPlan.Layer] = []
    for (index, shape) in configuration.layers.enumerated() {
      guard shape.feedForwardWidth > 0 else {
        layers.append([])
        planned.append(PredictorPlan.Layer(neuronCount: 0))
        continue
      }
      func take(_ name: String) throws(StoreError) -> SourceTensor {
        guard let tensor = predictors.tensors[name] else {
          throw StoreError(
            .missingTensor, "the layer's predictor lacks this tensor", file: path, tensor: name)
        }
        unused.remove(name)
        return tensor
      }
      var experts: [Matrices] = []
      for expert in 0..<(shape.expertCount ?? 1) {
        let matrices = Matrices(
          reduction: try take(predictors.names.reduction(layer: index, expert: expert)),
          expansion: try take(predictors.names.expansion(layer: index, expert: expert)))
        try Self.check(
          matrices, neurons: shape.expertWidth, width: configuration.width, file: path)
        experts.append(matrices)
      }
      layers.append(experts)
      planned.append(
        PredictorPlan.Layer(
          neuronCount: shape.feedForwardWidth, expertCount: experts.count,
          shape: Self.shape(experts, width: configuration.width, format: format)))
    }
    if let name = unused.min() {
      throw StoreError(
        .unexpectedTensor, "belongs to no layer that has neurons", file: path, tensor: name)
    }
    self.layers = layers
    source = predictors
    plan = PredictorPlan(planned)
  }

  private static func check(
    _ matrices: Matrices, neurons: Int, width: Int, file: String
  ) throws(StoreError) {
    func fail(_ tensor: SourceTensor, _ expected: String) -> StoreError {
      StoreError(
        .tensorShape, "is no predictor of this layer", file: file, offset: tensor.extent.offset,
        tensor: tensor.name, expected: expected, found: "\(tensor.shape)")
    }
    let (reduction, expansion) = (matrices.reduction, matrices.expansion)
    guard reduction.shape.count == 2, reduction.shape[1] == width,
      (1...maximumRank).contains(reduction.shape[0])
    else { throw fail(reduction, "[rank, \(width)], a rank of 1 to \(maximumRank)") }
    guard expansion.shape == [neurons, matrices.rank] else {
      throw fail(expansion, "[\(neurons), \(matrices.rank)]")
    }
    for tensor in [reduction, expansion] {
      guard case .unknown(let type) = tensor.encoding else { continue }
      throw StoreError(
        .unknownDataType, "has an element type that cannot be converted", file: file,
        offset: tensor.extent.offset, tensor: tensor.name, found: type)
    }
  }

  private static let maximumRank = 1 << 16

  private static func shape(
    _ experts: [Matrices], width: Int, format: RowFormat?
  ) -> PredictorPlan.Shape {
    let rank = experts.reduce(0) { max($0, $1.rank) }.roundedUp(to: LayerCalibration.rankUnit)
    // Of 32 values: formats of larger blocks cannot lie side by side, as W2 does in a run.
    func narrow(_ tensor: SourceTensor, _ width: Int) -> RowFormat {
      (format ?? tensor.encoding.nearestFormat).fitting(width: LayerCalibration.rankUnit)
        .fitting(width: width)
    }
    return PredictorPlan.Shape(
      rank: rank, width: width, reduction: narrow(experts[0].reduction, width),
      expansion: narrow(experts[0].expansion, rank))
  }

  /// For the user: how many there are.
  var note: String {
    let ranks = layers.joined().map(\.rank)
    let (least, most) = (ranks.min() ?? 0, ranks.max() ?? 0)
    return "the model's predictors, of rank \(least == most ? "\(most)" : "\(least) to \(most)"), "
      + "come along; flashrun calibrate STORE --price-only -f TEXT measures what they cost, "
      + "before which --sparsity predicted does not run"
  }

  /// Writes `predictor.safetensors` and returns what the calibration says of each layer, and a
  /// remark for each pair of formats that lost something. Memory: some slices.
  func run(
    _ conversion: RowConversion, into file: borrowing File
  ) throws(StoreError) -> (layers: [LayerCalibration], notes: [String]) {
    try plan.begin(file)
    var calibrations: [LayerCalibration] = []
    var losses: [ConversionLoss] = []
    var notes: [String] = []
    for (index, experts) in layers.enumerated() {
      let shape = plan.layers[index].shape
      let counts = plan.extent(.counts, layer: index)
      try file.write([UInt8](repeating: 0, count: counts.byteCount), at: counts.offset)
      var calibration = LayerCalibration(
        kind: .all, input: .feedForwardNorm, rank: 0, targetRecall: 1,
        counts: PredictorExtent(extent: counts, checksum: try file.checksum(of: counts)))
      if let shape {
        calibration.kind = .perceptron
        calibration.input = source.names.input
        calibration.rank = shape.rank
        calibration.targetRecall = 0
        /// Writes the experts' matrices one after another, each of so many rows.
        func write(
          _ matrix: KeyPath<Matrices, SourceTensor>, _ part: PredictorPlan.Part, rows: Int,
          width: Int, _ format: RowFormat
        ) throws(StoreError) -> PredictorTensor {
          let extent = plan.extent(part, layer: index)
          let byteCount = rows * format.byteCount(width: width)
          for (expert, matrices) in experts.enumerated() {
            let tensor = matrices[keyPath: matrix]
            let faults = try conversion.writeRows(
              of: tensor, rows: rows, width: width, format, to: file,
              at: extent.offset + expert * byteCount)
            let source = conversion.source(tensor)
            notes += source.notes(faults, storedAs: format)
            losses.append(source.loss(faults, of: "predictors", storedAs: format))
          }
          return PredictorTensor(
            format: format, rows: experts.count * rows, width: width, extent: extent,
            checksum: try file.checksum(of: extent))
        }
        calibration.reduction = try write(
          \.reduction, .reduction, rows: shape.rank, width: shape.width, shape.reduction)
        calibration.expansion = try write(
          \.expansion, .expansion, rows: plan.layers[index].neuronCount / experts.count,
          width: shape.rank, shape.expansion)
        calibration.bias = try writeBias(layer: index, to: file)
      }
      calibrations.append(calibration)
    }
    return (calibrations, notes + ConversionLoss.notes(losses))
  }

  private func writeBias(
    layer: Int, to file: borrowing File
  ) throws(StoreError) -> PredictorTensor {
    let extent = plan.extent(.bias, layer: layer)
    let neurons = plan.layers[layer].neuronCount
    let bias = Int32(bitPattern: (-source.threshold.nextDown).bitPattern)
    try file.write(
      PredictorPlan.bytes(Array(repeating: bias, count: neurons)), at: extent.offset)
    return PredictorTensor(
      format: .f32, rows: 1, width: neurons, extent: extent,
      checksum: try file.checksum(of: extent))
  }
}

extension RowConversion {
  /// Writes rows of a source's matrix, padded with zeros to `rows` and `width`, one after another,
  /// and returns what was met in them. A padded row is one of plain values.
  func writeRows(
    of tensor: SourceTensor, rows: Int, width: Int, _ format: RowFormat,
    to file: borrowing File, at offset: Int
  ) throws(StoreError) -> ValueFaults {
    let source = source(tensor)
    let (present, columns) = (tensor.shape[0], tensor.shape[1])
    let rowByteCount = format.byteCount(width: width)
    let sourceByteCount = source.rowByteCount(columns)
    let paddedByteCount = source.rowByteCount(width)
    let rowsPerSlice = max(1, memory.sliceByteCount / (4 * width))
    var faults = ValueFaults()
    for first in stride(from: 0, to: rows, by: rowsPerSlice) {
      let slice = first..<min(first + rowsPerSlice, rows)
      let read = min(slice.lowerBound, present)..<min(slice.upperBound, present)
      let output = Bytes(count: slice.count * rowByteCount)
      let padded = Bytes(count: paddedByteCount)
      var buffers = RowBuffers(width: width, kernels: kernels, stock: stock)
      if !read.isEmpty {
        let input = try source.rows(read, width: columns, stock: stock)
        for row in 0..<read.count {
          let start = unsafe input.start + row * sourceByteCount
          unsafe padded.start.copyMemory(from: start, byteCount: sourceByteCount)
          unsafe buffers.encode(
            padded.start, tensor.encoding, multiplier: 1, to: format,
            into: output.start + row * rowByteCount)
        }
      }
      faults += buffers.faults
      try unsafe file.write(
        UnsafeRawBufferPointer(output.buffer), at: offset + first * rowByteCount)
    }
    return faults
  }
}
