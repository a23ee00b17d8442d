internal import FlashIO

/// Which tensor of a checkpoint gives each tensor of the model; made from a layout, and complete:
/// every tensor of the model has one, every tensor of the checkpoint has a use or is known to have
/// none.
struct TensorMap: Sendable {
  private struct Key: Hashable {
    var role: TensorRole
    var isBias: Bool
    var layer: Int?
  }

  private var sources: [Key: CheckpointTensor] = [:]
  /// Roles with a bias, in every layer alike.
  let biases: Set<TensorRole>
  private(set) var notes: [String] = []

  /// Throws `missingTensor`, `unexpectedTensor`, `tensorShape` or `unknownDataType`, naming the
  /// tensor as the checkpoint spells it.
  init(
    checkpoint: Checkpoint, layout: Layout, configuration: ModelConfiguration
  ) throws(StoreError) {
    let patterns = layout.patterns(for: checkpoint.configuration)
    biases = layout.biases(for: checkpoint.configuration)
    let prefix = Self.prefix(checkpoint: checkpoint, layout: layout, patterns: patterns)
    var unused = Set(checkpoint.tensors.keys)
    for pattern in patterns where pattern.role != .outputHead || !configuration.hasTiedHead {
      let layers = pattern.isPerLayer ? configuration.layers.indices.map { $0 as Int? } : [nil]
      for layer in layers {
        let name = pattern.name(prefix: prefix, layer: layer)
        guard let tensor = checkpoint.tensors[name] else {
          throw StoreError(
            .missingTensor, "the checkpoint lacks this tensor", file: checkpoint.folder,
            tensor: name)
        }
        let weight = TensorShape(pattern.role, layer: layer, in: configuration)
        try Self.check(
          tensor, against: pattern.isBias ? weight.bias : weight, file: checkpoint.path(of: tensor))
        sources[Key(role: pattern.role, isBias: pattern.isBias, layer: layer)] = tensor
        unused.remove(name)
      }
    }
    for pattern in layout.ignoredTensors {
      for layer in configuration.layers.indices {
        let name = pattern.replacing("{prefix}", with: prefix)
          .replacing("{layer}", with: "\(layer)")
        unused.remove(name)
      }
    }
    if configuration.hasTiedHead {
      try takeTiedHead(
        checkpoint: checkpoint, patterns: patterns, prefix: prefix, unused: &unused)
    }
    if let name = unused.min(), let tensor = checkpoint.tensors[name] {
      throw StoreError(
        .unexpectedTensor,
        "the layout \(layout.name) gives no use for this tensor"
          + (unused.count > 1 ? " (nor for \(unused.count - 1) others)" : ""),
        file: checkpoint.path(of: tensor), offset: tensor.entry.extent.offset, tensor: name,
        found: unused.sorted().prefix(5).joined(separator: ", "))
    }
  }

  /// The source of a tensor of the model. Traps for one the layout does not name.
  func source(_ role: TensorRole, isBias: Bool = false, layer: Int?) -> CheckpointTensor {
    guard let source = sources[Key(role: role, isBias: isBias, layer: layer)] else {
      preconditionFailure("no source for \(role)")
    }
    return source
  }

  /// Bytes of the checkpoint that conversion reads.
  var byteCount: Int { sources.values.reduce(0) { $0 + $1.entry.extent.byteCount } }

  private static func prefix(
    checkpoint: Checkpoint, layout: Layout, patterns: [Layout.TensorPattern]
  ) -> String {
    let embedding = patterns.first { $0.role == .tokenEmbedding && !$0.isBias }
    return layout.prefixes.first { prefix in
      embedding.map { checkpoint.tensors[$0.name(prefix: prefix, layer: nil)] != nil } ?? false
    } ?? layout.prefixes[0]
  }

  private static func check(
    _ tensor: CheckpointTensor, against shape: TensorShape, file: String
  ) throws(StoreError) {
    let isVector = shape.isBias || shape.role.isNorm
    let expected = isVector ? [shape.width] : [shape.rows, shape.width]
    guard tensor.entry.shape == expected else {
      throw StoreError(
        .tensorShape, "contradicts the configuration", file: file,
        offset: tensor.entry.extent.offset, tensor: tensor.entry.name, expected: "\(expected)",
        found: "\(tensor.entry.shape)")
    }
    guard tensor.entry.type.sourceFormat != nil else {
      throw StoreError(
        .unknownDataType, "has an element type that cannot be converted", file: file,
        offset: tensor.entry.extent.offset, tensor: tensor.entry.name,
        expected: "F32, F16 or BF16", found: tensor.entry.type.rawValue)
    }
  }

  /// A head beside a tied embedding is ignored where it says the same, and refused where it does
  /// not: transformers before version 5 ties, later ones do not.
  private mutating func takeTiedHead(
    checkpoint: Checkpoint, patterns: [Layout.TensorPattern], prefix: String,
    unused: inout Set<String>
  ) throws(StoreError) {
    guard let pattern = patterns.first(where: { $0.role == .outputHead && !$0.isBias }),
      let head = checkpoint.tensors[pattern.name(prefix: prefix, layer: nil)]
    else { return }
    let embedding = source(.tokenEmbedding, layer: nil)
    guard try checkpoint.areEqual(head, embedding) else {
      throw StoreError(
        .tiedHead,
        "differs from the token embedding although tie_word_embeddings ties them; "
          + "set it to false in config.json if the head is meant", file: checkpoint.path(of: head),
        offset: head.entry.extent.offset, tensor: head.entry.name,
        expected: embedding.entry.name)
    }
    unused.remove(head.entry.name)
    notes.append("\(head.entry.name) is not stored: it equals the tied token embedding")
  }
}

extension Checkpoint {
  func path(of tensor: CheckpointTensor) -> String { files[tensor.fileIndex].path }

  /// Whether two tensors hold the same bytes of the same type and shape.
  func areEqual(_ a: CheckpointTensor, _ b: CheckpointTensor) throws(StoreError) -> Bool {
    guard a.entry.type == b.entry.type, a.entry.shape == b.entry.shape else { return false }
    let byteCount = a.entry.extent.byteCount
    for start in stride(from: 0, to: byteCount, by: 4 << 20) {
      let count = min(4 << 20, byteCount - start)
      let x = try files[a.fileIndex].file.bytes(at: a.entry.extent.offset + start, byteCount: count)
      let y = try files[b.fileIndex].file.bytes(at: b.entry.extent.offset + start, byteCount: count)
      if x != y { return false }
    }
    return true
  }
}
