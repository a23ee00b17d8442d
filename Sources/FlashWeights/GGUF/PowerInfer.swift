/// How PowerInfer's files differ from others: down projections column by column, a ReLU, and
/// predictors (PowerInfer, convert.py and llama.cpp).
enum PowerInfer {
  /// The architectures whose sparse form PowerInfer computes: all of them with a ReLU.
  static let architectures = ["bamboo", "falcon", "llama", "opt"]

  /// The score from which on a neuron is computed, in files that do not name another.
  static let threshold: Float = 0
  static let thresholdKey = "powerinfer.sparse_threshold"

  /// `blk.N.fc1.weight` and `blk.N.fc2.weight`.
  static func isPredictor(_ name: String) -> Bool {
    name.hasPrefix("blk.") && (name.hasSuffix(".fc1.weight") || name.hasSuffix(".fc2.weight"))
  }

  /// z is the feed-forward input before its norm.
  static let predictors = Layout.PredictorNames(
    reduction: "blk.{layer}.fc1.weight", expansion: "blk.{layer}.fc2.weight",
    input: .feedForwardInput)

  /// The name of the tensor that `ffn_down_t` stands for; nil for other tensors.
  static func usualName(_ name: String) -> String? {
    for end in ["weight", "bias"] where name.hasSuffix(".ffn_down_t.\(end)") {
      return name.dropLast("ffn_down_t.\(end)".count) + "ffn_down.\(end)"
    }
    return nil
  }
}

extension SourcePredictors {
  /// Nil for a file without any. Throws `gguf` for a threshold that is no number.
  init?(_ model: GGUFModel) throws(StoreError) {
    var tensors: [String: SourceTensor] = [:]
    for (index, file) in model.files.enumerated() {
      for tensor in file.tensors where PowerInfer.isPredictor(tensor.name) {
        tensors[tensor.name] = SourceTensor(
          fileIndex: index, name: tensor.name, encoding: SourceEncoding(tensor.type),
          shape: tensor.shape, extent: tensor.extent)
      }
    }
    let metadata = model.metadata
    guard metadata.isPowerInfer, !tensors.isEmpty else { return nil }
    self.init(names: PowerInfer.predictors, tensors: tensors)
    guard let entry = metadata.entries[PowerInfer.thresholdKey] else { return }
    guard let number = GGUFEntry.number(entry.type, entry.bits), Float(number).isFinite else {
      throw StoreError(
        .gguf, "must be a number", file: metadata.path, key: PowerInfer.thresholdKey,
        expected: "a score from which on a neuron is computed")
    }
    threshold = Float(number)
  }
}
