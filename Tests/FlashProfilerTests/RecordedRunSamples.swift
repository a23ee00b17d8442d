import FlashIO
import FlashTestSupport
import Foundation

@testable import FlashProfiler

/// A run of two layers, three of four strides of each wanted for every token, as a trace file.
enum RecordedRunSamples {
  /// Nanoseconds of a decoded token, and of it arithmetic, of that gate rows, and stall.
  static let token = 10_000_000
  static let arithmetic = 7_000_000
  static let gateUp = 3_000_000
  static let stall = 2_000_000
  static let fileByteCount = 64 << 10

  static func header(
    feedForward: String = "windowed", path: String = "/gone/bundles.bin", limit: Int? = 60_000
  ) -> TraceHeader {
    var header = TraceSamples.header
    header.plan = .init(
      limitBytes: limit, items: [], modelBytes: 100_000, minimumBytes: 20_000,
      residentBytes: 120_000, feedForward: feedForward, slotBytes: 4096, stagingSlots: 4,
      lookAheadSlots: 0, policy: feedForward == "windowed" ? "lru" : nil, windowTokens: nil)
    header.layers = [0, 1].map { _ in
      .init(
        neurons: 8, neuronsPerStride: 1, strides: 8, strideBytes: 4096, missBytes: 4096,
        slots: feedForward == "windowed" ? 4 : 0, residentStrides: 0, denseBytes: 100,
        decidingBytes: 200, bytesPerNeuron: 40)
    }
    header.files = [.init(path: path, bytes: fileByteCount, device: "8:1", inode: 2)]
    return header
  }

  /// Letters of `StrideGaps` for strides that lie less than 32 apart.
  private static func text(_ strides: [Int]) -> [UInt8] {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef".utf8)
    return zip(strides, [-1] + strides).map { letters[$0.0 - $0.1 - 1] }
  }

  /// Writes a prompt of four tokens and so many that were decoded.
  ///
  /// - Parameters:
  ///   - wanted: what token and layer use; nil notes no sets.
  ///   - reads: extents that a token reads for a layer, and what for.
  static func write(
    _ path: String, header: TraceHeader = header(), tokens: Int = 4,
    wanted: ((_ token: Int, _ layer: Int) -> [Int])? = { token, layer in
      [token % 4, 4, 5 + layer]
    },
    purpose: ReadLabel.Purpose = .demand
  ) throws {
    let file = try TraceFile(path: path)
    file.begin(header)
    var number = 0
    for index in 0...tokens {
      let start = header.startNanoseconds + index * token
      var events: [TraceEvent] = [
        .forwardBegan(
          TraceForward(
            index: index, position: index, tokenCount: index == 0 ? 4 : 1, isPrompt: index == 0,
            time: start))
      ]
      var letters: [UInt8] = []
      for layer in 0..<2 {
        let half = token / 2
        let begin = start + layer * half
        func span(_ kind: TraceSpan.Kind, _ from: Int, _ length: Int) -> TraceEvent {
          .span(
            TraceSpan(kind: kind, layer: layer, start: begin + from, end: begin + from + length))
        }
        events += [
          .layerBegan(layer: layer, time: begin), span(.gateUp, 0, gateUp / 2),
          span(.down, gateUp / 2, (arithmetic - gateUp) / 2),
          span(.stall, arithmetic / 2, stall / 2),
        ]
        if let wanted {
          let strides = text(wanted(index, layer))
          events.append(
            .strides(
              TraceStrides(
                layer: layer, count: strides.count,
                text: letters.count..<letters.count + strides.count)))
          letters += strides
        }
        for place in 0..<2 {
          number += 1
          events.append(
            .read(
              TraceRead(
                number: number, fileIndex: 0,
                extent: FileExtent(offset: 4096 * (2 * layer + place), byteCount: 4096),
                label: ReadLabel(layer: layer, purpose: purpose), start: begin + 10,
                end: begin + 20 + place)))
        }
        var ended = TraceLayer(layer: layer, time: begin + half - 1)
        (ended.hits, ended.misses) = wanted == nil ? (0, 0) : (1, 2)
        events.append(.layerEnded(ended))
      }
      events.append(.forwardEnded(time: start + token, windowByteCount: 0, isWhole: true))
      unsafe events.withUnsafeBufferPointer { events in
        unsafe letters.withUnsafeBufferPointer { unsafe file.write(events, text: $0) }
      }
    }
    file.close()
  }

  /// A path of its own for each call, since tests run side by side.
  static func path() -> String {
    let letters = "abcdefghijklmnopqrstuvwxyz"
    return TraceSamples.path(String((0..<16).map { _ in letters.randomElement()! }))
  }

  static func run(_ path: String) throws -> RecordedRun {
    try RecordedRun(TraceReader(path: path))
  }
}
