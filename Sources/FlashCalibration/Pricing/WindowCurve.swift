/// How many of a token's neurons a window of the last k tokens does not hold, for k = 1...16.
struct WindowCurve: Equatable {
  static let windowCount = 16

  /// All neurons of the tokens that counted, by the distance to the last token that had them;
  /// windows all reach less far than the last.
  private var distances = [Int](repeating: 0, count: windowCount + 2)
  private(set) var tokenCount = 0
  /// For each neuron the last token of this chunk that had it; -1 for none.
  private var lastSeen: [Int]
  private var countsFrom = 0

  init(neuronCount: Int) { lastSeen = Array(repeating: -1, count: neuronCount) }

  /// Begins a chunk of so many tokens. Tokens that have fewer than 16 before them do not count,
  /// unless the chunk is too short for any to count: then all but the first do.
  mutating func beginChunk(tokenCount: Int) {
    countsFrom = tokenCount > Self.windowCount ? Self.windowCount : 1
    self.tokenCount += max(0, tokenCount - countsFrom)
    for neuron in lastSeen.indices { lastSeen[neuron] = -1 }
  }

  /// Notes a neuron of a token, which is named by its place in the chunk. A neuron's tokens ascend.
  @inline(__always)
  mutating func add(_ neuron: Int, token: Int) {
    let last = lastSeen[neuron]
    lastSeen[neuron] = token
    guard token >= countsFrom else { return }
    distances[last < 0 ? Self.windowCount + 1 : min(token - last, Self.windowCount + 1)] += 1
  }

  /// Adds what other neurons of the same layer did over the same tokens.
  mutating func add(_ other: WindowCurve) {
    for index in distances.indices { distances[index] += other.distances[index] }
    tokenCount = other.tokenCount
  }

  /// Neurons of all tokens that counted.
  var total: Int { distances.reduce(0, +) }

  /// Neurons that are new for each window: those further away than it reaches.
  var newCounts: [Int] {
    (1...Self.windowCount).map { distances[($0 + 1)...].reduce(0, +) }
  }

  /// For each window the part of a token's neurons that is new.
  var newFractions: [Double] { newCounts.map { Double($0) / Double(max(1, total)) } }

  /// For each window the new neurons of a token, mean over tokens.
  var newNeuronsPerToken: [Double] { newCounts.map { Double($0) / Double(max(1, tokenCount)) } }
}
