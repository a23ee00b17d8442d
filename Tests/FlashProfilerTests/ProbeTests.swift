import FlashIO
import FlashTestSupport
import Foundation
import Glibc
import Testing

@testable import FlashProfiler

/// A probe of a few milliseconds on a file of 8 MiB, and what becomes of it.
struct ProbeTests {
  private static let plan = ProbePlan(
    sizes: [512, 4096, 16384, 4 << 20], depths: [1, 4], cellDuration: .milliseconds(5),
    methodSizes: [4096], methodDepths: [1, 4], burstDuration: .milliseconds(250),
    fileByteCount: 8 << 20)

  /// On the disk that holds the package; `/tmp` may be memory.
  private static let folder = ProjectFiles.root + "/.build"

  private static func measure(
    in folder: String = folder, direct: DirectMode = .auto, isCancelled: Bool = false
  ) throws -> ProbeResult {
    let target = try ProbeTarget(path: folder, byteCount: plan.fileByteCount, direct: direct)
    try target.prepare(isCancelled: { false }, progress: { _, _ in })
    var probe = try Probe(
      target: target, plan: plan, environment: ProbeEnvironment(path: folder),
      clock: "2026-11-21T14:20:00Z", isCancelled: { isCancelled }, progress: { _, _ in })
    return try probe.run()
  }

  private static let result = Result { try measure() }

  @Test func everyCellOfThePlanIsMeasured() throws {
    let result = try Self.result.get()
    let sizes = result.directUnit ?? 1 <= 512 ? [512, 4096, 16384] : [4096, 16384]
    #expect(result.sizes == sizes && result.depths == [1, 4])
    #expect(result.sweep.count == sizes.count * 2)
    #expect(result.sweep.allSatisfy { $0.readCount > 0 && $0.p(50) <= $0.p(99) })
    #expect(result.sequential.count == 4 && result.methods.count >= 4)
    #expect(result.isComplete && result.coldness != nil)
    #expect(result.remarks.contains { $0.hasPrefix("reads of") && $0.contains("4 MiB") })
    #expect(ProbeAdvice(result)?.mergeGap ?? 0 > 0)
    #expect(ProbeAdvice(result)?.sentences.count == 4)
  }

  @Test func theMadeFileHasNoName() throws {
    let folder = Self.folder + "/probe-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let target = try ProbeTarget(path: folder, byteCount: 4 << 20, direct: .auto)
    try target.prepare(isCancelled: { false }, progress: { _, _ in })
    #expect(try FolderListing.names(folder) == [])
    #expect(target.file.byteCount == 4 << 20)
    #expect(target.text == "a file of 4 MiB made in \(folder)")
  }

  @Test func aStoppedProbeIsIncompleteAndNotSaved() throws {
    let result = try Self.measure(isCancelled: true)
    #expect(!result.isComplete && result.sweep.isEmpty)
    #expect(result.saved == nil && ProbeAdvice(result) == nil)
    #expect(!result.page.html.isEmpty && !result.json.isEmpty)
  }

  @Test func memoryIsMeasuredAndCalledSo() throws {
    guard StorageFacts(path: "/dev/shm")?.isInMemory == true else { return }
    let result = try Self.measure(in: "/dev/shm")
    #expect(result.coldness?.reasons.first == .memoryFileSystem("tmpfs"))
    #expect(result.directUnit == nil && !result.sweep.isEmpty)
    #expect(result.remarks.contains { $0.contains("page cache") })
    #expect(result.saved == nil)
  }

  @Test func thePageCacheIsNotCold() throws {
    let result = try Self.measure(direct: .off)
    #expect(result.coldness?.reasons == [.pageCache])
  }

