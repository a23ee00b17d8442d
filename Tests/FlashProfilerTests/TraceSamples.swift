import FlashIO
import FlashTestSupport
import Foundation

@testable import FlashProfiler

/// Small traces made by hand, and the folder they lie in.
enum TraceSamples {
  static let header = TraceHeader(
    generator: "flashrun test", startNanoseconds: 1_000,
    model: .init(
      store: "/a \"quoted\"\\store", name: "modèle", digest: "d", isSynthetic: true, headBytes: 7,
      keyValueBytesPerPosition: 4),
    run: .init(
      mode: "exact", instructionSet: "scalar", threads: 2, contextLength: 64, prefillChunk: 16,
      sliceBytes: 1 << 20),
    plan: .init(
      limitBytes: nil, items: [.init(name: "weights", bytes: 1, detail: "all")], modelBytes: 9,
      minimumBytes: 5, residentBytes: 10, feedForward: "windowed", slotBytes: 512, stagingSlots: 4,
      lookAheadSlots: 0, policy: "window", windowTokens: 5),
    reads: .init(
      engine: "pread", summary: "pread (depth 4)", queueDepth: 4, directUnit: nil,
      mergeGapBytes: -1, readAmplificationLimit: 2, overlapsArithmetic: true),
    layers: [
      .init(
        neurons: 96, neuronsPerStride: 1, strides: 96, strideBytes: 512, missBytes: 400, slots: 9,
        residentStrides: 0, denseBytes: 100, decidingBytes: 200, bytesPerNeuron: 40)
    ],
    files: [.init(path: "/a/dense", bytes: 3, device: "8:1", inode: 2)])

  static let totals = TraceTotals(
    prompt: phase(tokens: 3), decode: phase(tokens: 1), reason: "maximum_tokens")

  private static func phase(tokens: Int) -> TraceTotals.Phase {
    TraceTotals.Phase(
      tokens: tokens, nanoseconds: 9_000, forwardNanoseconds: 8_000, arithmeticNanoseconds: 5_000,
      stallNanoseconds: 2_000, lookAheadNanoseconds: 500, flashBytes: 1024, flashReads: 2,
      windowHits: 3, windowMisses: 4)
  }

  /// One chunk of one layer with everything that an event can be.
  static func events(index: Int) -> [TraceEvent] {
    let time = 1_000 + index * 100_000
    var layer = TraceLayer(layer: 0, time: time + 90_000)
    layer.hits = 3
    layer.misses = 4
    layer.neurons = 7
    layer.wantedByteCount = 1_600
    layer.askedByteCount = 2_048
    layer.guessesIssued = 2
    layer.guessesUsed = 1
    let spans = TraceSpan.Kind.allCases.enumerated().map { place, kind in
      TraceEvent.span(
        TraceSpan(
          kind: kind, layer: kind == .head ? -1 : 0, start: time + place * 1_000,
          end: time + place * 1_000 + 999))
    }
    let reads = ReadLabel.Purpose.allCases.enumerated().map { place, purpose in
      TraceEvent.read(
        TraceRead(
          number: index * 10 + place + 1, fileIndex: place % 2,
          extent: FileExtent(offset: place * 512, byteCount: 512),
          label: ReadLabel(layer: purpose == .row ? -1 : 0, purpose: purpose),
          start: time + place * 10, end: time + place * 10 + 123_456,
          isFailed: purpose == .guess))
    }
    return [
      .forwardBegan(
        TraceForward(
          index: index, position: index, tokenCount: index == 0 ? 3 : 1, isPrompt: index == 0,
          time: time)),
      .layerBegan(layer: 0, time: time + 1), .readsInFlight(count: index + 1, time: time + 2),
    ] + spans + reads + [
      .layerEnded(layer),
      .forwardEnded(time: time + 99_000, windowByteCount: 4_608, isWhole: true),
    ]
  }

  /// A path in a folder that goes with the process.
  static func path(_ name: String = #function) -> String {
    let folder =
      FileManager.default.temporaryDirectory.path
      + "/flashrun-trace-tests-\(ProcessInfo.processInfo.processIdentifier)"
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    atexit {
      let process = ProcessInfo.processInfo.processIdentifier
      try? FileManager.default.removeItem(
        atPath: FileManager.default.temporaryDirectory.path + "/flashrun-trace-tests-\(process)")
    }
    return "\(folder)/\(name.prefix { $0.isLetter }).trace.json"
  }

  /// Writes a header, `count` chunks with a set each, and the totals.
  @discardableResult
  static func write(_ path: String, count: Int = 2) throws -> TraceFile {
    let file = try TraceFile(path: path)
    file.begin(header)
    for index in 0..<count { append(events(index: index), to: file) }
    file.append(totals)
    file.close()
    return file
  }

  /// The events, and before the last of them the strides 0, 40 and 95.
  static func append(_ events: [TraceEvent], to file: TraceFile) {
    let text = Array("AnB2B".utf8)
    var events = events
    events.insert(
      .strides(TraceStrides(layer: 0, count: 3, text: 0..<text.count)), at: events.count - 1)
    unsafe events.withUnsafeBufferPointer { events in
      unsafe text.withUnsafeBufferPointer { unsafe file.write(events, text: $0) }
    }
  }

  static func items(_ path: String) throws -> (items: [TraceItem], isCut: Bool) {
    let reader = try TraceReader(path: path)
    var items: [TraceItem] = []
    while let item = try reader.next() { items.append(item) }
    return (items, reader.isCut)
  }
}
