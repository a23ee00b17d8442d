internal import FlashProfiler
internal import FoundationEssentials

/// What `io replay` found, as tables and as JSON.
extension ReplayReport {
  var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    guard let data = try? encoder.encode(self) else { preconditionFailure("a report encodes") }
    return String(decoding: data, as: UTF8.self)
  }

  var text: String {
    [recordedText, ceilingText, windowText, predictionText, remarkText].compactMap(\.self)
      .joined(separator: "\n\n")
  }

  private var recordedText: String? {
    guard let recorded else { return nil }
    let limit = recorded.limitBytes.map(Units.bytes) ?? "none"
    let hits = recorded.hitRate.map { " · hit \(Units.threeDigits($0 * 100))%" } ?? ""
    return """
      recorded  \(recorded.store), \(recorded.mode), \(recorded.feedForward), limit \(limit), \
      \(recorded.threads) thread\(recorded.threads == 1 ? "" : "s")
                \(recorded.tokens) tok at \(Units.threeDigits(recorded.tokensPerSecond)) tok/s · \
      arithmetic \(Units.threeDigits(recorded.arithmeticMs)) ms · \
      stall \(Units.threeDigits(recorded.stallMs)) ms a token
                flash \(Units.bytes(Int(recorded.flashBytes))) in \
      \(Int(recorded.flashReads.rounded())) reads a token\(hits)
      """
  }

  private var ceilingText: String? {
    guard let ceiling else { return nil }
    let rate = Units.threeDigits(ceiling.bytesPerSecond / 1e6)
    return """
      replayed  \(ceiling.reads) reads, \(Units.bytes(ceiling.bytes)) in \
      \(Units.threeDigits(ceiling.seconds)) s with \(ceiling.engine): \(rate) MB/s, \
      \(Int(Double(ceiling.reads) / max(ceiling.seconds, 1e-9))) reads/s
                \(Units.threeDigits(ceiling.tokensPerSecond)) tok/s if arithmetic took no time
      """
  }

  private var windowText: String? {
    guard let window else { return nil }
    let header = ["window"] + window.curves.map(\.name)
    let rows = (window.curves.first?.points ?? []).enumerated().map { index, point in
      let size = Units.bytes(point.byteCount)
      let isOwn = point.byteCount == window.slotsBytes
      return [size + (isOwn ? " *" : "")]
        + window.curves.map { Units.fixed($0.points[index].missRatio * 100, decimals: 1) + "%" }
    }
    let table = TextTable(
      rows: [header] + rows, alignment: Array(repeating: .trailing, count: header.count))
    let own = window.slotsBytes == nil ? "" : " (*: this run)"
    return """
      neurons missing, by size of the window and policy, over \(window.tokens) tokens\(own)
      \(table.text)
      a token's neurons take \(Units.bytes(window.tokenDemandBytes)): with less room a plain LRU \
      finds nothing
      """
  }

  private var predictionText: String? {
    guard !predictions.isEmpty else { return nil }
    let rows = predictions.map { prediction -> [String] in
      let share = Units.threeDigits(prediction.percent) + "%"
      let size = "\(Units.bytes(prediction.limitBytes)) (\(share))"
      guard let speed = prediction.tokensPerSecond, let bound = prediction.bound else {
        return [size, "-", prediction.residency.explanation, "", "", ""]
      }
      return [
        size, Units.threeDigits(speed), SpeedPrediction.Bound(rawValue: bound)?.title ?? bound,
        prediction.hitRate.map { Units.threeDigits($0 * 100) + "%" } ?? "-",
        Units.bytes(Int(prediction.flashBytes)),
        prediction.isRecorded ? "recorded limit" : prediction.isDense ? "dense" : "",
      ]
    }
    let titles = ["limit", "tok/s", "bound by", "hits", "flash/token", ""]
    return "predicted decode at other limits\n"
      + TextTable(
        rows: [titles] + rows,
        alignment: [.trailing, .trailing, .leading, .trailing, .trailing, .leading]
      ).text
  }

  private var remarkText: String? {
    remarks.isEmpty ? nil : remarks.joined(separator: "\n")
  }
}