  @Test func wrongPathsAreRefusedWithASentence() throws {
    #expect(throws: ProbeError.missing(path: "/nowhere")) {
      try ProbeTarget(path: "/nowhere", byteCount: 1 << 20, direct: .auto)
    }
    #expect(throws: ProbeError.noFile(path: "/dev/null")) {
      try ProbeTarget(path: "/dev/null", byteCount: 1 << 20, direct: .auto)
    }
    let path = ProjectFiles.root + "/README.md"
    let error = #expect(throws: ProbeError.self) {
      try ProbeTarget(path: path, byteCount: 1 << 20, direct: .auto)
    }
    #expect(error?.description.contains("at least 4 MiB are needed") == true)
    #expect(throws: ProbeError.self) {
      try ProbeTarget(path: "/proc/self", byteCount: 8 << 20, direct: .auto)
    }
  }

  @Test func aFolderThatTakesNoFileIsMeasuredOnItsLargest() throws {
    let folder = try ProjectFiles.TemporaryFolder()
    let store = folder.path + "/models/a.flash"
    try FileManager.default.createDirectory(atPath: store, withIntermediateDirectories: true)
    for (name, count) in [("small", 5 << 20), ("large", 6 << 20)] {
      try Data(count: count).write(to: URL(filePath: "\(store)/\(name)"))
    }
    var status = stat()
    try #require(unsafe stat(store, &status) == 0)
    let found = FolderSearch.largestFile(in: folder.path, device: status.st_dev)
    #expect(found?.path == store + "/large" && found?.byteCount == 6 << 20)
    #expect(FolderSearch.largestFile(in: folder.path, device: status.st_dev + 1) == nil)
  }

  @Test func aSizeTooSmallIsRefusedBeforeAnythingIsMade() {
    #expect(throws: ProbeError.sizeTooSmall(byteCount: 4096)) {
      try ProbeTarget(path: Self.folder, byteCount: 4096, direct: .auto)
    }
  }

  @Test func cachesAreJudgedByTheWholeTimeOfARead() {
    // The kernel had it and was done at once; handing it over took 20 µs.
    let sample = ReadSample(completion: 0, latency: 50, submission: 20_000)
    let load = ReadLoad(
      method: .uring, places: .random(seed: 1), byteCount: 4096, depth: 1, duration: .zero)
    let result = ReadLoadResult(samples: [sample], byteCount: 4096, nanoseconds: 20_050)
    let cell = ProbeCell(load, result, processor: ProcessorUse())
    #expect(abs(cell.p(50) - 20_050) < 25 && cell.completion.nanoseconds(atPercentile: 50) == 50)
  }

  @Test func jsonHasItsKeys() throws {
    let result = try Self.result.get()
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(result.json.utf8)) as? [String: Any])
    for key in [
      "format_version", "measured_at", "is_complete", "target", "environment", "random_reads",
      "store_reads", "sequential_reads", "methods", "burst", "coldness", "advice", "remarks",
    ] {
      #expect(json[key] != nil, "\(key)")
    }
    let cells = try #require(json["random_reads"] as? [[String: Any]])
    #expect(cells.count == result.sweep.count)
    let latency = try #require(cells[0]["latency_ns"] as? [String: Any])
    #expect(Set(latency.keys) == ["mean", "p50", "p90", "p99", "p99.9", "max"])
  }

  @Test func csvHasALineForEachLoad() throws {
    let result = try Self.result.get()
    let lines = result.csv.split(separator: "\n").map { $0.split(separator: ",") }
    let loads = result.sweep + result.sequential + result.methods
    #expect(lines.count == 1 + loads.count)
    #expect(lines.allSatisfy { $0.count == 15 })
    #expect(lines[1][2] == "randread" && Int(lines[1][6]) == result.sweep[0].readCount)
  }

  @Test func histogramsAreInHdrHistogramsText() throws {
    let result = try Self.result.get()
    let text = result.histograms
    let loads = result.sweep + result.sequential + result.methods
    #expect(text.ranges(of: "#[Load = ").count == loads.count)
    #expect(text.ranges(of: "1/(1-Percentile)").count == loads.count)
    #expect(text.ranges(of: "#[Mean    =").count == loads.count)
    let total = text.split(separator: "\n").first { $0.contains("Total count") }
    #expect(total?.contains("\(result.sweep[0].readCount)]") == true)
  }

  @Test func thePageShowsEveryPicture() throws {
    let html = try Self.result.get().page.html
    for title in [
      "MB/s", "99th percentile, µs", "99th percentile by queue depth", "by percentile",
      "over time", "io_uring, pread and mmap", "Environment",
    ] {
      #expect(html.contains(title), "\(title)")
    }
    #expect(html.ranges(of: "<svg").count == 3)
    #expect(!html.contains("<script") && !html.contains("http"))
  }
}
