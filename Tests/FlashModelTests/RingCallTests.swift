import FlashIO
import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Testing

/// Ring calls are few: two for each queue depth's worth of a layer's reads, and one for each slice
/// of its deciding rows, after which reads begin. Arithmetic between them takes what has come and
/// gives what is waiting, at most two calls each time.
struct RingCallTests {
  @Test(
    .enabled(if: UringReadEngine.probe() == nil, "io_uring is forbidden here"),
    arguments: [4, 64], [1, 6])
  func twoRingCallsForEachQueueOfALayersReads(queueDepth: Int, slices: Int) throws {
    let converted = try ConvertedStore.sample(.f32)
    var options = DecoderOptions()
    options.contextLength = 128
    options.sparsity = .exact
    let bundle = converted.store.manifest.bundles[0]
    options.sliceByteCount = bundle.neuronCount * bundle.lastPartByteCount / slices
    options.storage.engine = .uring
    options.storage.queueDepth = queueDepth
    options.storage.mergeGapByteCount = -1
    options = try DecoderRuns.limited(options, converted.store, percent: 20)
    let decoder = try Decoder(store: converted.store, options: options)
    let layerCount = decoder.configuration.layers.count
    for token in 0..<40 as Range<Int32> {
      let before = decoder.statistics
      try unsafe decoder.forward([token * 31 + 5], logits: .last) { _, _ in }
      let used = decoder.statistics - before
      // Rounding a layer's reads up to whole queues adds at most one queue a layer; the row of the
      // embedding is a read of its own.
      let queues = used.reads.readCount / queueDepth + layerCount + 1
      #expect(used.reads.readCount > 0)
      #expect(
        used.reads.ringCallCount - used.reads.retryCount
          <= 2 * queues + 3 * slices * layerCount)
    }
  }
}
