package import FlashKernels

/// What calibration found out about a store, as it is handed to `CalibrationInstaller`.
///
/// Everything that runs along neurons counts them as they lie in the store that was opened; the
/// installer puts it in the new order together with the bundles.
package struct CalibrationDraft: Sendable {
  /// One per layer.
  package var layers: [LayerDraft]
  /// Tokens over which firings were counted.
  package var countedTokens: Int
  /// Program and version.
  package var generator: String

  package init(layers: [LayerDraft], countedTokens: Int, generator: String) {
    self.layers = layers
    self.countedTokens = countedTokens
    self.generator = generator
  }
}

/// One layer's predictor or threshold, counts and new order.
package struct LayerDraft: Sendable {
  /// Nil where every neuron is to be computed, or those that pass the threshold.
  package var predictor: PredictorDraft?
  /// As `LayerCalibration.threshold`.
  package var threshold: Float?
  /// How often each neuron fired: `[neurons]`.
  package var counts: [UInt32]
  /// For each place in the new order the neuron's place in the store that was opened, a
  /// permutation inside each expert; nil leaves the layer as it is.
  package var order: [Int]?

  package init(
    predictor: PredictorDraft?, threshold: Float? = nil, counts: [UInt32], order: [Int]? = nil
  ) {
    self.predictor = predictor
    self.threshold = threshold
    self.counts = counts
    self.order = order
  }
}

/// A layer's predictor with its rows packed; of experts all of theirs, one after another.
package struct PredictorDraft: Sendable {
  /// Not `all`.
  package var kind: PredictorKind
  package var input: PredictorInput
  package var targetRecall: Double
  /// W1, `[experts * rank, width]`; the rank is a multiple of 32.
  package var reduction: PackedRows
  /// W2, `[neurons, rank]`.
  package var expansion: PackedRows
  /// b with the threshold in it, `[neurons]`.
  package var bias: [Float]

  package var rank: Int { expansion.width }

  package init(
    kind: PredictorKind, input: PredictorInput = .feedForwardNorm, targetRecall: Double,
    reduction: PackedRows, expansion: PackedRows, bias: [Float]
  ) {
    self.kind = kind
    self.input = input
    self.targetRecall = targetRecall
    self.reduction = reduction
    self.expansion = expansion
    self.bias = bias
  }
}

extension PredictorDraft {
  /// Predictors of a layer's experts as the layer's. Traps unless they are alike.
  package init(experts: [PredictorDraft]) {
    self = experts[0]
    precondition(
      experts.allSatisfy { ($0.kind, $0.input, $0.rank) == (kind, input, rank) },
      "experts of a layer have predictors of one kind and rank")
    reduction = PackedRows(experts.map(\.reduction))
    expansion = PackedRows(experts.map(\.expansion))
    bias = experts.flatMap(\.bias)
  }

  /// One of so many experts' predictor.
  package func expert(_ expert: Int, of count: Int) -> PredictorDraft {
    var part = self
    part.reduction = reduction.part(expert, of: count)
    part.expansion = expansion.part(expert, of: count)
    let neurons = bias.count / count
    part.bias = Array(bias[expert * neurons..<(expert + 1) * neurons])
    return part
  }
}

/// Rows of weights as `Kernels.dot` takes them, one after another without gaps.
package struct PackedRows: Equatable, Sendable {
  package let format: RowFormat
  package let rowCount: Int
  package let width: Int
  package let bytes: [UInt8]

  package var rowByteCount: Int { format.byteCount(width: width) }

  /// Takes rows that are packed already. Traps unless the bytes are exactly the rows.
  package init(format: RowFormat, rowCount: Int, width: Int, bytes: [UInt8]) {
    precondition(
      bytes.count == rowCount * format.byteCount(width: width), "packed rows are whole")
    self.format = format
    self.rowCount = rowCount
    self.width = width
    self.bytes = bytes
  }

  /// Packs `values`, `[rowCount, width]`. Traps unless the width fits the format.
  package init(values: [Float], rowCount: Int, width: Int, format: RowFormat) {
    precondition(values.count == rowCount * width, "values fill the rows")
    let rowByteCount = format.byteCount(width: width)
    let encoder = RowEncoder(Kernels(.best))
    var bytes = [UInt8](repeating: 0, count: rowCount * rowByteCount)
    unsafe values.withUnsafeBufferPointer { source in
      unsafe bytes.withUnsafeMutableBytes { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        for row in 0..<rowCount {
          unsafe encoder.encode(
            from + row * width, width: width, format, into: to + row * rowByteCount)
        }
      }
    }
    self.init(format: format, rowCount: rowCount, width: width, bytes: bytes)
  }

  /// Joins rows of one format and width. Traps where there are none.
  init(_ parts: [PackedRows]) {
    precondition(
      parts.allSatisfy { ($0.format, $0.width) == (parts[0].format, parts[0].width) },
      "rows that are joined are alike")
    self.init(
      format: parts[0].format, rowCount: parts.reduce(0) { $0 + $1.rowCount },
      width: parts[0].width, bytes: Array(parts.map(\.bytes).joined()))
  }

  /// One of so many equal parts.
  func part(_ index: Int, of count: Int) -> PackedRows {
    let rows = rowCount / count
    let start = index * rows * rowByteCount
    return PackedRows(
      format: format, rowCount: rows, width: width,
      bytes: Array(bytes[start..<start + rows * rowByteCount]))
  }

  /// The rows in another order: row i of the result is row `order[i]` of these.
  package func reordered(_ order: [Int]) -> PackedRows {
    var sorted: [UInt8] = []
    sorted.reserveCapacity(bytes.count)
    for row in order { sorted += bytes[row * rowByteCount..<(row + 1) * rowByteCount] }
    return PackedRows(format: format, rowCount: order.count, width: width, bytes: sorted)
  }
}
