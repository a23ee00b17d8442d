internal import FlashKernels

/// Throws what a configuration must not be.
private struct ConfigurationBounds {
  let file: String
  /// Behind the name of a number: what it is a number of.
  var owner = ""

  func require(_ holds: Bool, _ problem: String, found: String) throws(StoreError) {
    guard holds else { throw StoreError(.configuration, problem, file: file, found: found) }
  }

  func require(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws(StoreError) {
    guard range.contains(value) else {
      throw StoreError(
        .configuration, "the \(name)\(owner) is out of bounds", file: file,
        expected: "\(range.lowerBound) to \(range.upperBound)", found: "\(value)")
    }
  }
}

/// What must hold of any configuration, whether it comes from a checkpoint or from a manifest, so
/// that the arithmetic of shapes cannot overflow and the decoder's loops are not empty.
extension ModelConfiguration {
  /// Throws `configuration`, naming what is out of bounds.
  package func check(file: String) throws(StoreError) {
    let bounds = ConfigurationBounds(file: file)
    try bounds.require("width", width, 1...1 << 20)
    try bounds.require("vocabulary", vocabularySize, 1...1 << 24)
    try bounds.require("head dimension", headDimension, 1...1 << 16)
    try bounds.require("number of layers", layers.count, 1...4096)
    try bounds.require("number of positions", maximumPositions, 1...1 << 31)
    for (index, layer) in layers.enumerated() {
      try checkLayer(layer, index, file: file)
      try checkExperts(layer, index, file: file)
    }
    try bounds.require(
      normalization.epsilon >= 0 && normalization.epsilon < 1,
      "the norm's epsilon is out of bounds",
      found: "\(normalization.epsilon)")
    let threshold = activationThreshold ?? 0
    try bounds.require(
      threshold >= 0 && threshold < 1e6 && (threshold == 0 || activation == .fatReLU),
      "the activation's threshold is out of bounds",
      found: "\(threshold) of \(activation.rawValue)")
    try bounds.require(
      ![.dReLU, .clampedSwiGLU].contains(activation) || isGated,
      "\(activation.rawValue) needs a gate", found: "no gate")
    switch positions {
    case .learned(let offset):
      try bounds.require(offset >= 0, "the offset is negative", found: "\(offset)")
      try bounds.require(
        localRotary == nil && layers.allSatisfy { $0.rotary == nil },
        "learned positions and RoPE exclude each other", found: "both")
    case .rotary(let rotary): try checkRotary(rotary, file: file)
    }
    if let localRotary { try checkRotary(localRotary, file: file) }
    try checkFamilyParts(file: file)
  }

  private func checkLayer(
    _ layer: LayerConfiguration, _ index: Int, file: String
  ) throws(StoreError) {
    let bounds = ConfigurationBounds(file: file, owner: " of layer \(index)")
    try bounds.require("number of query heads", layer.queryHeads, 0...1 << 16)
    let least = min(layer.queryHeads, 1)
    try bounds.require("number of key-value heads", layer.keyValueHeads, least...least << 16)
    try bounds.require("feed-forward width", layer.feedForwardWidth, 0...1 << 24)
    try bounds.require("width of all heads", layer.queryHeads * headDimension, 0...1 << 20)
    try bounds.require("window", layer.window ?? 1, 1...1 << 31)
    try bounds.require(
      layer.queryHeads == 0 || layer.queryHeads % layer.keyValueHeads == 0,
      "the key-value heads of layer \(index) do not divide its query heads",
      found: "\(layer.keyValueHeads) and \(layer.queryHeads)")
    try bounds.require(
      layer.queryHeads == 0 || layer.hasLinearAttention != true,
      "layer \(index) has attention and a matrix in its place", found: "both")
    try bounds.require(
      layer.feedForwardWidth == 0 || layer.hasLinearFeedForward != true,
      "layer \(index) has neurons and a matrix in their place", found: "both")
    try bounds.require(
      layerOrder == .preNorm
        || layer.queryHeads > 0 && layer.feedForwardWidth + layer.shared > 0,
      "layer \(index) lacks a part, which the order \(layerOrder.rawValue) does not allow",
      found: "\(layer.queryHeads) query heads, \(layer.feedForwardWidth) neurons")
    try bounds.require(
      layer.rotary != .local || localRotary != nil, "layer \(index) has a RoPE that is not there",
      found: "local")
  }

  private func checkExperts(
    _ layer: LayerConfiguration, _ index: Int, file: String
  ) throws(StoreError) {
    let bounds = ConfigurationBounds(file: file, owner: " of layer \(index)")
    try bounds.require("shared expert's width", layer.shared, 0...1 << 24)
    try bounds.require("number of experts", layer.expertCount ?? 1, 1...1 << 16)
    try bounds.require(
      layer.feedForwardWidth % (layer.expertCount ?? 1) == 0
        && (layer.expertCount == nil || layer.feedForwardWidth > 0),
      "the experts of layer \(index) do not share its neurons evenly",
      found: "\(layer.expertCount ?? 1) experts, \(layer.feedForwardWidth) neurons")
    if let routing, let experts = layer.expertCount {
      try bounds.require("number of a token's experts", routing.activeCount, 1...experts)
    }
    try bounds.require(
      layer.expertCount == nil || routing != nil, "layer \(index) has experts and no routing",
      found: "none")
    try bounds.require(
      layer.shared == 0 || layer.hasLinearFeedForward != true,
      "layer \(index) has a shared expert and a matrix in its place", found: "both")
    try bounds.require(
      routing == nil || layer.expertCount != nil || layer.feedForwardWidth == 0,
      "layer \(index) has neurons that belong to no expert in a model with experts",
      found: "\(layer.feedForwardWidth)")
  }

  private func checkRotary(_ rotary: RotaryConfiguration, file: String) throws(StoreError) {
    let bounds = ConfigurationBounds(file: file)
    try bounds.require(
      rotary.dimension > 0 && rotary.dimension <= headDimension && rotary.dimension % 2 == 0,
      "RoPE must turn an even part of a head", found: "\(rotary.dimension)")
    try bounds.require(
      rotary.base > 0, "the base of RoPE must be positive", found: "\(rotary.base)")
    let divisors: [[Float]] =
      switch rotary.scaling {
      case .longRope(let short, let long, _, _): [short, long]
      case .divisors(let divisors): [divisors]
      default: []
      }
    for list in divisors {
      try bounds.require(
        list.count == rotary.dimension / 2 && list.allSatisfy { $0.isFinite && $0 != 0 },
        "RoPE needs a divisor for each pair, finite and not zero", found: "\(list.count)")
    }
  }

  private func checkFamilyParts(file: String) throws(StoreError) {
    let numbers: [(String, Double?)] = [
      ("the scale of embeddings", scales?.embedding),
      ("the scale of the residual", scales?.residual),
      ("the scale of attention", scales?.attention), ("the scale of logits", scales?.logits),
      ("the cap of attention", caps?.attention), ("the cap of logits", caps?.logits),
    ]
    for case (let name, let number?) in numbers {
      guard number > 0, number < 1e6 else {
        throw StoreError(
          .configuration, "\(name) is out of bounds", file: file, expected: "more than 0",
          found: "\(number)")
      }
    }
  }
}
