internal import FlashIO
package import FlashKernels

/// The formats of a store, by what the weights are for; nil keeps what the source has. Norms and
/// biases are always f32.
package struct StoreFormats: Equatable, Sendable {
  /// Token embedding and learned positions; with a tied head this is the head as well.
  package var embedding: RowFormat?
  package var attention: RowFormat?
  package var feedForward: RowFormat?
  package var head: RowFormat?
  /// For each weight of the source the nearest format.
  var kept: [TensorKey: RowFormat] = [:]

  /// One format for all, but where another is named.
  package init(
    _ format: RowFormat, embedding: RowFormat? = nil, attention: RowFormat? = nil,
    head: RowFormat? = nil
  ) {
    self.init(
      embedding: embedding ?? format, attention: attention ?? format, head: head ?? format)
    feedForward = format
  }

  /// What the source has, but where a format is named.
  package init(
    embedding: RowFormat? = nil, attention: RowFormat? = nil, head: RowFormat? = nil
  ) {
    self.embedding = embedding
    self.attention = attention
    self.head = head
  }

  /// The format of a weight's rows: another where the width is no multiple of the format's block.
  func format(_ role: TensorRole, layer: Int?, width: Int) -> RowFormat {
    wanted(role, layer: layer).fitting(width: width)
  }

  func wanted(_ role: TensorRole, layer: Int?) -> RowFormat {
    let named: RowFormat? =
      switch role {
      case .tokenEmbedding, .positionEmbedding: embedding
      case .query, .key, .value, .attentionOutput, .linearAttention: attention
      case .gate, .up, .down, .linearFeedForward, .sharedGate, .sharedUp, .sharedDown:
        feedForward
      case .outputHead: head
      case .attentionNorm, .queryNorm, .keyNorm, .attentionOutputNorm, .feedForwardNorm,
        .feedForwardOutputNorm, .outputNorm, .sinks, .router, .sharedRouter:
        .f32
      }
    return named ?? kept[TensorKey(role: role, layer: layer, isBias: false)] ?? .f16
  }
}

/// Where every byte of a store will lie, decided before the first is written.
///
/// Made from the configuration alone, so that `convert` and `synth` share it, the disk need is
/// known first, and rows may be written in any order.
package struct StorePlan: Sendable {
  package let configuration: ModelConfiguration
  /// In the order of `dense.safetensors`; checksums are empty until the rows are written.
  package let tensors: [StoredTensor]
  /// One per layer; checksums are empty likewise.
  package let bundles: [BundleLayout]
  /// Everything of `dense.safetensors` before its data, a multiple of 4096 bytes.
  package let denseHeader: [UInt8]
  package let denseByteCount: Int
  package let bundlesByteCount: Int
  /// Remarks for the manifest: which rows have another format than was asked for, and why.
  package let notes: [String]

  /// Bytes of the two weight files.
  package var byteCount: Int { denseByteCount + bundlesByteCount }

  /// Plans a store. `biases` says whether a role has a bias, in every layer alike.
  package init(
    configuration: ModelConfiguration, formats: StoreFormats, biases: Set<TensorRole> = []
  ) {
    self.configuration = configuration
    let shapes = TensorShape.dense(configuration, biases: biases)
    var notes: [String] = []
    var tensors: [StoredTensor] = []
    for shape in shapes {
      let isVector = shape.isBias || shape.role.isVector
      let format =
        isVector ? .f32 : formats.format(shape.role, layer: shape.layer, width: shape.width)
      tensors.append(
        StoredTensor(
          role: shape.role, isBias: shape.isBias, layer: shape.layer, format: format,
          rows: shape.rows, width: shape.width,
          extent: FileExtent(
            offset: 0, byteCount: shape.rows * format.byteCount(width: shape.width)),
          checksum: ""))
      if let note = Self.note(shape, formats) { notes.append(note) }
    }
    var end = 0
    for index in tensors.indices {
      tensors[index].extent.offset = end
      end = tensors[index].extent.end.roundedUp(to: Self.alignment)
    }
    denseHeader = SafetensorsWriter.header(tensors.map(\.entry))
    for index in tensors.indices { tensors[index].extent.offset += denseHeader.count }
    self.tensors = tensors
    denseByteCount = denseHeader.count + end

    var bundles: [BundleLayout] = []
    end = 0
    for (layer, shape) in configuration.layers.enumerated() {
      let bundle = BundleLayout(
        neuronCount: shape.feedForwardWidth, expertCount: shape.expertCount,
        configuration: configuration, formats: formats, layer: layer, offset: end)
      end = bundle.extent.end.roundedUp(to: Self.alignment)
      for part in bundle.parts {
        let shape = TensorShape(
          role: part.role, isBias: false, layer: layer, rows: shape.feedForwardWidth,
          width: configuration.width)
        if let note = Self.note(shape, formats) { notes.append(note) }
      }
      bundles.append(bundle)
    }
    self.bundles = bundles
    bundlesByteCount = end
    self.notes = notes
  }

  /// Weights of the model; a tied head counts once.
  package var parameterCount: Int {
    tensors.reduce(0) { $0 + $1.rows * $1.width }
      + bundles.reduce(0) { $0 + $1.neuronCount * $1.parts.count * $1.width }
  }

  /// Extents start on multiples of this, so that a device of any direct-I/O unit reads only them.
  static let alignment = 4096

  /// The remark on a weight that cannot have the format that was asked for.
  private static func note(_ shape: TensorShape, _ formats: StoreFormats) -> String? {
    guard !shape.isBias, !shape.role.isVector else { return nil }
    let wanted = formats.wanted(shape.role, layer: shape.layer)
    guard !wanted.fits(width: shape.width) else { return nil }
    let format = wanted.fitting(width: shape.width)
    return "\(shape.name) \(format == .f16 ? "stays" : "becomes") \(format.rawValue): its width "
      + "\(shape.width) is no multiple of the "
      + "\(wanted.rawValue) block of \(wanted.valuesPerBlock)"
  }
}

