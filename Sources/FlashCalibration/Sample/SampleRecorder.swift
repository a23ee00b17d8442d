internal import FlashKernels
internal import FlashModel
internal import FlashWeights

/// Records what a decoder's feed-forward parts see and answer, and counts firings.
final class SampleRecorder: FeedForwardObserver {
  /// Of one layer, over all positions that passed.
  struct Counts {
    /// How often each neuron fired.
    var firings: [UInt32]
    /// Sums of pre-activations and of their squares.
    var sums: [Double]
    var squares: [Double]

    init(neuronCount: Int) {
      firings = Array(repeating: 0, count: neuronCount)
      sums = Array(repeating: 0, count: neuronCount)
      squares = sums
    }
  }

  private(set) var counts: [Counts]
  /// Positions that passed.
  private(set) var positionCount = 0
  /// The first write that failed; the recording is then of no use.
  private(set) var failure: StoreError?
  private let sample: ActivationSample
  private let threshold: Float
  private let stride: Int
  /// For each layer which of its states are recorded.
  private let inputs: [PredictorInput]
  private var isRecording = false
  /// Positions of this chunk that have passed each layer.
  private var passed: [Int]

  /// What is collected of one layer and a run of positions.
  private var layer: Int?
  private var kept: [Int] = []
  /// `[kept, width]`.
  private var states: [Float] = []
  private var masks: [UInt64] = []
  /// `[kept, neurons]`, zero where a neuron is silent.
  private var outputs: [Float] = []

  /// - Parameters:
  ///   - stride: every so manieth position is kept.
  ///   - inputs: for each layer the states that are recorded; nil: the normed ones.
  init(
    sample: ActivationSample, rule: FiringRule, stride: Int, inputs: [PredictorInput]? = nil
  ) {
    self.sample = sample
    self.inputs = inputs ?? sample.neuronCounts.map { _ in .feedForwardNorm }
    threshold = rule.threshold
    self.stride = stride
    counts = sample.neuronCounts.map(Counts.init(neuronCount:))
    passed = sample.neuronCounts.map { _ in 0 }
  }

  /// Begins a chunk of text of so many tokens.
  func beginChunk(tokenCount: Int, isRecorded: Bool) {
    finish()
    isRecording = isRecorded
    for layer in passed.indices { passed[layer] = 0 }
    if isRecorded, let counted = sample.neuronCounts.firstIndex(where: { $0 > 0 }) {
      sample.beginChunk(at: sample.positionCount(layer: counted))
    }
    chunkStart = positionCount
    positionCount += tokenCount
  }

  private var chunkStart = 0

  func observe(
    inputs: UnsafePointer<Float>, unnormed: UnsafePointer<Float>, tokenCount: Int, layer: Int
  ) {
    finish()
    let recorded = unsafe self.inputs[layer] == .feedForwardNorm ? inputs : unnormed
    self.layer = layer
    let first = chunkStart + passed[layer]
    let room = sample.capacity - sample.positionCount(layer: layer)
    kept =
      isRecording
      ? Array((0..<tokenCount).filter { (first + $0) % stride == 0 }.prefix(room)) : []
    states.removeAll(keepingCapacity: true)
    for token in kept {
      unsafe states.append(
        contentsOf: UnsafeBufferPointer(start: recorded + token * sample.width, count: sample.width)
      )
    }
    let neuronCount = sample.neuronCounts[layer]
    masks = Array(repeating: 0, count: kept.count * LayerSample.wordCount(neuronCount))
    outputs = Array(repeating: 0, count: kept.count * neuronCount)
    passed[layer] += tokenCount
  }

  func observe(
    preActivations: UnsafePointer<Float>, stride: Int, tokenCount: Int, first: Int, count: Int,
    layer: Int
  ) {
    let wordCount = LayerSample.wordCount(sample.neuronCounts[layer])
    for token in 0..<tokenCount {
      let values = unsafe UnsafeBufferPointer(
        start: preActivations + token * stride, count: count)
      unsafe counts[layer].add(values, first: first, threshold: threshold)
    }
    for (row, token) in kept.enumerated() {
      let values = unsafe preActivations + token * stride
      for index in 0..<count where unsafe values[index] > threshold {
        let neuron = first + index
        masks[row * wordCount + neuron / 64] |= 1 << UInt64(neuron % 64)
      }
    }
  }

  func observe(
    outputs: UnsafePointer<Float>, stride: Int, tokenCount: Int, first: Int,
    neurons: UnsafePointer<Int32>?, count: Int, layer: Int
  ) {
    let neuronCount = sample.neuronCounts[layer]
    for (row, token) in kept.enumerated() {
      let values = unsafe outputs + token * stride
      for place in 0..<count {
        let neuron = first + (unsafe neurons.map { unsafe Int($0[place]) } ?? place)
        self.outputs[row * neuronCount + neuron] = unsafe values[place]
      }
    }
  }

  /// Writes what is collected; called after the last chunk too, while the decoder is open.
  func finish() {
    defer {
      layer = nil
      kept = []
    }
    guard let layer, !kept.isEmpty, failure == nil else { return }
    let neuronCount = sample.neuronCounts[layer]
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
    do throws(StoreError) {
      try sample.append(layer: layer, states: states, masks: masks, outputs: fired)
    } catch {
      failure = error
    }
  }
}

extension SampleRecorder.Counts {
  mutating func add(_ values: UnsafeBufferPointer<Float>, first: Int, threshold: Float) {
    let span = values.indices
    unsafe firings.withUnsafeMutableBufferPointer { firings in
      for index in span { unsafe firings[first + index] += values[index] > threshold ? 1 : 0 }
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
