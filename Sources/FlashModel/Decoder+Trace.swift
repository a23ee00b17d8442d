package import FlashIO
import FlashKernels
import FlashWeights
package import FlashWindow

/// What a traced run tells of itself: chunks, layers and what they wanted. Without a recorder each
/// of these is a look at a nil.
extension Decoder {
  /// Is told what the decoder does from here on; nil records nothing. Never changes the answer.
  /// Set between forward passes, where no read is in flight.
  package var recorder: TraceRecorder? {
    get { core.recorder }
    set {
      core.residency.reset()
      core.recorder = newValue
      core.residency.recorder = newValue
    }
  }

  /// How flash is read.
  package var storage: StorageOptions { core.residency.options }

  /// The window's policy, with a length where it has one; nil where there is no window.
  package var windowPolicy: ReplacementPolicy? { core.residency.windowPolicy }

  /// The most reads that are outstanding at a time.
  package static var outstandingReads: Int { DecoderSettings.outstandingReads }

  /// Bytes of the KV cache for each position.
  package var keyValueByteCountPerPosition: Int {
    let heads = configuration.layers.reduce(0) { $0 + $1.keyValueHeads }
    let dimension = configuration.headDimension
    return heads * (keyFormat.byteCount(dimension) + valueFormat.byteCount(dimension))
  }

  /// Tells the recorder of everything that happened so far.
  package func flushTrace() {
    core.residency.collectReads()
    core.recorder?.flush()
  }

  /// What the window and the neurons came to before a layer; nil where nobody wants to know.
  func beginTrace(ofLayer layer: Int) -> (window: WindowStatistics, neurons: Int)? {
    guard let recorder = core.recorder else { return nil }
    recorder.begin(layer: layer)
    return (core.residency.windowStatistics, core.neuronCount)
  }

  func endTrace(ofLayer layer: Int, since before: (window: WindowStatistics, neurons: Int)?) {
    guard let recorder = core.recorder, let before else { return }
    let window = core.residency.windowStatistics
    var event = TraceLayer(layer: layer, time: MonotonicClock.nanoseconds)
    event.hits = window.hits - before.window.hits
    event.misses = window.misses - before.window.misses
    event.neurons = core.neuronCount - before.neurons
    event.wantedByteCount = window.wantedByteCount - before.window.wantedByteCount
    event.askedByteCount = window.readByteCount - before.window.readByteCount
    event.guessesIssued = window.lookAhead.issued - before.window.lookAhead.issued
    event.guessesUsed = window.lookAhead.used - before.window.lookAhead.used
    recorder.end(event)
  }

  func endTraceOfForward(isWhole: Bool) {
    guard let recorder = core.recorder else { return }
    core.residency.collectReads()
    recorder.endForward(
      windowByteCount: core.residency.filledWindowByteCount, isWhole: isWhole)
  }
}

extension SparseFeedForward {
  /// Notes the strides of neurons that are computed; a set of all neurons is not noted.
  func trace(_ active: ActiveSet, _ bundles: BundleLayout, layer: Int) {
    guard let recorder = core.recorder, let neurons = unsafe active.neurons else { return }
    unsafe recorder.record(
      neurons: UnsafeBufferPointer(start: neurons, count: active.count),
      perStride: bundles.neuronsPerStride, layer: layer)
  }
}