/// A tensor of the model with its shape, as the configuration demands it.
package struct TensorShape: Equatable, Sendable {
  package var role: TensorRole
  package var isBias: Bool
  package var layer: Int?
  /// 1 for norms and biases.
  package var rows: Int
  package var width: Int

  package var name: String {
    (layer.map { "layers.\($0)." } ?? "") + role.rawValue + (isBias ? ".bias" : "")
  }

  /// The shape of a role's weight: `[rows, width]`; the down projection as a checkpoint has it,
  /// `[model width, neurons]`.
  package init(_ role: TensorRole, layer: Int?, in configuration: ModelConfiguration) {
    let width = configuration.width
    let shape = layer.map { configuration.layers[$0] }
    let headDimension = configuration.headDimension
    let (rows, columns): (Int, Int) =
      switch role {
      case .tokenEmbedding, .outputHead: (configuration.vocabularySize, width)
      case .positionEmbedding: (configuration.positionRows, width)
      case .attentionNorm, .attentionOutputNorm, .feedForwardNorm, .feedForwardOutputNorm,
        .outputNorm:
        (1, width)
      case .queryNorm: (1, configuration.normedWidth(heads: shape!.queryHeads))
      case .keyNorm: (1, configuration.normedWidth(heads: shape!.keyValueHeads))
      case .linearAttention, .linearFeedForward: (width, width)
      case .query: (shape!.queryHeads * headDimension, width)
      case .key, .value: (shape!.keyValueHeads * headDimension, width)
      case .attentionOutput: (width, shape!.queryHeads * headDimension)
      case .gate, .up: (shape!.feedForwardWidth, width)
      case .down: (width, shape!.feedForwardWidth)
      case .sinks: (1, shape!.queryHeads)
      case .router: (shape!.expertCount!, width)
      case .sharedGate, .sharedUp: (shape!.shared, width)
      case .sharedDown: (width, shape!.shared)
      case .sharedRouter: (1, width)
      }
    self.init(role: role, isBias: false, layer: layer, rows: rows, width: columns)
  }

  package init(role: TensorRole, isBias: Bool, layer: Int?, rows: Int, width: Int) {
    self.role = role
    self.isBias = isBias
    self.layer = layer
    self.rows = rows
    self.width = width
  }

  /// The bias that belongs to a weight: one value for each of its outputs, or for a norm's each.
  /// `experts`: how many weights there are in one, each with outputs of its own.
  package func bias(experts: Int = 1) -> TensorShape {
    TensorShape(
      role: role, isBias: true, layer: layer, rows: 1,
      width: role.isVector ? width : rows * experts)
  }

  /// The tensors of `dense.safetensors` in their order: embedding, layers, head.
  package static func dense(
    _ configuration: ModelConfiguration, biases: Set<TensorRole>
  ) -> [TensorShape] {
    var shapes = [TensorShape(.tokenEmbedding, layer: nil, in: configuration)]
    if configuration.positionRows > 0 {
      shapes.append(TensorShape(.positionEmbedding, layer: nil, in: configuration))
    }
    func append(_ role: TensorRole, _ layer: Int?) {
      let shape = TensorShape(role, layer: layer, in: configuration)
      if !role.isBundled { shapes.append(shape) }
      let experts = role == .down ? layer.flatMap { configuration.layers[$0].expertCount } : nil
      if biases.contains(role) { shapes.append(shape.bias(experts: experts ?? 1)) }
    }
    for layer in configuration.layers.indices {
      for role in TensorRole.allCases where configuration.has(role, layer: layer) {
        append(role, layer)
      }
    }
    append(.outputNorm, nil)
    if !configuration.hasTiedHead { append(.outputHead, nil) }
    return shapes
  }
}

