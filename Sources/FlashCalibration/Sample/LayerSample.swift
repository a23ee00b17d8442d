/// What the neurons of one layer, or of one expert, saw and answered at the recorded positions:
/// those that used them.
struct LayerSample {
  /// States, `[positions, width]`.
  let inputs: FloatMatrix
  let neuronCount: Int
  /// A bit for each neuron that fires, `[positions, wordCount]`.
  let masks: [UInt64]
  /// Where each position's contributions begin, and where the last end.
  let starts: [Int]
  /// |output| times the norm of the down row, of the neurons that fire, ascending.
  let contributions: [Float]
  /// Places among the layer's positions at which a chunk of text begins.
  let chunkStarts: [Int]
  /// The place of each position among the layer's, ascending, and how many the layer has.
  let places: [Int]
  let placeCount: Int

  /// - Parameters:
  ///   - places: nil: the layer has no others.
  init(
    inputs: FloatMatrix, neuronCount: Int, masks: [UInt64], contributions: [Float],
    chunkStarts: [Int], places: [Int]? = nil, placeCount: Int? = nil
  ) {
    self.places = places ?? Array(0..<inputs.rowCount)
    self.placeCount = placeCount ?? inputs.rowCount
    precondition(self.places.count == inputs.rowCount, "each position has a place")
    let wordCount = Self.wordCount(neuronCount)
    precondition(masks.count == inputs.rowCount * wordCount, "each position has a mask")
    self.inputs = inputs
    self.neuronCount = neuronCount
    self.masks = masks
    self.contributions = contributions
    self.chunkStarts = chunkStarts
    var starts = [0]
    for position in 0..<inputs.rowCount {
      let words = masks[position * wordCount..<(position + 1) * wordCount]
      starts.append(starts[position] + words.reduce(0) { $0 + $1.nonzeroBitCount })
    }
    precondition(starts[inputs.rowCount] == contributions.count, "each firing has a contribution")
    self.starts = starts
  }

  static func wordCount(_ neuronCount: Int) -> Int { (neuronCount + 63) / 64 }

  var positionCount: Int { inputs.rowCount }

  /// A chunk of text: its places among the layer's positions, and the positions that are there.
  struct Chunk {
    var places: Range<Int>
    var positions: Range<Int>
  }

  var chunks: [Chunk] {
    let starts = chunkStarts.filter { $0 < placeCount }
    var next = 0
    return zip(starts, starts.dropFirst() + [placeCount]).map { start, end in
      let first = next
      while next < places.count, places[next] < end { next += 1 }
      return Chunk(places: start..<end, positions: first..<next)
    }
  }

  /// The (position, neuron) pairs that fire.
  func firingCount(_ positions: Range<Int>) -> Int {
    starts[positions.upperBound] - starts[positions.lowerBound]
  }

  /// The fraction of pairs that fire.
  func activity(_ positions: Range<Int>) -> Double {
    Double(firingCount(positions)) / Double(max(1, positions.count * neuronCount))
  }

  /// Calls `body` with each neuron that fires at a position, ascending, and its contribution.
  @inline(__always)
  func forEachFiring(at position: Int, _ body: (Int, Float) -> Void) {
    let wordCount = Self.wordCount(neuronCount)
    var place = starts[position]
    for word in 0..<wordCount {
      var bits = masks[position * wordCount + word]
      while bits != 0 {
        body(word * 64 + bits.trailingZeroBitCount, contributions[place])
        place += 1
        bits &= bits - 1
      }
    }
  }

  /// The mean state over some positions, `[width]`.
  func mean(_ positions: Range<Int>) -> [Float] {
    var sums = [Double](repeating: 0, count: inputs.columnCount)
    for position in positions {
      let row = unsafe inputs.row(position)
      for column in sums.indices { sums[column] += unsafe Double(row[column]) }
    }
    return sums.map { Float($0 / Double(max(1, positions.count))) }
  }

  /// States of some positions less `mean`, `[positions, width]`.
  func centered(_ positions: Range<Int>, mean: [Float]) -> FloatMatrix {
    let states = FloatMatrix(positions.count, inputs.columnCount)
    for (index, position) in positions.enumerated() {
      let (from, to) = unsafe (inputs.row(position), states.row(index))
      for column in mean.indices { unsafe to[column] = from[column] - mean[column] }
    }
    return states
  }
}
