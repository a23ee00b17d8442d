import FlashIO
import Foundation
import Testing

@testable import FlashProfiler

struct FioReportTests {
  private static func cell(_ byteCount: Int, _ depth: Int, isRandom: Bool = true) -> ProbeCell {
    let load = ReadLoad(
      method: .uring, places: isRandom ? .random(seed: 1) : .sequential(from: 0),
      byteCount: byteCount, depth: depth, duration: .seconds(1))
    let samples = (1...1000).map {
      ReadSample(completion: $0 * 1_000_000, latency: $0 * 1000, submission: 500)
    }
    return ProbeCell(
      load,
      ReadLoadResult(samples: samples, byteCount: byteCount, nanoseconds: 1_000_000_000),
      processor: ProcessorUse())
  }

  private static let result: ProbeResult = {
    var result = ProbeResult(
      environment: ProbeEnvironment(path: "/"), targetText: "/models/a: b/bundles.bin, 1 GiB",
      path: "/models/a: b", fileName: "/models/a: b/bundles.bin", kind: .store,
      fileByteCount: 1 << 30, directUnit: 512, memoryAlignment: 4,
      measuredAt: "2026-11-21T14:20:00Z", remarks: [])
    result.sweep = [4096, 16384, 131_072, 1 << 20].flatMap { size in
      [1, 4, 8, 32].map { cell(size, $0) }
    }
    result.store = [cell(4608, 32)]
    result.sequential = [cell(1 << 20, 8, isRandom: false)]
    return result
  }()

  /// What fio 3.33 writes for `--output-format=json+`, apart from the batches of submission and
  /// completion.
  private static let jobKeys: Set<String> = [
    "jobname", "groupid", "error", "eta", "elapsed", "job options", "read", "write", "trim",
    "sync", "job_runtime", "usr_cpu", "sys_cpu", "ctx", "majf", "minf", "iodepth_level",
    "latency_ns", "latency_us", "latency_ms", "latency_depth", "latency_target",
    "latency_percentile", "latency_window",
  ]
  private static let readKeys: Set<String> = [
    "io_bytes", "io_kbytes", "bw_bytes", "bw", "iops", "runtime", "total_ios", "short_ios",
    "drop_ios", "slat_ns", "clat_ns", "lat_ns", "bw_min", "bw_max", "bw_agg", "bw_mean", "bw_dev",
    "bw_samples", "iops_min", "iops_max", "iops_mean", "iops_stddev", "iops_samples",
  ]

  private func jobs() throws -> [[String: Any]] {
    let text = FioReport(Self.result, version: "flashrun", timestamp: 1_795_000_000).text
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(
      Set(json.keys) == [
        "fio version", "timestamp", "timestamp_ms", "time", "global options", "jobs", "disk_util",
      ])
    return try #require(json["jobs"] as? [[String: Any]])
  }

  @Test func jobsHaveFiosKeys() throws {
    let jobs = try jobs()
    #expect(jobs.count == 18)
    for job in jobs {
      #expect(Set(job.keys) == Self.jobKeys)
      for direction in ["read", "write", "trim"] {
        let statistics = try #require(job[direction] as? [String: Any])
        #expect(Set(statistics.keys) == Self.readKeys)
      }
    }
    let options = try #require(jobs[3]["job options"] as? [String: String])
    #expect(
      options == ["rw": "randread", "bs": "4k", "iodepth": "32", "ioengine": "io_uring"])
    #expect(jobs[16]["jobname"] as? String == "randread-4608-depth32")
    #expect(jobs[17]["jobname"] as? String == "read-1m-depth8")
  }

  @Test func ratesPercentilesAndBinsAreThoseOfTheReads() throws {
    let read = try #require(try jobs()[0]["read"] as? [String: Any])
    #expect(read["total_ios"] as? Int == 1000)
    #expect(read["iops"] as? Double == 1000)
    #expect(read["bw_bytes"] as? Int == 4_096_000)
    let latency = try #require(read["clat_ns"] as? [String: Any])
    let percentiles = try #require(latency["percentile"] as? [String: Int])
    #expect(percentiles.count == 17)
    #expect(abs(try #require(percentiles["50.000000"]) - 500_000) < 1000)
    #expect(abs(try #require(percentiles["99.900000"]) - 999_000) < 2000)
    let bins = try #require(latency["bins"] as? [String: Int])
    #expect(bins.values.reduce(0, +) == 1000)
    #expect(bins.keys.allSatisfy { Int($0) != nil })
    let submission = try #require(read["slat_ns"] as? [String: Double])
    #expect(submission["mean"] == 500 && submission["N"] == 1000)
  }

  @Test func sharesOfLatenciesAddUpToAll() throws {
    let job = try jobs()[0]
    let shares = try ["latency_ns", "latency_us", "latency_ms"].map { name in
      try #require(job[name] as? [String: Double]).values.reduce(0, +)
    }
    #expect(abs(shares.reduce(0, +) - 100) < 0.01)
    let levels = try #require(job["iodepth_level"] as? [String: Double])
    #expect(levels["1"] == 100 && levels.values.reduce(0, +) == 100)
  }

  /// Values and middles that fio 3.33 printed.
  @Test(arguments: [
    (171, 171), (302, 303), (38_200, 38_144), (39_300, 39_168), (39_500, 39_680),
    (88_600, 88_576), (90_100, 89_600), (0, 0),
  ])
  func binsAreFios(value: Int, middle: Int) {
    // fio prints whole middles: 302 and 303 lie in one bin of two.
    #expect(abs(FioBins.middle(ofBinHolding: value) - middle) <= max(1, middle / 100))
  }

  @Test func theJobFileRepeatsEveryLoad() {
    let text = FioJob.file(for: Self.result, milliseconds: 250)
    #expect(text.ranges(of: "\n[r").count == 18)
    for line in [
      "filename=/models/a\\: b/bundles.bin", "size=1073741824", "direct=1", "runtime=250ms",
      "[randread-4k-depth8]", "bs=4608", "iodepth=32", "fixedbufs=1", "iodepth_batch_submit=8",
      "stonewall",
    ] {
      #expect(text.contains(line + "\n"), "\(line)")
    }
  }
}
