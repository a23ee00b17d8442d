internal import FlashKernels
internal import FlashModel
internal import FlashWeights

/// Records what a decoder's feed-forward parts see and answer, and counts firings.
final class SampleRecorder: TextObserver {
  /// Of one layer, over all positions that passed.
  struct Counts {
    /// How often each neuron fired.
    var firings: [UInt32]
    /// Sums of pre-activations and of their squares.
    var sums: [Double]
    var squares: [Double]
    /// How many positions used each expert; where there are none, all neurons.
    var uses: [Int]

    init(_ bundle: BundleLayout) {
      firings = Array(repeating: 0, count: bundle.neuronCount)
      sums = Array(repeating: 0, count: bundle.neuronCount)
      squares = sums
      uses = bundle.neuronsByExpert.map { _ in 0 }
    }
  }

  private(set) var counts: [Counts]
  /// Positions that passed.
  private(set) var positionCount = 0
  /// The first write that failed; the recording is then of no use.
  private(set) var failure: StoreError?
  private let sample: ActivationSample
  /// Which pre-activations fire, for each layer.
  private let bounds: [FiringBounds]
  /// Sees what the recorder sees; nil: nobody does.
  private let meter: MagnitudeMeter?
  private let stride: Int
  /// For each layer which of its states are recorded.
  private let inputs: [PredictorInput]
  private var chunkStart = 0
  /// Positions of this chunk that have passed each layer.
  private var passed: [Int]
  /// For each token of the decoder's chunk its place among the layer's recorded ones.
  private var places: [Int?] = []

  /// What is collected of one expert, or of all neurons of a layer without, and a run of positions.
  private var current: (layer: Int, expert: Int)?
  /// Rows of what is observed that are kept, and their places.
  private var kept: [(row: Int, place: Int)] = []
  /// `[kept, wordCount]`.
  private var masks: [UInt64] = []
  /// `[kept, neurons]`, zero where a neuron is silent.
  private var outputs: [Float] = []

  /// - Parameters:
  ///   - bounds: which pre-activations fire, for each layer.
  ///   - stride: every so manieth position is kept.
  ///   - inputs: for each layer the states that are recorded; nil: the normed ones.
  init(
    sample: ActivationSample, bounds: [FiringBounds], stride: Int,
    inputs: [PredictorInput]? = nil, meter: MagnitudeMeter? = nil
  ) {
    self.sample = sample
    self.inputs = inputs ?? sample.bundles.map { _ in .feedForwardNorm }
    self.bounds = bounds
    self.meter = meter
    self.stride = stride
    counts = sample.bundles.map(Counts.init)
    passed = sample.bundles.map { _ in 0 }
  }

  func beginChunk(tokenCount: Int) {
    finish()
    for layer in passed.indices { passed[layer] = 0 }
    if let counted = sample.bundles.firstIndex(where: { $0.neuronCount > 0 }) {
      sample.beginChunk(at: sample.positionCount(layer: counted))
    }
    chunkStart = positionCount
    positionCount += tokenCount
  }

  func observe(
    inputs: UnsafePointer<Float>, unnormed: UnsafePointer<Float>, tokenCount: Int, layer: Int
  ) {
    finish()
    let recorded = unsafe self.inputs[layer] == .feedForwardNorm ? inputs : unnormed
    let first = chunkStart + passed[layer]
    var place = sample.positionCount(layer: layer)
    var states: [Float] = []
    places = Array(repeating: nil, count: tokenCount)
    for token in 0..<tokenCount
    where (first + token) % stride == 0 && place < sample.capacity {
      places[token] = place
      place += 1
      unsafe states.append(
        contentsOf: UnsafeBufferPointer(start: recorded + token * sample.width, count: sample.width)
      )
    }
    passed[layer] += tokenCount
    save { () throws(StoreError) in try sample.append(layer: layer, states: states) }
    guard sample.bundles[layer].expertCount == nil else { return }
    begin(layer: layer, expert: 0, rows: places)
  }

  func observe(expert: Int, tokens: UnsafeBufferPointer<Int32>, layer: Int) {
    finish()
    begin(layer: layer, expert: expert, rows: unsafe tokens.map { places[Int($0)] })
  }

