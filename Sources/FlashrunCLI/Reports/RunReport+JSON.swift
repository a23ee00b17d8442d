internal import FoundationEssentials

/// `--stats json`: the footer as one JSON object on one line, keys stable and in snake case.
extension RunReport: Encodable {
  package var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    // Every value is a finite number, a string or a boolean, which cannot fail to encode.
    guard let data = try? encoder.encode(self) else { preconditionFailure("a report encodes") }
    return String(decoding: data, as: UTF8.self)
  }

  private enum Key: String, CodingKey {
    case engine, mode, certificate, isa, threads, context, seed, stopReason, synthetic
    case limitBytes, planBytes, loadSeconds, loadBytes, prompt, decode, generatedTokens
    case p50Ms, p95Ms, p99Ms, maxMs, bytesPerToken, hitRate, tokensPerSecond
    case writtenBytes, peakBytes, memory, majorFaults
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(engine, forKey: .engine)
    try values.encode(mode, forKey: .mode)
    try values.encodeIfPresent(certificate, forKey: .certificate)
    try values.encode(instructionSet, forKey: .isa)
    try values.encode(threads, forKey: .threads)
    try values.encode(contextLength, forKey: .context)
    try values.encode(seed, forKey: .seed)
    try values.encode(stopReason, forKey: .stopReason)
    try values.encode(isSynthetic, forKey: .synthetic)
    try values.encode(memoryLimit, forKey: .limitBytes)
    try values.encode(plannedBytes, forKey: .planBytes)
    try values.encode(loadSeconds, forKey: .loadSeconds)
    try values.encode(loadBytes, forKey: .loadBytes)
    try values.encode(prompt, forKey: .prompt)
    try values.encode(decode, forKey: .decode)
    try values.encode(generatedTokens, forKey: .generatedTokens)
    try values.encode(milliseconds(percentile: 50), forKey: .p50Ms)
    try values.encode(milliseconds(percentile: 95), forKey: .p95Ms)
    try values.encode(milliseconds(percentile: 99), forKey: .p99Ms)
    try values.encode(milliseconds(percentile: 100), forKey: .maxMs)
    try values.encode(decode.tokensPerSecond, forKey: .tokensPerSecond)
    try values.encode(
      shown.tokens > 0 ? shown.flashBytes / shown.tokens : nil, forKey: .bytesPerToken)
    try values.encode(shown.hitRate, forKey: .hitRate)
    try values.encode(writtenBytes, forKey: .writtenBytes)
    try values.encode(peakBytes, forKey: .peakBytes)
    try values.encode(
      Dictionary(uniqueKeysWithValues: memory.map { ($0.name + "_bytes", $0.byteCount) }),
      forKey: .memory)
    try values.encode(majorFaults, forKey: .majorFaults)
  }
}

extension RunReport.Phase: Encodable {
  private enum Key: String, CodingKey {
    case tokens, seconds, stallSeconds, arithmeticSeconds, flashBytes, flashReads, ringCalls
    case windowHits, windowMisses, overlap, readAmplification
    case lookAheadSeconds, lookAheadReads, lookAheadUsed, lookAheadWastedBytes
  }

  /// Keys are there also where a value is null.
  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(tokens, forKey: .tokens)
    try values.encode(seconds, forKey: .seconds)
    try values.encode(stallSeconds, forKey: .stallSeconds)
    try values.encode(arithmeticSeconds, forKey: .arithmeticSeconds)
    try values.encode(flashBytes, forKey: .flashBytes)
    try values.encode(flashReads, forKey: .flashReads)
    try values.encode(ringCalls, forKey: .ringCalls)
    try values.encode(windowHits, forKey: .windowHits)
    try values.encode(windowMisses, forKey: .windowMisses)
    try values.encode(overlap, forKey: .overlap)
    try values.encode(readAmplification, forKey: .readAmplification)
    try values.encode(lookAheadSeconds, forKey: .lookAheadSeconds)
    try values.encode(lookAheadReads, forKey: .lookAheadReads)
    try values.encode(lookAheadUsed, forKey: .lookAheadUsed)
    try values.encode(lookAheadWastedBytes, forKey: .lookAheadWastedBytes)
  }
}
