internal import FlashIO
internal import FlashKernels

/// Which tensor of a source gives each tensor of the model; made from a layout, and complete:
/// every tensor of the model has one, every tensor of the source has a use or is known to have
/// none.
struct TensorMap: Sendable {
  /// One for each tensor of the model, and for each expert where a layer's weights have experts.
  private var sources: [TensorKey: [SourceTensor]] = [:]
  /// Roles with a bias, in every layer alike.
  let biases: Set<TensorRole>
  private(set) var notes: [String] = []
  /// Nil where none come with a checkpoint.
  private(set) var predictors: SourcePredictors?

  /// Throws `missingTensor`, `unexpectedTensor`, `tensorShape` or `unknownDataType`, naming the
  /// tensor as the source spells it. `layout` is in the source's spelling; `pairs` says how RoPE
  /// pairs the source's query and key rows.
  init(
    source: any ModelSource, layout: Layout, pairs: Layout.RotaryPairs = .halves,
    configuration: ModelConfiguration
  ) throws(StoreError) {
    let patterns = layout.patterns(for: source.configuration)
    biases = layout.biases(for: source.configuration)
    let prefix = Self.prefix(tensors: source.tensors, layout: layout, patterns: patterns)
    var unused = Set(source.tensors.keys)
    var experts = ExpertTensors(source: source, configuration: configuration, prefix: prefix)
    for pattern in patterns where pattern.role != .outputHead || !configuration.hasTiedHead {
      let layers =
        pattern.isPerLayer
        ? configuration.layers.indices.filter { configuration.has(pattern.role, layer: $0) }
          .map { $0 as Int? } : [nil]
      for layer in layers {
        let key = TensorKey(role: pattern.role, layer: layer, isBias: pattern.isBias)
        if let layer, pattern.role.isBundled, configuration.layers[layer].expertCount != nil {
          sources[key] = try experts.take(pattern, layer: layer, from: &unused)
          continue
        }
        let names = pattern.names(
          prefix: prefix, layer: layer,
          isDense: layer.map { configuration.layers[$0].expertCount == nil } ?? false)
        let name = names.first { source.tensors[$0] != nil } ?? names[0]
        guard var tensor = source.tensors[name] else {
          throw StoreError(
            .missingTensor, "the model lacks this tensor", file: source.path, tensor: name)
        }
        try Self.fit(
          &tensor, to: pattern, layer: layer, in: configuration, pairs: pairs,
          file: source.path(of: tensor))
        if let name = pattern.scaleName(prefix: prefix, layer: layer),
          let scale = source.tensors[name]
        {
          tensor.multiplier = try Self.factors(scale, 1, source.files)[0]
          unused.remove(name)
        }
        sources[key] = [tensor]
        unused.remove(name)
      }
    }
    try requireAll(configuration, layout: layout, file: source.path)
    try experts.refuseMore(than: patterns, in: unused)
    predictors = SourcePredictors(
      layout.predictors, prefix: prefix, in: source, configuration, from: &unused)
    for pattern in layout.ignoredTensors {
      for layer in configuration.layers.indices {
        unused.remove(
          pattern.replacing("{prefix}", with: prefix).replacing("{layer}", with: "\(layer)"))
      }
    }
    // They are in the configuration.
    if source.spelling == .gguf { unused.subtract(GGUFRotary.tensorNames) }
    if configuration.hasTiedHead {
      try takeTiedHead(source: source, patterns: patterns, prefix: prefix, unused: &unused)
    }
    if let name = unused.min(), let tensor = source.tensors[name] {
      throw StoreError(
        .unexpectedTensor,
        "the layout \(layout.name) gives no use for this tensor"
          + (unused.count > 1 ? " (nor for \(unused.count - 1) others)" : ""),
        file: source.path(of: tensor), offset: tensor.extent.offset, tensor: name,
        found: unused.sorted().prefix(5).joined(separator: ", "))
    }
  }

  /// Checks a tensor's shape and says which of its rows are the model's, and in which order.
  private static func fit(
    _ tensor: inout SourceTensor, to pattern: Layout.TensorPattern, layer: Int?,
    in configuration: ModelConfiguration, pairs: Layout.RotaryPairs, file: String
  ) throws(StoreError) {
    let weight = TensorShape(pattern.role, layer: layer, in: configuration)
    var expected = weight
    if let fused = pattern.fused, let layer {
      let rows = fused.roles.map { TensorShape($0, layer: layer, in: configuration).rows }
      let before = zip(fused.roles, rows).prefix { $0.0 != pattern.role }.reduce(0) { $0 + $1.1 }
      expected.rows = rows.reduce(0, +)
      let groups = fused.byKeyValueHead ? configuration.layers[layer].keyValueHeads : 1
      tensor.order = .runs(
        count: weight.rows / groups, distance: expected.rows / groups, start: before / groups)
      tensor.usedRowCount = weight.rows
    }
    try check(tensor, against: pattern.isBias ? expected.bias() : expected, file: file)
    if pairs == .neighbours, [.query, .key].contains(pattern.role),
      case .rotary(let rotary) = configuration.positions
    {
      precondition(pattern.fused == nil, "fused rows lie in the order of checkpoints")
      tensor.order = .neighbours(
        headDimension: configuration.headDimension, rotated: rotary.dimension)
    }
    tensor.offset = Float(pattern.offset ?? 0)
  }

