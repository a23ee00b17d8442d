internal import FlashIO
internal import FlashProfiler
internal import FoundationEssentials

/// `io trace --format json`: the tables' figures, times in nanoseconds, keys stable.
extension TraceReport {
  package var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    // Finite numbers, strings and booleans, which cannot fail to encode.
    guard let data = try? encoder.encode(Figures(self)) else {
      preconditionFailure("a report encodes")
    }
    return String(decoding: data, as: UTF8.self)
  }

  private struct Figures: Encodable {
    var trace: String
    var isCut: Bool
    var runs: Int
    var header: TraceHeader
    var prompt: Phase
    var decode: Phase
    var layers: [Layer]
    var outside: Layer
    var reads: Latency
    var failedReads: Int
    var slowestReads: [Slow]
    /// Counts of 0 to 1 µs, 2 to 3, 4 to 7, …
    var latencyPowers: [Int]
    var tokenNanoseconds: [Int]
    var totals: [TraceTotals]

    init(_ report: TraceReport) {
      let analysis = report.analysis
      trace = report.path
      isCut = analysis.isCut
      runs = analysis.runCount
      header = analysis.header
      prompt = Phase(analysis.prompt)
      decode = Phase(analysis.decode)
      layers = analysis.layers.map { Layer($0) }
      outside = Layer(analysis.outside)
      reads = Latency(analysis.latency)
      failedReads = analysis.failedReadCount
      slowestReads = analysis.slowest.map { Slow($0) }
      latencyPowers = analysis.scale.counts
      tokenNanoseconds = analysis.forwards.filter { !$0.forward.isPrompt }.map(\.duration)
      totals = analysis.totals
    }
  }

  private struct Phase: Encodable {
    var tokens: Int
    var chunks: Int
    var forwardNanoseconds: Int
    var arithmeticNanoseconds: Int
    var stallNanoseconds: Int
    var otherNanoseconds: Int
    var nanosecondsByKind: [String: Int]
    var flashBytes: Int
    var flashReads: Int
    var windowHits: Int
    var windowMisses: Int

    init(_ phase: PhaseSummary) {
      tokens = phase.tokens
      chunks = phase.chunks
      forwardNanoseconds = phase.duration
      arithmeticNanoseconds = phase.arithmetic
      stallNanoseconds = phase.stall
      otherNanoseconds = phase.other
      nanosecondsByKind = Dictionary(
        uniqueKeysWithValues: TraceSpan.Kind.allCases.map { ("\($0)", phase[$0]) })
      flashBytes = phase.byteCount
      flashReads = phase.readCount
      windowHits = phase.hits
      windowMisses = phase.misses
    }
  }

  private struct Latency: Encodable {
    var count: Int
    var p50: Int
    var p90: Int
    var p99: Int
    var p999: Int
    var max: Int

    init(_ histogram: LatencyHistogram) {
      count = histogram.count
      p50 = histogram.nanoseconds(atPercentile: 50)
      p90 = histogram.nanoseconds(atPercentile: 90)
      p99 = histogram.nanoseconds(atPercentile: 99)
      p999 = histogram.nanoseconds(atPercentile: 99.9)
      max = histogram.maximum
    }
  }

  private struct Layer: Encodable {
    var latency: Latency
    var flashBytes: Int
    var windowHits: Int
    var windowMisses: Int
    var neurons: Int
    var nanoseconds: Int
    var stallNanoseconds: Int
    var arithmeticNanoseconds: Int
    var busyNanoseconds: Int
    var readAmplification: Double?
    var overlap: Double?
    var guessesIssued: Int
    var guessesUsed: Int

    init(_ layer: LayerSummary) {
      latency = Latency(layer.latency)
      flashBytes = layer.byteCount
      windowHits = layer.hits
      windowMisses = layer.misses
      neurons = layer.neurons
      nanoseconds = layer.duration
      stallNanoseconds = layer.stall
      arithmeticNanoseconds = layer.arithmetic
      busyNanoseconds = layer.busy
      readAmplification = layer.readAmplification
      overlap = layer.overlap
      guessesIssued = layer.guessesIssued
      guessesUsed = layer.guessesUsed
    }
  }

  private struct Slow: Encodable {
    var nanoseconds: Int
    var layer: Int
    var purpose: String
    var file: Int
    var offset: Int
    var bytes: Int
    var chunk: Int?

    init(_ slow: TraceAnalysis.SlowRead) {
      nanoseconds = slow.read.duration
      layer = slow.read.label.layer
      purpose = "\(slow.read.label.purpose)"
      file = slow.read.fileIndex
      offset = slow.read.extent.offset
      bytes = slow.read.extent.byteCount
      chunk = slow.forward
    }
  }
}
