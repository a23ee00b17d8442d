internal import FlashKernels

/// What must hold of any configuration, whether it comes from a checkpoint or from a manifest, so
/// that the arithmetic of shapes cannot overflow and the decoder's loops are not empty.
extension ModelConfiguration {
  /// Throws `configuration`, naming what is out of bounds.
  package func check(file: String) throws(StoreError) {
    func require(_ holds: Bool, _ problem: String, found: String) throws(StoreError) {
      guard holds else { throw StoreError(.configuration, problem, file: file, found: found) }
    }
    func require(_ name: String, _ value: Int, _ limit: Int) throws(StoreError) {
      guard value > 0, value <= limit else {
        throw StoreError(
          .configuration, "the \(name) is out of bounds", file: file, expected: "1 to \(limit)",
          found: "\(value)")
      }
    }
    try require("width", width, 1 << 20)
    try require("vocabulary", vocabularySize, 1 << 24)
    try require("head dimension", headDimension, 1 << 16)
    try require("number of layers", layers.count, 4096)
    try require("number of positions", maximumPositions, 1 << 31)
    for (index, layer) in layers.enumerated() {
      try require("number of query heads of layer \(index)", layer.queryHeads, 1 << 16)
      try require("number of key-value heads of layer \(index)", layer.keyValueHeads, 1 << 16)
      try require("feed-forward width of layer \(index)", layer.feedForwardWidth, 1 << 24)
      try require(
        "width of all heads of layer \(index)", layer.queryHeads * headDimension, 1 << 20)
      try require(
        layer.queryHeads % layer.keyValueHeads == 0,
        "the key-value heads of layer \(index) do not divide its query heads",
        found: "\(layer.keyValueHeads) and \(layer.queryHeads)")
    }
    try require(
      normalization.epsilon >= 0 && normalization.epsilon < 1,
      "the norm's epsilon is out of bounds",
      found: "\(normalization.epsilon)")
    let threshold = activationThreshold ?? 0
    try require(
      threshold >= 0 && threshold < 1e6 && (threshold == 0 || activation == .fatReLU),
      "the activation's threshold is out of bounds",
      found: "\(threshold) of \(activation.rawValue)")
    try require(activation != .dReLU || isGated, "dReLU needs a gate", found: "no gate")
    switch positions {
    case .learned(let offset):
      try require(offset >= 0, "the offset is negative", found: "\(offset)")
    case .rotary(let rotary):
      try require(
        rotary.dimension > 0 && rotary.dimension <= headDimension && rotary.dimension % 2 == 0,
        "RoPE must turn an even part of a head", found: "\(rotary.dimension)")
      try require(rotary.base > 0, "the base of RoPE must be positive", found: "\(rotary.base)")
      guard case .divisors(let divisors) = rotary.scaling else { return }
      try require(
        divisors.count == rotary.dimension / 2 && divisors.allSatisfy { $0.isFinite && $0 != 0 },
        "RoPE needs a divisor for each pair, finite and not zero", found: "\(divisors.count)")
    }
  }
}