extension ModelConfiguration {
  /// Rows of the table of learned positions; 0 where positions are rotary.
  package var positionRows: Int {
    if case .learned(let offset) = positions { maximumPositions + offset } else { 0 }
  }

  /// Values that a norm of queries or keys takes together.
  fileprivate func normedWidth(heads: Int) -> Int {
    queryKeyNorm == .allHeads ? heads * headDimension : headDimension
  }

  /// Parts of a neuron's bundle in the order they lie.
  package var bundleRoles: [TensorRole] { isGated ? [.up, .down, .gate] : [.down, .up] }
}

extension BundleLayout {
  /// The direct-I/O unit that strides are padded to.
  package static let strideUnit = 512

  /// The layout of a layer whose bundles start at `offset`: the fewest neurons to a stride whose
  /// padding is at most a tenth of their bytes; with experts a divisor of an expert's neurons, if
  /// need be the one with the least padding. An expert whose neurons are never silent is read
  /// whole, so as many as 64 go to a stride: less is padding, and rows of a part lie side by side.
  init(
    neuronCount: Int, expertCount: Int? = nil, configuration: ModelConfiguration,
    formats: StoreFormats, layer: Int = 0, offset: Int
  ) {
    let width = configuration.width
    let parts = configuration.bundleRoles.map {
      Part(role: $0, format: formats.format($0, layer: layer, width: width))
    }
    let payload = parts.reduce(0) { $0 + $1.format.byteCount(width: width) }
    func stride(_ neurons: Int) -> Int { (neurons * payload).roundedUp(to: Self.strideUnit) }
    func isTight(_ neurons: Int) -> Bool {
      (stride(neurons) - neurons * payload) * 10 <= neurons * payload
    }
    var neurons = 1
    if let expertCount {
      let width = neuronCount / expertCount
      let divisors = (1...min(width, 512)).filter { width % $0 == 0 }
      neurons =
        configuration.activation.isSparse
        ? divisors.first(where: isTight) ?? divisors.min { stride($0) * $1 < stride($1) * $0 } ?? 1
        : divisors.last { $0 <= 64 } ?? 1
    } else {
      while !isTight(neurons) { neurons += 1 }
    }
    self.init(
      neuronCount: neuronCount, expertCount: expertCount, neuronsPerStride: neurons,
      stride: stride(neurons), width: width, parts: parts,
      extent: FileExtent(offset: offset, byteCount: 0), checksum: "")
    extent.byteCount = self.stride * strideCount
  }

  /// The parts' bytes of all neurons, without padding.
  package var payloadByteCount: Int { neuronCount * (frontBytesPerNeuron + lastPartByteCount) }

  /// Neurons of the strides `strides`; the last stride may hold fewer than the others.
  package func neuronCount(inStrides strides: Range<Int>) -> Int {
    min(strides.upperBound * neuronsPerStride, neuronCount)
      - min(strides.lowerBound * neuronsPerStride, neuronCount)
  }
}

extension Int {
  func roundedUp(to unit: Int) -> Int { (self + unit - 1) / unit * unit }
}