  /// Begins to collect what an expert's neurons do; `rows` are the places of what is observed.
  private func begin(layer: Int, expert: Int, rows: [Int?]) {
    current = (layer, expert)
    counts[layer].uses[expert] += rows.count
    kept = rows.enumerated().compactMap { row, place in place.map { (row, $0) } }
    let neuronCount = sample.bundles[layer].neuronsPerExpert
    masks = Array(repeating: 0, count: kept.count * LayerSample.wordCount(neuronCount))
    outputs = Array(repeating: 0, count: kept.count * neuronCount)
  }

  func observe(
    preActivations: UnsafePointer<Float>, stride: Int, tokenCount: Int, first: Int, count: Int,
    layer: Int
  ) {
    unsafe meter?.observe(
      preActivations: preActivations, stride: stride, tokenCount: tokenCount, first: first,
      count: count, layer: layer)
    let bounds = bounds[layer]
    for token in 0..<tokenCount {
      let values = unsafe UnsafeBufferPointer(
        start: preActivations + token * stride, count: count)
      unsafe counts[layer].add(values, first: first, bounds)
    }
    let neuronCount = sample.bundles[layer].neuronsPerExpert
    let wordCount = LayerSample.wordCount(neuronCount)
    for (index, kept) in kept.enumerated() {
      let values = unsafe preActivations + kept.row * stride
      for place in 0..<count where unsafe bounds.fires(values[place]) {
        let neuron = (first + place) % neuronCount
        masks[index * wordCount + neuron / 64] |= 1 << UInt64(neuron % 64)
      }
    }
  }

  func observe(
    outputs: UnsafePointer<Float>, stride: Int, tokenCount: Int, first: Int,
    neurons: UnsafePointer<Int32>?, count: Int, layer: Int
  ) {
    unsafe meter?.observe(
      outputs: outputs, stride: stride, tokenCount: tokenCount, first: first, neurons: neurons,
      count: count, layer: layer)
    let neuronCount = sample.bundles[layer].neuronsPerExpert
    for (index, kept) in kept.enumerated() {
      let values = unsafe outputs + kept.row * stride
      for place in 0..<count {
        let neuron = first + (unsafe neurons.map { unsafe Int($0[place]) } ?? place)
        self.outputs[index * neuronCount + neuron % neuronCount] = unsafe values[place]
      }
    }
  }

  /// Writes what is collected; called after the last chunk too, while the decoder is open.
  func finish() {
    defer {
      current = nil
      kept = []
    }
    guard let (layer, expert) = current, !kept.isEmpty else { return }
    let neuronCount = sample.bundles[layer].neuronsPerExpert
    let wordCount = LayerSample.wordCount(neuronCount)
    var fired: [Float] = []
    for index in masks.indices {
      let (row, word) = index.quotientAndRemainder(dividingBy: wordCount)
      var bits = masks[index]
      while bits != 0 {
        fired.append(outputs[row * neuronCount + word * 64 + bits.trailingZeroBitCount])
        bits &= bits - 1
      }
    }
    save { () throws(StoreError) in
      try sample.append(
        layer: layer, expert: expert, places: kept.map { Int32($0.place) }, masks: masks,
        outputs: fired)
    }
  }

  /// Writes unless writing failed before.
  private func save(_ write: () throws(StoreError) -> Void) {
    guard failure == nil else { return }
    do { try write() } catch { failure = error }
  }
}

extension SampleRecorder.Counts {
  mutating func add(_ values: UnsafeBufferPointer<Float>, first: Int, _ bounds: FiringBounds) {
    let span = values.indices
    unsafe firings.withUnsafeMutableBufferPointer { firings in
      for index in span { unsafe firings[first + index] += bounds.fires(values[index]) ? 1 : 0 }
    }
    unsafe sums.withUnsafeMutableBufferPointer { sums in
      for index in span { unsafe sums[first + index] += Double(values[index]) }
    }
    unsafe squares.withUnsafeMutableBufferPointer { squares in
      for index in span {
        unsafe squares[first + index] += Double(values[index]) * Double(values[index])
      }
    }
  }

  /// The variance of a neuron's pre-activation over so many positions.
  func variance(_ neuron: Int, positionCount: Int) -> Double {
    let mean = sums[neuron] / Double(max(1, positionCount))
    return max(0, squares[neuron] / Double(max(1, positionCount)) - mean * mean)
  }
}
