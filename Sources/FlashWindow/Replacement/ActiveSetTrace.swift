/// Which strides each token of a run used in each layer: what `ReplacementReplay` replays.
///
/// It takes four bytes for each stride used and a word for each layer and token.
package struct ActiveSetTrace: Sendable, Equatable {
  /// Strides that each layer has.
  package let strideCounts: [Int]
  package private(set) var tokenCount = 0
  /// For each layer the strides used, token after token, and where each token's end.
  private var strides: [[Int32]]
  private var ends: [[Int]]

  package init(strideCounts: [Int]) {
    self.strideCounts = strideCounts
    strides = strideCounts.map { _ in [] }
    ends = strideCounts.map { _ in [] }
  }

  /// Notes that the current token uses a stride; a layer's are noted in ascending order, and one
  /// that was noted last is not noted twice.
  package mutating func append(_ stride: StrideIndex, layer: LayerIndex) {
    let value = Int32(stride.value)
    let first = ends[layer.value].last ?? 0
    if let last = strides[layer.value][first...].last {
      if last == value { return }
      precondition(last < value, "a token's strides ascend")
    }
    precondition((0..<strideCounts[layer.value]).contains(stride.value), "the layer has the stride")
    strides[layer.value].append(value)
  }

  /// Ends the current token.
  package mutating func endToken() {
    for layer in ends.indices { ends[layer].append(strides[layer].count) }
    tokenCount += 1
  }

  /// The first tokens alone.
  package func prefix(_ tokenCount: Int) -> Self {
    guard tokenCount < self.tokenCount else { return self }
    var prefix = Self(strideCounts: strideCounts)
    prefix.tokenCount = tokenCount
    for layer in strides.indices {
      prefix.ends[layer] = Array(ends[layer].prefix(tokenCount))
      prefix.strides[layer] = Array(strides[layer].prefix(prefix.ends[layer].last ?? 0))
    }
    return prefix
  }

  /// The strides that a token used of a layer, ascending.
  package func strides(token: Int, layer: LayerIndex) -> ArraySlice<Int32> {
    let ends = ends[layer.value]
    return strides[layer.value][(token == 0 ? 0 : ends[token - 1])..<ends[token]]
  }

  /// Strides of a layer that all tokens used together.
  package func useCount(layer: LayerIndex) -> Int { strides[layer.value].count }
}