  /// Throws where the layout names no tensor for a role that the model has.
  private func requireAll(
    _ configuration: ModelConfiguration, layout: Layout, file: String
  ) throws(StoreError) {
    var shapes = TensorShape.dense(configuration, biases: [])
    for layer in configuration.layers.indices where configuration.layers[layer].feedForwardWidth > 0
    {
      shapes += configuration.bundleRoles.map { TensorShape($0, layer: layer, in: configuration) }
    }
    for shape in shapes
    where sources[TensorKey(role: shape.role, layer: shape.layer, isBias: false)] == nil {
      throw StoreError(
        .layout, "the layout \(layout.name) names no tensor for \(shape.role.rawValue)",
        file: file, expected: shape.name)
    }
  }

  /// The source of a tensor of the model. Traps for one the layout does not name.
  func source(_ role: TensorRole, isBias: Bool = false, layer: Int?) -> SourceTensor {
    guard let sources = sources[TensorKey(role: role, layer: layer, isBias: isBias)],
      sources.count == 1
    else { preconditionFailure("no source for \(role)") }
    return sources[0]
  }

  /// The sources of a layer's weight that belongs to the neurons: one for each expert, or one.
  func experts(_ role: TensorRole, layer: Int) -> [SourceTensor] {
    guard let sources = sources[TensorKey(role: role, layer: layer, isBias: false)] else {
      preconditionFailure("no source for \(role)")
    }
    return sources
  }

  /// Bytes of the source that conversion reads.
  var byteCount: Int { sources.values.joined().reduce(0) { $0 + $1.usedByteCount } }

  /// For each weight the store's format that is nearest to the source's.
  var nearestFormats: [TensorKey: RowFormat] {
    var formats: [TensorKey: RowFormat] = [:]
    for (key, tensors) in sources where !key.isBias {
      formats[key] = tensors[0].encoding.nearestFormat
    }
    return formats
  }

  /// The values of a tensor that scales another, or the experts' matrices in it.
  static func factors(
    _ tensor: SourceTensor, _ count: Int, _ files: [SourceFile]
  ) throws(StoreError) -> [Float] {
    let values = try GGUFRotary.values(of: tensor, files: files)
    guard values.count == count else {
      throw StoreError(
        .tensorShape, "scales another tensor and must be \(count == 1 ? "one value" : "a vector")",
        file: files[tensor.fileIndex].path, offset: tensor.extent.offset, tensor: tensor.name,
        expected: "[\(count)]", found: "\(tensor.shape)")
    }
    return values
  }

  private static func prefix(
    tensors: [String: SourceTensor], layout: Layout, patterns: [Layout.TensorPattern]
  ) -> String {
    let embedding = patterns.first { $0.role == .tokenEmbedding && !$0.isBias }
    return layout.prefixes.first { prefix in
      embedding.map { tensors[$0.name(prefix: prefix, layer: nil)] != nil } ?? false
    } ?? layout.prefixes[0]
  }

  private static func check(
    _ tensor: SourceTensor, against shape: TensorShape, file: String
  ) throws(StoreError) {
    let isVector = shape.isBias || shape.role.isVector
    let expected = isVector ? [shape.width] : [shape.rows, shape.width]
    // One row may be a vector in the file.
    let isRow = shape.role == .sharedRouter && tensor.shape == [shape.width]
    try require(tensor, isRow ? tensor.shape : expected, file: file)
    try checkEncoding(of: tensor, isVector: isVector, file: file)
  }

  static func require(
    _ tensor: SourceTensor, _ shape: [Int], file: String
  ) throws(StoreError) {
    guard tensor.shape == shape else {
      throw StoreError(
        .tensorShape, "contradicts the configuration", file: file,
        offset: tensor.extent.offset, tensor: tensor.name, expected: "\(shape)",
        found: "\(tensor.shape)")
    }
  }

  static func checkEncoding(
    of tensor: SourceTensor, isVector: Bool, file: String
  ) throws(StoreError) {
    switch tensor.encoding {
    case .plain: return
    case .blocks where !isVector: return
    case .blocks, .unknown:
      let blocks = isVector ? [] : GGUFType.allCases.filter(BlockDecoder.knows).dropFirst(2)
      throw StoreError(
        .unknownDataType, "has an element type that cannot be converted", file: file,
        offset: tensor.extent.offset, tensor: tensor.name,
        expected: (["F32", "F16", "BF16"] + blocks.map(\.name).filter { $0 != "BF16" })
          .joined(separator: ", "), found: tensor.encoding.name)
    }
  }

  /// A head beside a tied embedding is ignored where it says the same, and refused where it does
  /// not: transformers before version 5 ties, later ones do not.
  private mutating func takeTiedHead(
    source: any ModelSource, patterns: [Layout.TensorPattern], prefix: String,
    unused: inout Set<String>
  ) throws(StoreError) {
    guard let pattern = patterns.first(where: { $0.role == .outputHead && !$0.isBias }),
      let head = source.tensors[pattern.name(prefix: prefix, layer: nil)]
    else { return }
    let embedding = self.source(.tokenEmbedding, layer: nil)
    guard try source.areEqual(head, embedding) else {
      throw StoreError(
        .tiedHead,
        "differs from the token embedding although tie_word_embeddings ties them; "
          + "set it to false in config.json if the head is meant", file: source.path(of: head),
        offset: head.extent.offset, tensor: head.name, expected: embedding.name)
    }
    unused.remove(head.name)
    notes.append("\(head.name) is not stored: it equals the tied token embedding")
  }
}
