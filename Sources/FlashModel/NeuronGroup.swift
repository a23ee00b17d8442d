import FlashKernels
import FlashWeights
import FlashWindow

/// Neighbouring neurons of a layer: all of them, or those of an expert.
@safe struct NeuronRun: BitwiseCopyable {
  /// Counted in the layer.
  var first: Int
  var count: Int
  /// Where the values of the first neuron lie in a token's row of values; the others' follow.
  var column: Int
  /// Sums of the run's down columns in packed order, `[tokenCount, width]`.
  var accumulators: UnsafeMutablePointer<Float>

  var neurons: Range<Int> { first..<first + count }
  var columns: Range<Int> { column..<column + count }
  /// What a neuron is ahead of its column.
  var shift: Int { first - column }
}

/// Neurons that are computed together, and the prepared states of the tokens that they answer.
///
/// A layer without experts is one run. Of experts, those of a single token are a run each, their
/// values side by side in one row; with more tokens each expert is a group of its own, and its
/// tokens are those that chose it.
@safe struct NeuronGroup {
  let layer: Int
  /// `[runCount]`, ascending but where they are guessed, their columns one after another from 0 on.
  let runs: UnsafePointer<NeuronRun>
  let runCount: Int
  let tokenCount: Int
  /// Which tokens of the chunk those are; nil for its first ones.
  let tokens: UnsafePointer<Int32>?
  /// From one token's values to the next one's.
  let stride: Int
  /// Prepared states for deciding rows, and for up rows behind a gate,
  /// `[tokenCount, activationByteCount]`.
  let decidingInputs: UnsafeRawPointer
  let upInputs: UnsafeRawPointer
  /// Whether the tokens want nothing of the layer after it.
  let endsLayer: Bool

  /// - Parameters:
  ///   - scratch: `scratch.runs` has the runs; prepared states lie there side by side, those of
  ///     certain tokens in `scratch.experts`.
  init(
    _ scratch: DecoderScratch, layer: Int, runCount: Int, tokenCount: Int,
    tokens: UnsafePointer<Int32>? = nil, stride: Int, endsLayer: Bool = true
  ) {
    self.layer = layer
    unsafe runs = UnsafePointer(scratch.runs)
    self.runCount = runCount
    self.tokenCount = tokenCount
    unsafe self.tokens = unsafe tokens
    self.stride = stride
    let gate = unsafe tokens == nil ? scratch.activations : scratch.experts.gateInputs
    let up = unsafe tokens == nil ? scratch.upActivations : scratch.experts.upInputs
    unsafe decidingInputs = UnsafeRawPointer(gate)
    unsafe upInputs = UnsafeRawPointer(scratch.shape.hasMixedInputs ? up : gate)
    self.endsLayer = endsLayer
  }

  /// The same tokens with other runs.
  private init(
    _ group: NeuronGroup, layer: Int, runs: UnsafePointer<NeuronRun>, runCount: Int
  ) {
    self.layer = layer
    unsafe self.runs = unsafe runs
    self.runCount = runCount
    tokenCount = group.tokenCount
    unsafe tokens = unsafe group.tokens
    stride = group.stride
    unsafe decidingInputs = unsafe group.decidingInputs
    unsafe upInputs = unsafe group.upInputs
    endsLayer = group.endsLayer
  }

  /// Whether it is all that a single token wants of the layer.
  var isWholeToken: Bool { unsafe tokens == nil && tokenCount == 1 }

  /// Neurons of all runs, and columns.
  var neuronCount: Int { runCount == 0 ? 0 : unsafe runs[runCount - 1].columns.upperBound }

  /// The same tokens with runs of another layer.
  func with(
    layer: Int, runs: UnsafePointer<NeuronRun>, runCount: Int
  ) -> NeuronGroup {
    unsafe NeuronGroup(self, layer: layer, runs: runs, runCount: runCount)
  }

  /// What of the group lies among some of the layer's neurons, its values from column 0 on.
  ///
  /// - Parameter room: for as many runs as the group has.
  func clipped(to neurons: Range<Int>, into room: UnsafeMutablePointer<NeuronRun>) -> NeuronGroup {
    var count = 0
    var column = 0
    for index in 0..<runCount {
      var run = unsafe runs[index]
      let part = run.neurons.clamped(to: neurons)
      guard !part.isEmpty else { continue }
      run.first = part.lowerBound
      run.count = part.count
      run.column = column
      unsafe room[count] = run
      column += part.count
      count += 1
    }
    return unsafe NeuronGroup(self, layer: layer, runs: UnsafePointer(room), runCount: count)
  }

  /// The layer's neuron whose values are in a column.
  func neuron(at column: Int) -> Int {
    var index = 0
    while unsafe runs[index].columns.upperBound <= column { index += 1 }
    return unsafe column + runs[index].shift
  }

  /// The first neuron of the run that a neuron belongs to.
  ///
  /// - Precondition: it belongs to one.
  func firstNeuron(ofRunWith neuron: Int) -> Int {
    var index = runCount - 1
    while unsafe runs[index].first > neuron { index -= 1 }
    return unsafe runs[index].first
  }

  /// Calls `body` with each run that has some of the columns, and its part of them.
  func forEachRun(inColumns columns: Range<Int>, _ body: (NeuronRun, Range<Int>) -> Void) {
    for index in 0..<runCount {
      let part = unsafe runs[index].columns.clamped(to: columns)
      if !part.isEmpty { unsafe body(runs[index], part) }
    }
  }

  /// Calls `body` with each run that has neurons in some places of a set, and its part of them.
  func forEachRun(
    of active: ActiveSet, _ places: Range<Int>, _ body: (NeuronRun, Range<Int>) -> Void
  ) {
    var start = places.lowerBound
    for index in 0..<runCount where start < places.upperBound {
      let next = unsafe runs[index].neurons.upperBound
      let end = min(places.upperBound, active.firstPlace(atLeast: next, from: start))
      if start < end { unsafe body(runs[index], start..<end) }
      start = max(start, end)
    }
  }
}

extension BundleLayout {
  /// The formats of the rows that states are multiplied with: without a gate both are up's.
  var inputFormats: (gate: RowFormat, up: RowFormat) {
    (parts[parts.count - 1].format, parts[part(.up)].format)
  }
}

extension DecoderCore {
  /// Prepares the normed states as a layer's deciding rows and, where their format is another one,
  /// its up rows want them.
  func prepareInputs(_ bundles: BundleLayout, tokenCount: Int) {
    let (gate, up) = bundles.inputFormats
    unsafe prepareActivations(
      scratch.normed, width: configuration.width, tokenCount: tokenCount, format: gate)
    // The same where only other layers differ.
    guard scratch.shape.hasMixedInputs else { return }
    unsafe prepareActivations(
      scratch.normed, width: configuration.width, tokenCount: tokenCount, format: up,
      into: scratch.upActivations)
  }

  /// A value for each neuron of a layer; nil where there is none.
  func bias(_ tensor: Int?) -> UnsafePointer<Float>? {
    unsafe tensor.map {
      unsafe residency.address(ofTensor: $0).assumingMemoryBound(to: Float.self)
    }
  }
}
