import FlashTestSupport
import Foundation
import Testing

/// `bench` on the bundled sample and a tiny model, run as a process.
@Suite(.enabled(if: isOptimizedBuild, "needs an optimized build"))
struct BenchTests {
  /// A tiny ReLU model with a gate.
  static let sparse = Result { try converted("llama-relu") }
  /// A tiny model of which every neuron is computed.
  static let dense = Result { try converted("llama") }

  private struct ConversionFailed: Error { var outcome: Tool.Outcome }

  private static func converted(_ family: String) throws -> String {
    let target = "\(Tool.folder)/bench-\(family).flash"
    let outcome = try Tool.run([
      "convert", ProjectFiles.fixtures + "/families/" + family, target, "--type", "f32",
    ])
    guard outcome.status == 0 else { throw ConversionFailed(outcome: outcome) }
    return target
  }

  private func objects(_ outcome: Tool.Outcome) throws -> [[String: Any]] {
    try #require(
      JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]],
      "\(outcome.error)")
  }

  @Test func promptAndGenerationAreEntriesWithLlamaBenchsKeys() throws {
    let outcome = try Tool.run([
      "bench", "-m", Tool.store.get(), "-p", "32", "-n", "6", "-pg", "16,3", "-r", "3", "-o",
      "json",
    ])
    #expect(outcome.status == 0, "\(outcome.error)")
    let entries = try objects(outcome)
    #expect(entries.map { $0["n_prompt"] as? Int } == [32, 0, 16])
    #expect(entries.map { $0["n_gen"] as? Int } == [0, 6, 3])
    for entry in entries {
      for key in [
        "build_commit", "cpu_info", "gpu_info", "backends", "model_filename", "model_type",
        "model_size", "model_n_params", "n_batch", "n_ubatch", "n_threads", "type_k", "type_v",
        "n_depth", "test_time", "avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "mem_limit",
        "peak_rss", "io_backend", "bytes_read", "bytes_per_token", "cache_hit", "stall_ns",
        "p50_ns", "p95_ns", "p99_ns", "majflt", "cache_state", "mode", "isa", "median_ts",
      ] { #expect(entry[key] != nil, "\(key)") }
      let times = try #require(entry["samples_ns"] as? [Double])
      #expect(times.count == 3 && times.allSatisfy { $0 > 0 })
      #expect((entry["samples_ts"] as? [Double])?.count == 3)
      #expect(entry["cache_state"] as? String == "rotating")
      #expect((entry["p50_ns"] is NSNull) == (entry["n_gen"] as? Int == 0))
    }
  }

  @Test func everyCombinationOfListsIsMeasuredUnderItsOwnLimit() throws {
    let outcome = try Tool.run([
      "bench", "-m", Tool.store.get(), "-p", "0", "-n", "2,3", "-r", "1", "-t", "1,2",
      "--mem-limit", "1G,75M", "--no-warmup", "-o", "jsonl",
    ])
    #expect(outcome.status == 0, "\(outcome.error)")
    let entries = try outcome.output.split(separator: "\n").map {
      try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    #expect(entries.map { $0["n_threads"] as? Int } == [1, 1, 2, 2, 1, 1, 2, 2])
    #expect(entries.map { $0["n_gen"] as? Int } == [2, 3, 2, 3, 2, 3, 2, 3])
    for (index, entry) in entries.enumerated() {
      let limit = try #require(entry["mem_limit"] as? Int)
      #expect(limit == (index < 4 ? 1 << 30 : 75 << 20))
      // The larger limit came first, and its peak does not show in the smaller one's.
      #expect(try #require(entry["peak_rss"] as? Int) <= limit)
      let bytes = try #require(entry["bytes_read"] as? Int)
      #expect((bytes > 0) == (index >= 4))
    }
  }

  @Test func csvHasAsManyCellsAsTitles() throws {
    let outcome = try Tool.run([
      "bench", "-m", Tool.store.get(), "-p", "8", "-n", "2", "-r", "2", "-o", "csv", "--prompts",
      "all",
    ])
    #expect(outcome.status == 0, "\(outcome.error)")
    let lines = outcome.output.split(separator: "\n")
    let titles = lines[0].split(separator: ",").map(String.init)
    #expect(lines.count == 7)
    let state = try #require(titles.firstIndex(of: "cache_state"))
    let states = lines.dropFirst().map { line in
      let cells = line.dropFirst().dropLast().components(separatedBy: "\",\"")
      #expect(cells.count == titles.count)
      return cells[state]
    }
    #expect(states == ["cold", "cold", "warm", "warm", "rotating", "rotating"])
  }

  @Test func theTableNamesItsTests() throws {
    let outcome = try Tool.run([
      "bench", Tool.store.get(), "-p", "8", "-n", "2", "-r", "2", "--mem-limit", "300%",
      "--roofline",
    ])
    #expect(outcome.status == 0, "\(outcome.error)")
    let lines = outcome.output.split(separator: "\n")
    let titles = lines[0].split(separator: "|").map { $0.drop { $0 == " " } }
    for title in ["model", "size", "params", "backend", "threads", "test", "t/s", "of bound"] {
      #expect(titles.contains { $0.hasPrefix(title) }, "\(title)")
    }
    #expect(lines[2].contains("| 300% (") && lines[2].contains("pp8 |"))
    #expect(lines[3].contains("tg2 |"))
    #expect(outcome.output.contains("flash at "))
    #expect(outcome.output.contains("build: flashrun "))
    // The limit is far below four times any last-level cache.
    #expect(outcome.output.contains("DRAM's rate is not measured"))
  }

  /// Half of the experts of a mixture's layers, and not the gates of the others.
  @Test(.enabled(if: ProjectFiles.shared("vectors/families/mixtral") != nil))
  func aMixtureIsComparedWithTheBytesOfItsChosenExperts() throws {
    let source = try #require(ProjectFiles.shared("vectors/families/mixtral"))
    let target = "\(Tool.folder)/bench-mixtral.flash"
    let conversion = try Tool.run(["convert", source, target, "--type", "f32"])
    #expect(conversion.status == 0, "\(conversion.error)")
    let outcome = try Tool.run([
      "bench", "-m", target, "-p", "0", "-n", "4", "-r", "1", "--roofline", "-o", "json",
    ])
    #expect(outcome.status == 0, "\(outcome.error)")
    let touched = try #require(objects(outcome).first?["dram_bytes_per_token"] as? Int)
    func byteCount(_ name: String) throws -> Int {
      let attributes = try FileManager.default.attributesOfItem(atPath: "\(target)/\(name)")
      return try #require(attributes[.size] as? Int)
    }
    let experts = try byteCount("bundles.bin") / 2
    #expect(touched > experts)
    #expect(touched < experts + (try byteCount("dense.safetensors")) + (16 << 10))
  }

  @Test func aLimitThatDoesNotFitIsNamedBeforeAnythingIsMeasured() throws {
    let outcome = try Tool.run([
      "bench", "-m", Tool.store.get(), "-n", "2", "--mem-limit", "1G,3%", "-o", "json",
    ])
    #expect(outcome.status == 3)
    #expect(outcome.error.contains("--mem-limit 3%: the model does not fit"))
    #expect(outcome.output.isEmpty)
  }

  @Test func aContextThatIsTooShortIsSaid() throws {
    let outcome = try Tool.run(["bench", "-m", Tool.store.get(), "-p", "64", "-c", "16"])
    #expect(outcome.status == 64)
    #expect(outcome.error.contains("-c 16: the tests need a context of"))
  }

  @Test func anInterruptKeepsWhatWasMeasured() throws {
    let outcome = try Tool.run([
      "bench", "-m", Tool.store.get(), "-p", "2", "-n", "100000", "-r", "3", "-o", "json",
      "-c", "100100",
    ]) { kill($0, SIGINT) }
    #expect(outcome.status == 130)
    let entries = try objects(outcome)
    #expect(entries.map { $0["n_prompt"] as? Int } == [2])
  }

  private let rows = ["naive", "hybrid", "sparsity", "window", "bundling", "overlap"]

  @Test func theAblationAddsOneMethodARow() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let outcome = try Tool.run([
      "bench", "--ablation", "-m", Self.sparse.get(), "-p", "8", "-n", "6", "-r", "2",
      "--mem-limit", "64M", "--ablation-dir", folder.path, "-o", "json",
    ])
    // A row that chose other tokens would have failed.
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.error.contains("of disk needed in \(folder.path)"))
    let entries = try objects(outcome)
    #expect(entries.map { $0["step"] as? String } == rows)
    for (index, name) in rows.dropFirst().enumerated() {
      let flags = entries.map { $0[name] as? Bool }
      #expect(flags == rows.indices.map { $0 > index }, "\(name)")
    }
    let bytes = entries.compactMap { $0["bytes_per_token"] as? Int }
    #expect(bytes.count == 6 && bytes[0] > bytes[1] && bytes[1] > bytes[3])
    #expect(entries.allSatisfy { ($0["samples_ms"] as? [Double])?.count == 2 })
    #expect(try FolderListing.names(folder.path).isEmpty)
  }

  @Test func aModelWithoutSilentNeuronsHasThreeRows() throws {
    let outcome = try Tool.run([
      "bench", "--ablation", "-m", Self.dense.get(), "-p", "8", "-n", "4", "--mem-limit", "64M",
    ])
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(outcome.error.contains("no neuron of this model is ever silent (silu)"))
    let names = outcome.output.split(separator: "\n").dropFirst(2).prefix(3).map {
      $0.split(separator: " ")[1]
    }
    #expect(names == ["naive", "hybrid", "+overlap"])
    #expect(outcome.output.contains("all rows chose the same tokens"))
  }

  /// The sample, calibrated on text that it wrote.
  static let calibrated = Result {
    let path = "\(Tool.folder)/bench-calibrated.flash"
    try FileManager.default.copyItem(atPath: Tool.store.get(), toPath: path)
    let outcome = try Tool.run(["calibrate", path, "--self-text", "128"])
    guard outcome.status == 0 else { throw ConversionFailed(outcome: outcome) }
    return path
  }

  @Test func modesAndPoliciesStandSideBySide() throws {
    let arguments = ["bench", "--compare-modes", "-m", try Self.calibrated.get()]
    let outcome = try Tool.run(
      arguments + ["-p", "8", "-n", "6", "-r", "2", "--mem-limit", "76M", "-o", "json"])
    #expect(outcome.status == 0, "\(outcome.error)")
    let entries = try objects(outcome)
    let policies: [String?] = ["window", "lru", "lfu", "lfru"]
    #expect(
      entries.map { $0["mode"] as? String }
        == ["dense"] + policies.map { _ in "exact" } + policies.map { _ in "predicted" })
    #expect(entries.map { $0["cache_policy"] as? String } == [nil] + policies + policies)
    for (index, entry) in entries.enumerated() {
      #expect(entry["lossless"] as? Bool == (index < 5))
      #expect(entry["perplexity"] is Double && entry["reads_per_token"] is Double)
      #expect((entry["cache_hit"] is NSNull) == (index == 0))
      #expect((entry["samples_ts"] as? [Double])?.count == 2)
    }
    // With room for everything nothing is dropped, so policies make no difference.
    let whole = try Tool.run(arguments + ["-p", "8", "-n", "4", "--mem-limit", "1G"])
    #expect(whole.status == 0, "\(whole.error)")
    let lines = whole.output.split(separator: "\n")
    #expect(lines.filter { $0.hasPrefix("|") }.count == 2 + 3)
    #expect(whole.output.contains("from the certificate") && !whole.output.contains("lfru"))
  }

  @Test func modesThatCannotBeComparedAreSaid() throws {
    let plain = try Tool.run([
      "bench", "--compare-modes", "-m", Tool.store.get(), "-p", "4", "-n", "2", "--mem-limit",
      "76M", "-o", "jsonl",
    ])
    #expect(plain.status == 0, "\(plain.error)")
    #expect(plain.error.contains("predicted is left out"))
    #expect(plain.output.split(separator: "\n").count == 5)
    let smooth = try Tool.run([
      "bench", "--compare-modes", "-m", Self.dense.get(), "-p", "4", "-n", "2", "--mem-limit",
      "64M", "-o", "jsonl",
    ])
    #expect(smooth.error.contains("dense is its only mode"))
    #expect(smooth.output.split(separator: "\n").count == 1)
    let both = try Tool.run(["bench", "--compare-modes", "--ablation", "-m", Tool.store.get()])
    #expect(both.status == 64)
  }

  @Test func predictorsTakeTheirPlaceInTheAblation() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let outcome = try Tool.run([
      "bench", "--ablation", "--sparsity", "predicted", "-m", Self.calibrated.get(), "-p", "8",
      "-n", "6", "--mem-limit", "64M", "--ablation-dir", folder.path, "-o", "json",
    ])
    #expect(outcome.status == 0, "\(outcome.error)")
    let entries = try objects(outcome)
    #expect(entries.map { $0["step"] as? String } == rows)
    for (index, entry) in entries.enumerated() {
      #expect(entry["mode"] as? String == (index < 2 ? "dense" : "predicted"))
      #expect(entry["predictor_ms"] is Double == (index >= 2))
    }
  }

  @Test(arguments: [SIGINT, SIGTERM, SIGKILL])
  func aSignalLeavesNoFileOfTheAblation(signal: Int32) throws {
    let folder = try ProjectFiles.TemporaryFolder()
    // Standard output has the first row by the time of the signal; the files were made before.
    let outcome = try Tool.run([
      "bench", "--ablation", "-m", Self.sparse.get(), "-p", "8", "-n", "2000", "-r", "1",
      "-c", "100000", "--mem-limit", "400M", "--ablation-dir", folder.path, "-o", "jsonl",
    ]) { kill($0, signal) }
    #expect(outcome.status == 128 + signal, "\(outcome.error)")
    #expect(try FolderListing.names(folder.path).isEmpty)
  }

  @Test func aFolderThatTakesNoFilesIsNamed() throws {
    let outcome = try Tool.run([
      "bench", "--ablation", "-m", Self.sparse.get(), "--mem-limit", "64M", "--ablation-dir",
      "/nowhere",
    ])
    #expect(outcome.status == 66)
    #expect(outcome.error.contains("/nowhere"))
  }
}
